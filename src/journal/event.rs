//! The events that a journal holds. Their JSON is the format of the file: whoever changes it raises
//! [`FORMAT`](super::FORMAT), and gives what older formats lack a default.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::figure::Figure;
use crate::failure::Failure;
use crate::secret::Masker;

/// A resource's type and name, which are unique within an account and region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceId {
    /// The resource's type: `training-job`, `bucket`.
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
}

impl ResourceId {
    /// The type in words, as AWS writes it: `hyperparameter tuning job`.
    pub fn what(&self) -> String {
        // The word in AWS's identifiers is older.
        self.kind.replace("hyper-parameter", "hyperparameter").replace('-', " ")
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what(), self.name)
    }
}

/// Why a run ended early.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    pub step: String,
    pub failure: Failure,
}

/// How long a resource lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// Until `down`.
    #[default]
    Stack,
    /// Until its step ends, in success or failure: an ephemeral resource. If the runner cannot delete it, the next
    /// run or `down` does.
    Step,
}

impl Lifetime {
    fn is_stack(&self) -> bool {
        *self == Self::Stack
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Event {
    /// The first event.
    Opened {
        stack: String,
        target: String,
        account: String,
        region: String,
    },
    RunStarted {
        run: u64,
        params: Map<String, Value>,
        version: String,
    },
    RunEnded {
        run: u64,
        outcome: RunOutcome,
        /// The step that ended the run, which may be a done one whose `expect` no longer holds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },

    /// The inputs and the digests of the files decide later whether the step is stale.
    StepStarted {
        step: String,
        kind: String,
        inputs: Value,
        files: BTreeMap<String, String>,
        reason: String,
    },
    StepDone {
        step: String,
        outputs: Value,
        summary: String,
        figures: Vec<Figure>,
    },
    StepFailed {
        step: String,
        failure: Failure,
        /// What was measured until it failed, or what an expectation refused.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        figures: Vec<Figure>,
    },
    StepSkipped {
        step: String,
        kind: String,
        reason: String,
    },
    /// The step is no longer in the runbook, and none of its resources is live.
    StepForgotten {
        step: String,
    },

    /// The runbook's `moved` says that the step has another name: what it did and made is that step's.
    StepMoved {
        from: String,
        to: String,
    },

    /// Committed before the create call leaves.
    Intended {
        id: ResourceId,
        step: String,
        slot: String,
        spec: Value,
        #[serde(default, skip_serializing_if = "Lifetime::is_stack")]
        lifetime: Lifetime,
        /// The resource that it is attached to; see `attachment.rs`.
        #[serde(rename = "changes", default, skip_serializing_if = "Option::is_none")]
        attached_to: Option<ResourceId>,
    },
    /// `opsml recover` has found the resource by its tags. The spec is a stand-in, and `digest` is that of the real one.
    Recovered {
        id: ResourceId,
        step: String,
        slot: String,
        spec: Value,
        digest: String,
    },
    /// The spec of a recovered resource is known again: a step wants the same.
    Recognised {
        id: ResourceId,
        spec: Value,
    },
    /// Committed before the wait: the resource exists, and this stack owns it.
    Created {
        id: ResourceId,
        adopted: bool,
    },
    /// Committed before the update call leaves.
    Updating {
        id: ResourceId,
        spec: Value,
    },
    Ready {
        id: ResourceId,
        facts: Map<String, Value>,
    },
    /// Another resource takes its slot; it is deleted when the step is done.
    Superseded {
        id: ResourceId,
    },
    Deleting {
        id: ResourceId,
    },
    /// opsml deleted it, or found it gone.
    Deleted {
        id: ResourceId,
    },
}

impl Event {
    /// Masks the secrets in all that comes from outside: parameters, inputs, outputs, messages, requests and facts. The
    /// names of steps and resources stay, since by them alone a later run finds a resource again.
    pub(super) fn mask(&mut self, masker: &Masker) {
        match self {
            Self::RunStarted { params, .. } => masker.map(params),
            Self::RunEnded { cause, .. } => {
                if let Some(cause) = cause {
                    cause.failure.mask(masker);
                }
            }
            Self::StepStarted { inputs, reason, .. } => {
                masker.value(inputs);
                masker.text(reason);
            }
            Self::StepDone { outputs, summary, figures, .. } => {
                masker.value(outputs);
                masker.text(summary);
                figures.iter_mut().for_each(|figure| figure.mask(masker));
            }
            Self::StepFailed { failure, figures, .. } => {
                failure.mask(masker);
                figures.iter_mut().for_each(|figure| figure.mask(masker));
            }
            Self::StepSkipped { reason, .. } => masker.text(reason),
            Self::Intended { spec, .. }
            | Self::Recovered { spec, .. }
            | Self::Recognised { spec, .. }
            | Self::Updating { spec, .. } => masker.value(spec),
            Self::Ready { facts, .. } => masker.map(facts),
            // A URL may have a password in it.
            Self::Opened { stack, target, .. } => Masker::keyed(stack).text(target),
            Self::StepForgotten { .. }
            | Self::StepMoved { .. }
            | Self::Created { .. }
            | Self::Superseded { .. }
            | Self::Deleting { .. }
            | Self::Deleted { .. } => {}
        }
    }

    /// Returns its type and its subject, for messages: `ready of bucket b`.
    pub(super) fn title(&self) -> String {
        let step = |name: &str, step: &str| format!("`{name}` of the step `{step}`");
        let resource = |name: &str, id: &ResourceId| format!("`{name}` of {id}");
        match self {
            Self::Opened { stack, .. } => format!("`opened` of the stack {stack}"),
            Self::RunStarted { run, .. } => format!("`run_started` of run {run}"),
            Self::RunEnded { run, .. } => format!("`run_ended` of run {run}"),
            Self::StepStarted { step: id, .. } => step("step_started", id),
            Self::StepDone { step: id, .. } => step("step_done", id),
            Self::StepFailed { step: id, .. } => step("step_failed", id),
            Self::StepSkipped { step: id, .. } => step("step_skipped", id),
            Self::StepForgotten { step: id } => step("step_forgotten", id),
            Self::StepMoved { from, .. } => step("step_moved", from),
            Self::Intended { id, .. } => resource("intended", id),
            Self::Recovered { id, .. } => resource("recovered", id),
            Self::Recognised { id, .. } => resource("recognised", id),
            Self::Created { id, .. } => resource("created", id),
            Self::Updating { id, .. } => resource("updating", id),
            Self::Ready { id, .. } => resource("ready", id),
            Self::Superseded { id } => resource("superseded", id),
            Self::Deleting { id } => resource("deleting", id),
            Self::Deleted { id } => resource("deleted", id),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    Done,
    Failed,
    /// It can be continued: Ctrl-C, or credentials that are no longer valid.
    Interrupted,
    /// An expectation did not hold.
    Unexpected,
}

impl RunOutcome {
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Unexpected => "unexpected",
        }
    }
}

/// A committed event.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub seq: u64,
    /// Milliseconds since 1970, UTC.
    pub at: i64,
    pub event: Event,
}
