//! AWS resources: one file each, with its name, describe, create, update and delete. Together with `action`, the
//! only place that calls AWS.
//!
//! A resource is a plain struct, the request for it; it is journaled, so that it can be described, compared and
//! deleted by a later run. [`ensure`] is the one way to make one.

mod bucket;
mod concurrency;
mod endpoint;
mod endpoint_config;
pub mod ensure;
mod fresh_role;
mod function;
mod function_alias;
mod function_permission;
mod function_version;
mod instance;
mod instance_profile;
mod key_pair;
mod model;
mod notebook_instance;
mod objects;
mod role;
mod role_policy;
mod scalable_target;
mod scaling_policy;
mod security_group;
mod training_job;
mod tuning_job;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use bucket::Bucket;
pub use concurrency::{ProvisionedConcurrency, ReservedConcurrency};
pub use endpoint::Endpoint;
pub use endpoint_config::{EndpointConfig, VARIANT};
pub use function::{Function, Vpc, function_revision};
pub use function_alias::FunctionAlias;
pub use function_permission::FunctionPermission;
pub use function_version::FunctionVersion;
pub use instance::{Image, Instance, NAME, Spot, read_text};
pub use instance_profile::InstanceProfile;
pub use key_pair::KeyPair;
pub use model::Model;
pub use notebook_instance::NotebookInstance;
pub use objects::{Objects, split_uri};
pub use role::{Role, Statement, managed_policy_arn, policy_document, role_arn};
pub use role_policy::{Change, RolePolicy};
pub use scalable_target::{ScalableTarget, scalable_id};
pub use scaling_policy::ScalingPolicy;
pub use security_group::SecurityGroup;
pub use training_job::{MetricDefinition, TrainingJob};
pub use tuning_job::{Objective, Range, Scaling, Strategy, TuningJob, trials};

use crate::aws::Aws;
use crate::failure::Outcome;
use crate::journal::ResourceId;
use ensure::Ownership;

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
    /// It is no more, though the service still shows it for a while, and why.
    Ended(String),
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

    /// It is a part of another resource, or set on one, and has that one's tags: where those are not ours, nothing is made.
    const SHARES_TAGS: bool = false;

    fn naming(&self) -> Naming;

    /// Whether `self` can be had only by a new resource beside one that was made as `old`.
    fn replaces(&self, old: &Self) -> bool;

    /// `None` where there is no such resource.
    fn describe(&self, aws: &Aws, name: &str) -> impl Future<Output = Outcome<Option<Live>>>;

    /// Whose an existing resource is: asked of those that may have a fixed name.
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

    /// Log group and the start of its streams' names in CloudWatch Logs, where it writes a log.
    fn log(&self, _name: &str) -> Option<(String, String)> {
        None
    }

    /// The instance type that bills while it lives.
    fn bills(&self) -> Option<&str> {
        None
    }

    /// The resource on which it sets something, where it isn't a thing of its own. Whoever reads that one reads this, and
    /// deleting this undoes it.
    fn attached_to(&self) -> Option<ResourceId> {
        None
    }

    /// The resource that, while it is there, is why this one is not: what a later step has taken back.
    fn inverse(&self) -> Option<ResourceId> {
        None
    }

    /// Asks for it to be deleted, with all that it leaves behind. What is gone already is no error.
    fn delete(&self, aws: &Aws, name: &str) -> impl Future<Output = Outcome<()>>;
}

macro_rules! any_resource {
    ($($Type:ident),* $(,)?) => {
        /// Any resource, as the ledger keeps it.
        #[derive(Clone, Debug, PartialEq)]
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

            pub async fn ownership(&self, aws: &Aws, name: &str, stack: &str) -> Outcome<Ownership> {
                match self { $(Self::$Type(one) => ensure::ownership(one, aws, name, stack).await),* }
            }

            pub fn log(&self, name: &str) -> Option<(String, String)> {
                match self { $(Self::$Type(one) => one.log(name)),* }
            }

            pub fn inverse(&self) -> Option<ResourceId> {
                match self { $(Self::$Type(one) => one.inverse()),* }
            }

            pub fn bills(&self) -> Option<&str> {
                match self { $(Self::$Type(one) => one.bills()),* }
            }
        }
    };
}

any_resource!(
    Bucket,
    Endpoint,
    EndpointConfig,
    Function,
    FunctionAlias,
    FunctionPermission,
    FunctionVersion,
    Instance,
    InstanceProfile,
    KeyPair,
    Model,
    NotebookInstance,
    Objects,
    ProvisionedConcurrency,
    ReservedConcurrency,
    Role,
    RolePolicy,
    ScalableTarget,
    ScalingPolicy,
    SecurityGroup,
    TrainingJob,
    TuningJob,
);

/// A map of facts, without those that are null.
pub fn facts<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
