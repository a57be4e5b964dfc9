//! The list of all types of resource.

use opsml_contract::worded;
use serde_json::{Map, Value};

use super::bucket::Bucket;
use super::concurrency::{ProvisionedConcurrency, ReservedConcurrency};
use super::endpoint::Endpoint;
use super::endpoint_config::EndpointConfig;
use super::function::Function;
use super::function_alias::FunctionAlias;
use super::function_permission::FunctionPermission;
use super::function_version::FunctionVersion;
use super::instance::Instance;
use super::instance_profile::InstanceProfile;
use super::key_pair::KeyPair;
use super::model::Model;
use super::notebook_instance::NotebookInstance;
use super::objects::Objects;
use super::output::Output;
use super::ownership::Ownership;
use super::role::Role;
use super::role_policy::RolePolicy;
use super::scalable_target::ScalableTarget;
use super::scaling_policy::ScalingPolicy;
use super::security_group::SecurityGroup;
use super::training_job::TrainingJob;
use super::traits::{Bills, Drawn, Live, Naming, Report, Resource, Tags};
use super::tuning_job::TuningJob;
use crate::aws::Aws;
use crate::failure::{Failure, Outcome};
use crate::journal::ResourceId;

macro_rules! any_resource {
    ($($Type:ident),* $(,)?) => {
        /// A resource of any type, as the ledger keeps it.
        #[derive(Clone, Debug, PartialEq)]
        pub enum AnyResource { $($Type($Type)),* }

        $(impl From<$Type> for AnyResource {
            fn from(one: $Type) -> Self {
                Self::$Type(one)
            }
        })*

        // A call of each type has a future of its own: boxed, it doesn't make those of all others as large as the largest.
        impl AnyResource {
            /// Reads a resource of the ledger. A type that is unknown comes from another version of opsml.
            pub fn read(kind: &str, spec: &Value) -> Outcome<Self> {
                $(if kind == $Type::TYPE {
                    return serde_json::from_value(spec.clone()).map(Self::$Type).map_err(|error| {
                        Failure::journal(format!("the {kind} in the journal cannot be read: {}", worded(&error)))
                    });
                })*
                Err(Failure::journal(format!("the journal has a resource of the type `{kind}`, which this opsml does not know")))
            }

            /// Returns a stand-in for a resource whose request is lost with the journal.
            pub fn stand_in(kind: &str, name: &str) -> Option<Self> {
                $(if kind == $Type::TYPE {
                    return $Type::stand_in(name).map(Self::$Type);
                })*
                None
            }

            /// Returns the facts that a report shows of a type. None means all.
            pub fn rows(kind: &str) -> &'static [&'static str] {
                $(if kind == $Type::TYPE {
                    return $Type::ROWS;
                })*
                &[]
            }

            /// Returns how a type stands in a report's diagram.
            pub fn drawn(kind: &str) -> Drawn {
                $(if kind == $Type::TYPE {
                    return $Type::DRAWN;
                })*
                Drawn::Through
            }

            /// Returns the request as the journal keeps it.
            pub fn spec(&self) -> Outcome<Value> {
                match self { $(Self::$Type(one) => serde_json::to_value(one)),* }.map_err(Failure::journal)
            }

            pub async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
                match self { $(Self::$Type(one) => Box::pin(one.describe(aws, name)).await),* }
            }

            pub async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
                match self { $(Self::$Type(one) => Box::pin(one.delete(aws, name)).await),* }
            }

            pub async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
                match self { $(Self::$Type(one) => Box::pin(one.tags(aws, name)).await),* }
            }

            pub async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
                match self { $(Self::$Type(one) => Box::pin(one.create(aws, name, tags, progress)).await),* }
            }

            pub async fn update(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
                match self { $(Self::$Type(one) => Box::pin(one.update(aws, name, tags, progress)).await),* }
            }

            /// The type's name: `training-job`, `bucket`.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$Type(_) => $Type::TYPE),* }
            }

            pub fn naming(&self) -> Naming {
                match self { $(Self::$Type(one) => one.naming()),* }
            }

            /// See [`Resource::replaces`]. A resource of another type does.
            pub fn replaces(&self, old: &Self) -> bool {
                match (self, old) {
                    $((Self::$Type(one), Self::$Type(old)) => one.replaces(old),)*
                    _ => true,
                }
            }

            pub fn attached_to(&self) -> Option<ResourceId> {
                match self { $(Self::$Type(one) => one.attached_to()),* }
            }

            pub fn is_staged(&self) -> bool {
                match self { $(Self::$Type(_) => $Type::STAGED),* }
            }

            pub fn shares_tags(&self) -> bool {
                match self { $(Self::$Type(_) => $Type::SHARES_TAGS),* }
            }

            pub fn is_left_by_another(&self) -> bool {
                match self { $(Self::$Type(_) => $Type::IS_LEFT_BY_ANOTHER),* }
            }

            pub fn log(&self, name: &str) -> Option<(String, String)> {
                match self { $(Self::$Type(one) => one.log(name)),* }
            }

            pub fn inverse(&self) -> Option<ResourceId> {
                match self { $(Self::$Type(one) => one.inverse()),* }
            }

            pub fn leaves(&self) -> bool {
                match self { $(Self::$Type(_) => $Type::LEAVES),* }
            }

            pub fn settles_before_delete(&self) -> bool {
                match self { $(Self::$Type(_) => $Type::SETTLES_BEFORE_DELETE),* }
            }

            pub fn bills(&self, facts: &Map<String, Value>) -> Option<Bills> {
                match self { $(Self::$Type(one) => one.bills(facts)),* }
            }
        }
    };
}

impl AnyResource {
    /// Returns the owner of an existing resource. A name with a timestamp in milliseconds was free when it was intended, and
    /// nobody else generates it: its resource is this stack's.
    pub async fn ownership(&self, aws: &Aws, name: &str, stack: &str) -> Outcome<Ownership> {
        match self.naming() {
            Naming::Timestamp { .. } | Naming::Unique(_) => Ok(Ownership::Ours),
            Naming::Fixed(_) | Naming::Stack { .. } => Ok(Ownership::by(&self.tags(aws, name).await?, stack)),
        }
    }

    /// Whether an existing resource still has the stack's tags. Those of a part of another resource, or of objects in
    /// a bucket, are not read: that resource and the bucket have their own.
    pub async fn is_ours(&self, aws: &Aws, name: &str, stack: &str) -> Outcome<bool> {
        let part = self.shares_tags() || matches!(self, Self::Objects(_));
        Ok(part || self.ownership(aws, name, stack).await? == Ownership::Ours)
    }
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
    Output,
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
