//! What a running step works with, and what it hands back.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::aws::Aws;
use crate::failure::{Failure, Outcome};
use crate::journal::{Figure, Lifetime};
use crate::resource::ensure::{ReadyResource, StepSession};
use crate::resource::{Objects, Resource};

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
    /// The Lambda handler that comes with opsml.
    pub handler: Option<PathBuf>,
}

impl Paths {
    /// A path that the runbook names, or one that the user gave on the command line.
    pub fn resolve(&self, path: &str) -> Outcome<PathBuf> {
        for allowed in &self.allowed {
            if Path::new(path) == allowed {
                return Ok(PathBuf::from(path));
            }
            // What lies below a folder that the user gave, with links followed, is given too.
            let real = Path::new(path).canonicalize().ok().zip(allowed.canonicalize().ok());
            if Path::new(path).starts_with(allowed) && real.is_some_and(|(real, root)| real.starts_with(root))
            {
                return Ok(PathBuf::from(path));
            }
        }
        super::inside(&self.base, path)
    }
}

/// A step's means while it runs.
pub struct Context<'a> {
    pub session: StepSession<'a>,
    pub paths: &'a Paths,
}

impl Context<'_> {
    pub fn aws(&self) -> &Aws {
        self.session.aws
    }

    /// The start of generated names: the runbook's stem and the step's id.
    pub fn base(&self) -> String {
        self.session.base.clone()
    }

    pub async fn ensure<R: Resource>(&mut self, slot: &str, wanted: R) -> Outcome<ReadyResource> {
        self.session.ensure(slot, wanted, Lifetime::Stack).await
    }

    /// As [`ensure`](Self::ensure), for what goes when the step ends, however it ends.
    pub async fn ensure_ephemeral<R: Resource>(&mut self, slot: &str, wanted: R) -> Outcome<ReadyResource> {
        self.session.ensure(slot, wanted, Lifetime::Step).await
    }

    /// Describes what the user says is there: it is used, and never changed, tagged or deleted.
    pub async fn existing<R: Resource>(&mut self, kind: &R, name: &str) -> Outcome<ReadyResource> {
        match kind.describe(self.session.aws, name).await? {
            Some(live) => Ok(ReadyResource { name: name.to_owned(), facts: live.facts }),
            None => {
                Err(Failure::new("NotFound", format!("there is no {} {name}", R::TYPE.replace('-', " "))))
            }
        }
    }

    /// Refuses a place in S3 below which another step syncs: a sync deletes what it doesn't know. With `syncs`, also
    /// one above it.
    pub fn apart(&self, place: &str, syncs: bool) -> Outcome<()> {
        let place = format!("{}/", place.trim_end_matches('/'));
        let ledger = &self.session.journal.state().resources;
        let mut others =
            ledger.live().filter(|(id, row)| id.kind == Objects::TYPE && row.step != self.session.step);
        let overlap =
            others.find(|(id, _)| place.starts_with(&id.name) || (syncs && id.name.starts_with(&place)));
        match overlap {
            None => Ok(()),
            Some((id, row)) => Err(Failure::new(
                "OverlappingPrefix",
                format!("{place} and {}, which the step `{}` syncs, lie in one another", id.name, row.step),
            )
            .hint("a sync deletes what is not in its folder: give each its own prefix")),
        }
    }

    pub fn progress(&mut self, message: impl Into<String>, part: Option<(u64, u64)>) {
        let step = self.session.step.clone();
        self.session.journal.progress(&step, message, part);
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
