//! What every AWS resource has: the trait, and what Describe returns of it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::aws::Aws;
use crate::failure::Outcome;
use crate::journal::ResourceId;

/// AWS tags. Those that begin with `opsml:` name a resource's owner, and what a lost journal must know of it.
pub type Tags = BTreeMap<String, String>;

/// The tag with the stack's id.
pub const STACK_TAG: &str = "opsml:stack";
/// The tag with the step's id.
pub const STEP_TAG: &str = "opsml:step";
/// The tag with the slot of the step.
pub const SLOT_TAG: &str = "opsml:slot";
/// The tag with the digest of the request that created it.
pub const SPEC_TAG: &str = "opsml:spec";
/// The tag with the number of the event of its intent.
pub const EVENT_TAG: &str = "opsml:event";

/// Reports progress: a message, and the amounts done and in total if they are known.
pub type Report<'a> = &'a mut dyn FnMut(String, Option<(u64, u64)>);

/// A resource as AWS's Describe operation returns it.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    pub status: Status,
    /// The facts that the report shows and that reveal a change from outside, so none that changes by itself. The fact
    /// `revision` identifies the content: when it changes, the steps that read the resource are stale.
    pub facts: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Ready,
    /// It will be ready; the service's word for its status.
    Pending(String),
    /// It will never be ready; the service's reason.
    Failed(String),
    /// It is gone, though Describe still returns it for a while; the service's reason.
    Ended(String),
}

/// How a resource is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// By the runbook, or by the resources that it belongs to.
    Fixed(String),
    /// `base-2026-11-21-01-20-00-123`, as SageMaker's SDK names jobs and endpoints, in at most `max` characters.
    Timestamp { base: String, max: usize },
    /// Within another resource of the stack, or with its generated name: nobody else has it.
    Unique(String),
    /// `base-STACK` in at most `max` characters: one for each stack, in a namespace that stacks share.
    Stack { base: String, max: usize },
}

/// The request for an AWS resource that a step owns. The journal keeps it, so that a later run can describe, compare and
/// delete the resource.
pub trait Resource: Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync {
    /// The type's name: `training-job`, `bucket`.
    const TYPE: &'static str;

    /// The facts that a report shows of it, in this order; the others fold away. None means all.
    const ROWS: &'static [&'static str] = &[];

    /// How it stands in a report's diagram of what was built.
    const DRAWN: Drawn = Drawn::Through;

    /// Whether creating it takes several calls. [`update`](Self::update) then completes what an interrupted run began.
    const STAGED: bool = false;

    /// Whether it has no tags of its own, because it is a part of another resource or attached to one. [`tags`](Self::tags)
    /// then returns those of that resource, and it is created only if that resource belongs to the stack.
    const SHARES_TAGS: bool = false;

    /// Whether another resource of the stack makes it: a job its output. No stack has it from elsewhere.
    const IS_LEFT_BY_ANOTHER: bool = false;

    /// Whether AWS refuses to delete it while it is created, updated or deleted, so that this is waited for first.
    const SETTLES_BEFORE_DELETE: bool = false;

    /// Whether [`delete`](Self::delete) goes on after the resource itself is gone: with its log, or a local file.
    const LEAVES: bool = false;

    fn naming(&self) -> Naming;

    /// Whether the change from `old` to `self` needs another resource: AWS cannot update it.
    fn replaces(&self, old: &Self) -> bool;

    /// Returns `None` if there is no such resource.
    fn describe(&self, aws: &Aws, name: &str) -> impl Future<Output = Outcome<Option<Live>>>;

    /// Returns the tags of an existing resource. Only resources that may have a fixed name need it.
    fn tags(&self, _aws: &Aws, _name: &str) -> impl Future<Output = Outcome<Tags>> {
        std::future::ready(Ok(Tags::new()))
    }

    fn create(
        &self,
        aws: &Aws,
        name: &str,
        tags: &Tags,
        progress: Report<'_>,
    ) -> impl Future<Output = Outcome<()>>;

    /// Updates an existing resource to `self`, for which [`replaces`](Self::replaces) is false. It may be called again
    /// after a crash.
    fn update(
        &self,
        aws: &Aws,
        name: &str,
        tags: &Tags,
        progress: Report<'_>,
    ) -> impl Future<Output = Outcome<()>> {
        self.create(aws, name, tags, progress)
    }

    /// Returns the log group and the prefix of the log streams, if it writes a log to CloudWatch Logs.
    fn log(&self, _name: &str) -> Option<(String, String)> {
        None
    }

    /// Returns what it bills by the hour, by the facts that Describe returned.
    fn bills(&self, _facts: &Map<String, Value>) -> Option<Bills> {
        None
    }

    /// Returns the resource that it is attached to, if it is an attachment: see `attachment.rs`.
    fn attached_to(&self) -> Option<ResourceId> {
        None
    }

    /// Returns a stand-in for a resource whose request is lost with the journal. It can be described and deleted by its name.
    fn stand_in(_name: &str) -> Option<Self> {
        None
    }

    /// Returns the resource that undoes this one: while that one is live, it is no change from outside that this one is
    /// gone.
    fn inverse(&self) -> Option<ResourceId> {
        None
    }

    /// Begins to delete it, with everything that it leaves behind. It is no error if it is gone already.
    fn delete(&self, aws: &Aws, name: &str) -> impl Future<Output = Outcome<()>>;
}

/// How a resource stands in a report's diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    Box,
    /// A line in the box of a resource that uses it.
    Role,
    /// A line in the box of the resource that it is set on.
    Note,
    /// Not at all: what uses it uses what it uses.
    Through,
}

/// The fact that names the content without which a resource is worth nothing, if that was there and is gone.
pub const GONE: &str = "gone";

impl Live {
    /// Returns the content that a resource has lost since Describe returned these facts.
    pub fn lost(&self, before: &Map<String, Value>) -> Option<&str> {
        if before.contains_key(GONE) { None } else { self.facts.get(GONE)?.as_str() }
    }
}

/// What a resource bills by the hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Bills {
    pub instance_type: String,
    pub instance_count: i32,
    /// Billed seconds of each instance, where the service says them.
    pub seconds: Option<f64>,
    /// Whether it bills until it is deleted, and not only until it is ready.
    pub until_deleted: bool,
}

/// Returns a map of facts, without those that are null.
pub fn facts<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
