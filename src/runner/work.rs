//! What the parts of a run share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde_json::Value;

use super::options::Options;
use crate::aws::Aws;
use crate::decide::Live;
use crate::failure::Outcome;
use crate::journal::{ResourceId, SharedJournal};
use crate::runbook::Runbook;
use crate::step::Step;

/// A run that goes on.
pub(super) struct Runner<'a> {
    pub runbook: &'a Runbook,
    pub journal: &'a SharedJournal,
    pub aws: &'a Aws,
    pub options: &'a Options,
    pub ran: Cell<usize>,
    pub cached: Cell<usize>,
    pub deleted: Cell<usize>,
    /// What Describe returned of each resource when the run began.
    pub live: Live,
    /// The attachments that were detached because an earlier step was redone, each with the step that had attached it.
    pub detached: RefCell<Vec<(String, ResourceId)>>,
}

/// A step that is to run.
pub(super) struct Due {
    pub index: usize,
    pub read: Step,
    pub inputs: Value,
    pub files: BTreeMap<String, String>,
    pub reason: String,
    /// The most that it may cost, in US dollars.
    pub price: f64,
    /// What later steps have attached, and it must run without.
    pub to_detach: Vec<ResourceId>,
}

impl Runner<'_> {
    /// Returns the digests of the local files that a step depends on.
    pub fn digests(&self, step: &Step) -> Outcome<BTreeMap<String, String>> {
        let digest = |path: String| {
            let digest = self.options.paths.digest(&path)?;
            Ok((path, digest))
        };
        tokio::task::block_in_place(|| step.files().into_iter().map(digest).collect())
    }
}
