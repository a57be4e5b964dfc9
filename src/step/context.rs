//! What a running step works with, and what it hands back.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::aws::Aws;
use crate::failure::{Failure, Outcome};
use crate::journal::{Figure, Lifetime};
use crate::resource::Resource;
use crate::resource::ensure::{Hands, Held};

/// The folders of a run.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The runbook's folder: what it names lies below it.
    pub base: PathBuf,
    /// Where what can be made again is kept, relative to `base`.
    pub cache: PathBuf,
    /// Paths that the command line gave, and that may lie anywhere.
    pub allowed: Vec<PathBuf>,
    /// The worker that goes to EC2 instances.
    pub worker: Option<PathBuf>,
}

impl Paths {
    /// A path that the runbook names, or one that the user gave on the command line.
    pub fn resolve(&self, path: &str) -> Outcome<PathBuf> {
        if self.allowed.iter().any(|allowed| Path::new(path) == allowed) {
            return Ok(PathBuf::from(path));
        }
        super::inside(&self.base, path)
    }
}

/// A step's means while it runs.
pub struct Context<'a> {
    pub hands: Hands<'a>,
    pub paths: &'a Paths,
}

impl Context<'_> {
    pub fn aws(&self) -> &Aws {
        self.hands.aws
    }

    /// The start of generated names: the runbook's stem and the step's id.
    pub fn base(&self) -> String {
        self.hands.base.clone()
    }

    pub async fn ensure<R: Resource>(&mut self, slot: &str, wanted: R) -> Outcome<Held> {
        self.hands.ensure(slot, wanted, Lifetime::Stack).await
    }

    /// As [`ensure`](Self::ensure), for what goes when the step ends, however it ends.
    pub async fn ensure_meanwhile<R: Resource>(&mut self, slot: &str, wanted: R) -> Outcome<Held> {
        self.hands.ensure(slot, wanted, Lifetime::Step).await
    }

    /// Describes what the user says is there: it is used, and never changed, tagged or deleted.
    pub async fn existing<R: Resource>(&mut self, kind: &R, name: &str) -> Outcome<Held> {
        match kind.describe(self.hands.aws, name).await? {
            Some(live) => Ok(Held { name: name.to_owned(), facts: live.facts }),
            None => {
                Err(Failure::new("NotFound", format!("there is no {} {name}", R::TYPE.replace('-', " "))))
            }
        }
    }

    pub fn progress(&mut self, message: impl Into<String>, part: Option<(u64, u64)>) {
        let step = self.hands.step.clone();
        self.hands.journal.progress(&step, message, part);
    }
}

/// What a step that succeeded hands back.
#[derive(Debug)]
pub struct Done<T> {
    pub outputs: T,
    /// One line for the terminal and the table of steps.
    pub summary: String,
    pub figures: Vec<Figure>,
}

impl<T: Serialize> Done<T> {
    pub fn new(outputs: T, summary: impl Into<String>) -> Self {
        Self { outputs, summary: summary.into(), figures: Vec::new() }
    }

    pub fn figures(mut self, figures: Vec<Figure>) -> Self {
        self.figures = figures;
        self
    }

    pub fn into_value(self) -> Outcome<Done<Value>> {
        let outputs = serde_json::to_value(self.outputs).map_err(Failure::journal)?;
        Ok(Done { outputs, summary: self.summary, figures: self.figures })
    }
}
