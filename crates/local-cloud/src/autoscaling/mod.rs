//! Application Auto Scaling: it changes the number of instances of SageMaker's endpoint variants, and the provisioned
//! concurrency of Lambda's functions, by target tracking or in steps.
//!
//! ```text
//! invocations ─ metrics ─ alarms (cloudwatch) ─ [control] ─ [track] or [step] decides ─ [activity] ─ the new capacity
//! ```
//!
//! [`target`] stores scalable targets, and [`policy`] scaling policies and their alarms. SageMaker, which has the
//! variants, and Lambda, which has the functions, are below this service in the list of services, so this one uses them
//! through [`Scalable`] and [`Functions`]. The control loop
//! runs `Settings::speedup` times faster than on AWS: metric periods and cooldowns take that much less time, and every
//! scaling activity says so. Timestamps are real.

mod activity;
mod adjust;
mod capacity;
mod control;
mod key;
mod policies;
mod policy;
mod registration;
mod scalable;
mod service;
mod step;
mod tags;
mod target;
mod targets;
mod track;

use std::sync::LazyLock;

use crate::model::Model;
use crate::service::{Operation, Service};

pub use scalable::{Capacity, Change, Functions, Scalable, Variant};
pub use service::Scaling;
pub use targets::{FunctionTargets, Targets};

static MODEL: LazyLock<Model> =
    LazyLock::new(|| Model::read(include_str!("model.json")).with_members(include_str!("members.txt")));

const OPERATIONS: &[Operation<Scaling>] = &[
    Operation::new("RegisterScalableTarget", target::on_target, registration::register),
    Operation::new("DescribeScalableTargets", key::on_all, registration::describe),
    Operation::new("DeregisterScalableTarget", target::on_target, registration::deregister),
    Operation::new("ListTagsForResource", tags::on_resource, tags::list),
    Operation::new("TagResource", tags::on_resource, tags::tag),
    Operation::new("UntagResource", tags::on_resource, tags::untag),
    Operation::new("PutScalingPolicy", target::on_target, policies::put),
    Operation::new("DescribeScalingPolicies", key::on_all, policies::describe),
    Operation::new("DeleteScalingPolicy", target::on_target, policies::delete),
    Operation::new("DescribeScalingActivities", key::on_all, activity::describe),
];

impl Service for Scaling {
    const NAME: &'static str = "application-autoscaling";
    const TITLE: &'static str = "Application Auto Scaling";

    fn model() -> &'static Model {
        &MODEL
    }

    fn operations() -> &'static [Operation<Self>] {
        OPERATIONS
    }
}
