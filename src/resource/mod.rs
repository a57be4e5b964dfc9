//! AWS resources. Each has a file with its name and its calls: describe, create, update and delete. Only this folder,
//! `action` and `aws.rs` call AWS.
//!
//! Only [`ensure`] creates resources. To add a type, add a file and a line in `any.rs`.

mod any;
mod bucket;
mod concurrency;
mod endpoint;
mod endpoint_config;
pub mod ensure;
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
mod output;
mod ownership;
mod role;
mod role_policy;
mod scalable_target;
mod scaling_policy;
mod search;
mod security_group;
mod training_job;
mod traits;
mod tuning_job;
mod visible;

pub use any::AnyResource;
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
pub use objects::{Object, Objects, look, revision as objects_revision, split_uri};
pub use output::Output;
pub use ownership::Ownership;
pub use role::{Role, Statement, managed_policy_arn, policy_document, role_arn};
pub use role_policy::{Change, RolePolicy};
pub use scalable_target::{ScalableTarget, scalable_id};
pub use scaling_policy::ScalingPolicy;
pub use search::{Found, search};
pub use security_group::SecurityGroup;
pub use training_job::{MetricDefinition, TrainingJob};
pub use traits::{
    Bills, Drawn, EVENT_TAG, Live, Naming, Report, Resource, SLOT_TAG, SPEC_TAG, STEP_TAG, Status, Tags,
    facts,
};
pub use tuning_job::{Objective, Range, Scaling, Strategy, TuningJob, trials};
