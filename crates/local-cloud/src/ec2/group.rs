//! Security groups as they are stored. They have no effect on traffic: instances here can be reached on loopback only.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{error, missing};
use super::id::fixed_id;
use super::network;
use super::request::{Needed, Request};
use super::rule::{Peer, Rule, permissions};
use crate::call::AwsError;
use crate::cloud::Cloud;

/// The kind under which the store has groups.
pub const GROUP: &str = "ec2.security-group";
/// The name of the group that every VPC has.
pub const DEFAULT: &str = "default";

/// A group, stored under its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub id: String,
    pub name: String,
    pub description: String,
    pub rules: Vec<Rule>,
}

impl Group {
    /// Returns the rules of one direction as IpPermissions.
    pub fn permissions(&self, cloud: &Cloud, egress: bool) -> Vec<Value> {
        permissions(cloud, self.rules.iter().filter(|rule| rule.egress == egress))
    }
}

/// Returns all groups. The VPC's default group is always among them.
pub fn all(cloud: &Cloud) -> Result<Vec<Group>, AwsError> {
    let id = default_id(cloud);
    if cloud.store.get::<Group>(GROUP, &id)?.is_none() {
        let rule = |egress: bool, peer: Peer| {
            Rule::of_everything(fixed_id("sgr", &format!("{id}/{egress}")), egress, peer)
        };
        let rules = vec![rule(false, Peer::Group(id.clone())), rule(true, Peer::V4("0.0.0.0/0".to_owned()))];
        let description = "default VPC security group".to_owned();
        let group = Group { id: id.clone(), name: DEFAULT.to_owned(), description, rules };
        // Another request may have created it meanwhile, which is no error.
        cloud.store.insert(GROUP, &id, &group)?;
    }
    Ok(cloud.store.list(GROUP)?.into_iter().map(|(_, group)| group).collect())
}

pub fn default_id(cloud: &Cloud) -> String {
    fixed_id("sg", &cloud.region)
}

pub fn by_id(cloud: &Cloud, id: &str) -> Result<Group, AwsError> {
    if !id.starts_with("sg-") {
        let message = format!("Invalid id: \"{id}\" (expecting \"sg-...\")");
        return Err(error("InvalidGroupId.Malformed", message));
    }
    let found = all(cloud)?.into_iter().find(|group| group.id == id);
    found.ok_or_else(|| unknown(id))
}

/// Returns the error for a group that isn't there.
pub fn unknown(group: &str) -> AwsError {
    error("InvalidGroup.NotFound", format!("The security group '{group}' does not exist"))
}

pub fn by_name(cloud: &Cloud, name: &str) -> Result<Group, AwsError> {
    all(cloud)?.into_iter().find(|group| group.name == name).ok_or_else(|| {
        let vpc = network::vpc_id(cloud);
        let message = format!("The security group '{name}' does not exist in default VPC '{vpc}'");
        error("InvalidGroup.NotFound", message)
    })
}

/// Returns the group that has a rule.
pub fn with_rule(cloud: &Cloud, id: &str) -> Result<Group, AwsError> {
    let mut groups = all(cloud)?.into_iter();
    groups.find(|group| group.rules.iter().any(|rule| rule.id == id)).ok_or_else(|| no_rule(id))
}

/// Returns the error for a rule that no group has.
pub fn no_rule(id: &str) -> AwsError {
    let message = format!("The security group rule ID '{id}' does not exist");
    error("InvalidSecurityGroupRuleId.NotFound", message)
}

/// Returns the group that a request names, by `GroupId` or `GroupName`.
pub fn named(request: &Request) -> Result<Group, AwsError> {
    match (request.given("GroupId"), request.given("GroupName")) {
        (Some(id), _) => by_id(request.cloud(), id),
        (None, Some(name)) => by_name(request.cloud(), name),
        (None, None) => Err(missing("GroupName or GroupId")),
    }
}

/// Returns the access that an operation needs to the group that its request names.
pub fn needs(request: &Request) -> Needed {
    let arn = request.arn("security-group", &named(request)?.id);
    Ok(vec![request.access(arn, network::context(request.cloud()))])
}
