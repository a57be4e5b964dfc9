//! What a running step is given, and what it returns.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::paths::Paths;
use super::sheet::Drawn;
use crate::aws::Aws;
use crate::failure::{Failure, Outcome};
use crate::journal::{Figure, Lifetime, Picture, Pictures, ResourceId};
use crate::resource::ensure::{ReadyResource, StepSession};
use crate::resource::{AnyResource, Objects, Resource};

/// What a running step is given.
pub struct Context<'a> {
    pub session: StepSession<'a>,
    pub paths: &'a Paths,
    /// Figures of what was measured, for the case that the step fails. One that succeeds returns its own.
    pub partial: Vec<Figure>,
}

impl Context<'_> {
    pub fn aws(&self) -> &Aws {
        self.session.aws
    }

    /// Returns the prefix of generated names: the runbook's stem and the step's id.
    pub fn base(&self) -> String {
        self.session.base.clone()
    }

    pub async fn ensure(&mut self, slot: &str, wanted: impl Into<AnyResource>) -> Outcome<ReadyResource> {
        self.session.ensure(slot, &wanted.into(), Lifetime::Stack).await
    }

    /// As [`ensure`](Self::ensure), for a resource that is deleted at the end of the step, however it ends.
    pub async fn ensure_ephemeral(
        &mut self,
        slot: &str,
        wanted: impl Into<AnyResource>,
    ) -> Outcome<ReadyResource> {
        self.session.ensure(slot, &wanted.into(), Lifetime::Step).await
    }

    /// Describes an existing resource that the user names. It is used, and never changed, tagged or deleted.
    pub async fn existing<R: Resource>(&mut self, kind: &R, name: &str) -> Outcome<ReadyResource> {
        match kind.describe(self.session.aws, name).await? {
            Some(live) => Ok(ReadyResource { name: name.to_owned(), facts: live.facts }),
            None => {
                let id = ResourceId { kind: R::TYPE.to_owned(), name: name.to_owned() };
                Err(Failure::new("NotFound", format!("there is no {id}")))
            }
        }
    }

    /// Refuses an S3 URI below a prefix that another step syncs: the sync would delete its objects. With `syncs`, refuses a
    /// prefix above one too.
    pub fn apart(&self, place: &str, syncs: bool) -> Outcome<()> {
        let place = format!("{}/", place.trim_end_matches('/'));
        let state = self.session.journal.state();
        let mut others = state
            .resources
            .live()
            .filter(|(id, row)| id.kind == Objects::TYPE && row.step != self.session.step);
        let overlap =
            others.find(|(id, _)| place.starts_with(&id.name) || (syncs && id.name.starts_with(&place)));
        match overlap {
            None => Ok(()),
            Some((id, row)) => Err(Failure::new(
                "OverlappingPrefix",
                format!("{place} and {}, which the step `{}` syncs, overlap", id.name, row.step),
            )
            .hint("a sync deletes every object that is not in its folder: use another prefix")),
        }
    }

    /// Keeps a picture beside the journal, for a figure.
    pub fn keep(&self, drawn: &Drawn, alt: impl Into<String>) -> Outcome<Picture> {
        let journal = self.session.journal.path();
        Pictures::beside(journal.parent().unwrap_or(Path::new("."))).keep(&drawn.bytes, drawn.size, alt)
    }

    pub fn progress(&mut self, message: impl Into<String>, part: Option<(u64, u64)>) {
        let step = self.session.step.clone();
        self.session.journal.progress(&step, message, part);
    }
}

/// What a step returns when it succeeds.
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
