//! What a run is asked for, and how it ended.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::select::Selection;
use crate::step::Paths;

/// The options of a run.
pub struct Options {
    pub params: Map<String, Value>,
    pub paths: Paths,
    /// Steps to redo even if nothing has changed.
    pub force: Vec<String>,
    /// The most that the stack may cost, in US dollars.
    pub budget: Option<f64>,
    /// The steps that the run is about.
    pub selection: Selection,
    /// How many neighbouring steps that do not need each other run at the same time.
    pub jobs: usize,
    /// The steps that a plan keeps or skips, if the run does what a plan says.
    pub untouched: Option<BTreeSet<String>>,
    /// Delete the resources of steps that are no longer in the runbook, and restore what was changed outside of opsml.
    pub yes: bool,
}

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// `deleted` counts the resources that the run has deleted.
    Done {
        ran: usize,
        cached: usize,
        deleted: usize,
    },
    Failed {
        step: String,
        failure: Failure,
    },
    Interrupted,
}

impl Ended {
    pub(super) fn by(step: String, failure: Failure) -> Self {
        match failure.is_interrupted() {
            true => Self::Interrupted,
            false => Self::Failed { step, failure },
        }
    }
}
