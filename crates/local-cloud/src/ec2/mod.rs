//! EC2: instances that are processes, and the keys, groups, images and networks around them.
//!
//! [`launch`] reads RunInstances' input and [`run`] launches the instances. [`control`] terminates, stops and starts
//! them. [`machine`] is the life of one instance, [`host`] has its folder and processes, and [`metadata`] its metadata
//! service. A terminated instance stays visible for an hour.

mod control;
mod der;
mod describe;
mod error;
mod expire;
mod generate;
mod group;
mod groups;
mod host;
mod id;
mod images;
mod instance;
mod interface;
mod keys;
mod knobs;
mod launch;
mod machine;
mod market;
mod metadata;
mod network;
mod placement;
mod price;
mod request;
mod reservation;
mod rule;
mod rules;
mod run;
mod service;
mod spot;
mod state;
mod tagging;
mod tags;
mod templates;
mod traits;
mod types;

use std::sync::{Arc, LazyLock};

use crate::call::AwsError;
use crate::model::Model;
use crate::service::{Operation, Service};
pub use knobs::{Knobs, Quota, interrupt_spot, set_knobs, set_quota};
use request::everything;
pub use service::Ec2;
pub use traits::{Images, Network};

const OPERATIONS: &[Operation<Ec2>] = &[
    Operation::new("RunInstances", launch::needs, run::run),
    Operation::new("DescribeInstances", everything, describe::describe),
    Operation::new("DescribeInstanceStatus", everything, describe::describe_status),
    Operation::new("DescribeInstanceAttribute", describe::console_needs, describe::attribute),
    Operation::new("GetConsoleOutput", describe::console_needs, describe::console),
    Operation::new("TerminateInstances", control::needs, control::terminate),
    Operation::new("StopInstances", control::needs, control::stop),
    Operation::new("StartInstances", control::needs, control::start),
    Operation::new("RequestSpotInstances", market::needs, market::request),
    Operation::new("DescribeSpotPriceHistory", everything, market::history),
    Operation::new("DescribeSpotInstanceRequests", everything, spot::describe),
    Operation::new("CancelSpotInstanceRequests", spot::cancel_needs, spot::cancel),
    Operation::later("CreateKeyPair", keys::new_needs, |request| Box::pin(keys::create(request))),
    Operation::new("ImportKeyPair", keys::new_needs, keys::import),
    Operation::new("DescribeKeyPairs", everything, keys::describe),
    Operation::new("DeleteKeyPair", keys::delete_needs, keys::delete),
    Operation::new("CreateSecurityGroup", groups::create_needs, groups::create),
    Operation::new("DescribeSecurityGroups", everything, groups::describe),
    Operation::new("DeleteSecurityGroup", group::needs, groups::delete),
    Operation::new("DescribeSecurityGroupRules", everything, rules::describe),
    Operation::new("AuthorizeSecurityGroupIngress", rules::authorize_needs, |it| rules::authorize(it, false)),
    Operation::new("AuthorizeSecurityGroupEgress", rules::authorize_needs, |it| rules::authorize(it, true)),
    Operation::new("RevokeSecurityGroupIngress", group::needs, |it| rules::revoke(it, false)),
    Operation::new("RevokeSecurityGroupEgress", group::needs, |it| rules::revoke(it, true)),
    Operation::new("DescribeVpcs", everything, network::describe_vpcs),
    Operation::new("DescribeSubnets", everything, network::describe_subnets),
    Operation::new("DescribeAvailabilityZones", everything, network::describe_zones),
    Operation::new("DescribeImages", everything, images::describe),
    Operation::new("DescribeInstanceTypes", everything, types::describe),
    Operation::new("CreateLaunchTemplate", templates::create_needs, templates::create),
    Operation::new("CreateLaunchTemplateVersion", templates::needs, templates::create_version),
    Operation::new("DescribeLaunchTemplates", everything, templates::describe),
    Operation::new("DescribeLaunchTemplateVersions", everything, templates::describe_versions),
    Operation::new("ModifyLaunchTemplate", templates::needs, templates::modify),
    Operation::new("DeleteLaunchTemplate", templates::needs, templates::delete),
    Operation::new("CreateTags", tagging::create_needs, tagging::create),
    Operation::new("DeleteTags", tagging::delete_needs, tagging::delete),
    Operation::new("DescribeTags", everything, tagging::describe),
];

impl Service for Ec2 {
    const NAME: &'static str = "ec2";
    const TITLE: &'static str = "EC2";

    fn model() -> &'static Model {
        static MODEL: LazyLock<Model> = LazyLock::new(|| {
            Model::read(include_str!("model.json")).with_members(include_str!("members.txt"))
        });
        &MODEL
    }

    fn operations() -> &'static [Operation<Self>] {
        OPERATIONS
    }

    fn denied(error: AwsError) -> AwsError {
        match error.status {
            500.. => error,
            _ => {
                let message = format!("You are not authorized to perform this operation. {}", error.message);
                AwsError::new(403, "UnauthorizedOperation", message)
            }
        }
    }

    /// Ends the instances that the last server left running. Stopped instances stay.
    async fn start(self: &Arc<Self>) {
        // If the state can't be read, every request that reads it gets the error.
        let _ = machine::recover(self);
    }

    async fn stop(self: &Arc<Self>) {
        machine::end_all(self).await;
    }

    fn is_empty(&self) -> bool {
        instance::none_left(&self.cloud)
    }
}
