//! AWS resources: one file each, with its name, describe, create, update and delete. Together with `action`, the
//! only place that calls AWS.
//!
//! A resource is a plain struct, the request for it; it is journaled, so that it can be described, compared and
//! deleted by a later run. [`ensure`] is the one way to make one.

mod bucket;
mod endpoint;
mod endpoint_config;
pub mod ensure;
mod model;
mod objects;
mod role;
mod training_job;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use bucket::Bucket;
pub use endpoint::Endpoint;
pub use endpoint_config::EndpointConfig;
pub use model::Model;
pub use objects::{Objects, split_uri};
pub use role::{Role, Statement, managed_policy_arn, policy_document};
pub use training_job::{MetricDefinition, TrainingJob};

use crate::aws::Aws;
use crate::failure::Outcome;

/// AWS tags. Every resource that can carry tags has `opsml:stack` and `opsml:step`: they say whose it is.
pub type Tags = BTreeMap<String, String>;

/// Tells how far something is: in words, and as done and total where they are known.
pub type Report<'a> = &'a mut dyn FnMut(String, Option<(u64, u64)>);

/// What Describe says of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    pub status: Status,
    /// What a card in the report shows and what a changed one is told by: nothing that changes by itself. The fact
    /// `revision` is what lies behind the name: a step that reads the resource is stale when it changes.
    pub facts: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Ready,
    /// Not yet, in the service's words.
    Pending(String),
    /// It will never be, in the service's words.
    Failed(String),
}

/// How a resource gets its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// The runbook says it.
    Fixed(String),
    /// `base-2026-11-21-01-20-00-123`, as SageMaker's SDK names jobs and endpoints; at most so many characters.
    Timestamp { base: String, max: usize },
    /// `base-STACK`: for what lives as long as the stack, in a namespace that others share.
    Stack { base: String, max: usize },
}

/// An AWS resource that a step owns.
pub trait Resource: Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync {
    /// `training-job`, `bucket`, …
    const TYPE: &'static str;

    /// Creating it takes several calls: one that is found half-made is finished by [`update`](Self::update).
    const STAGED: bool = false;

    fn naming(&self) -> Naming;

    /// Whether `self` can be had only by a new resource beside one that was made as `old`.
    fn replaces(&self, old: &Self) -> bool;

    /// `None` where there is no such resource.
    fn describe(&self, aws: &Aws, name: &str) -> impl Future<Output = Outcome<Option<Live>>>;

    /// Whose an existing resource is.
    fn tags(&self, aws: &Aws, name: &str) -> impl Future<Output = Outcome<Tags>>;

    fn create(
        &self,
        aws: &Aws,
        name: &str,
        tags: &Tags,
        progress: Report<'_>,
    ) -> impl Future<Output = Outcome<()>>;

    /// Makes an existing one be as `self`; may be called again after a crash. Only where `replaces` said no.
    fn update(
        &self,
        aws: &Aws,
        name: &str,
        tags: &Tags,
        progress: Report<'_>,
    ) -> impl Future<Output = Outcome<()>> {
        self.create(aws, name, tags, progress)
    }

    /// Asks for it to be deleted, with all that it leaves behind. What is gone already is no error.
    fn delete(&self, aws: &Aws, name: &str) -> impl Future<Output = Outcome<()>>;
}

macro_rules! any_resource {
    ($($Type:ident),* $(,)?) => {
        /// Any resource, as the ledger keeps it.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        pub enum AnyResource { $($Type($Type)),* }

        impl AnyResource {
            /// Reads what the ledger holds; an unknown type comes from another version of opsml.
            pub fn read(kind: &str, spec: &Value) -> Outcome<Self> {
                $(if kind == $Type::TYPE {
                    return serde_json::from_value(spec.clone()).map(Self::$Type).map_err(|error| {
                        crate::failure::Failure::journal(format!("the {kind} in the journal cannot be read: {error}"))
                    });
                })*
                Err(crate::failure::Failure::journal(format!("this opsml doesn't know the resource type `{kind}`")))
            }

            pub async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
                match self { $(Self::$Type(one) => one.describe(aws, name).await),* }
            }

            pub async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
                match self { $(Self::$Type(one) => one.delete(aws, name).await),* }
            }
        }
    };
}

any_resource!(Bucket, Endpoint, EndpointConfig, Model, Objects, Role, TrainingJob);

/// A map of facts, without those that are null.
pub fn facts<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
