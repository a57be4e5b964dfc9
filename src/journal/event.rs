//! The events that a journal holds. They are the on-disk format: a change here is a change of
//! [`FORMAT`](super::FORMAT).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Figure;
use crate::failure::Failure;

/// A resource by what it is and what it is called; unique within an account and region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceId {
    /// `training-job`, `bucket`, …
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.replace('-', " "), self.name)
    }
}

/// Why a run ended early.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    pub step: String,
    pub failure: Failure,
}

/// How long a resource is meant to live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// Until `down`.
    #[default]
    Stack,
    /// Until its step ends, however it ends: a debt that the runner, the next run and `down` all pay.
    Step,
}

impl Lifetime {
    fn is_stack(&self) -> bool {
        *self == Self::Stack
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event: whose journal this is.
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
        /// The step at which it ended early, and why: a step that is done may no longer be as expected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },

    /// A step's work begins; what it was given is what decides later whether it is stale.
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
    },
    StepSkipped {
        step: String,
        kind: String,
        reason: String,
    },
    /// The step is no longer in the file, and nothing of it is left.
    StepForgotten {
        step: String,
    },

    /// Committed before the create call leaves.
    Intended {
        id: ResourceId,
        step: String,
        slot: String,
        spec: Value,
        #[serde(default, skip_serializing_if = "Lifetime::is_stack")]
        lifetime: Lifetime,
        /// The resource that it sets something on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        changes: Option<ResourceId>,
    },
    /// Committed before the wait: the resource exists and is ours.
    Created {
        id: ResourceId,
        adopted: bool,
    },
    /// An update to another spec is about to be called.
    Updating {
        id: ResourceId,
        spec: Value,
    },
    Ready {
        id: ResourceId,
        facts: Map<String, Value>,
    },
    /// Another resource has its slot now; it goes once the step is done.
    Superseded {
        id: ResourceId,
    },
    Deleting {
        id: ResourceId,
    },
    /// It is gone: by us, or found gone.
    Deleted {
        id: ResourceId,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    Done,
    Failed,
    Interrupted,
    /// An expectation did not hold.
    Unexpected,
}

/// An event and when it was committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub seq: u64,
    /// Milliseconds since 1970, UTC.
    pub at: i64,
    pub event: Event,
}
