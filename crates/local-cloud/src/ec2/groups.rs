//! Security groups. Their rules are kept and checked as AWS does; instances here answer on loopback only, so there is
//! no traffic to admit.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::request::{Filters, Request, error};
use super::rules::{Peer, Rule, permissions};
use super::{fixed_id, instance, network, new_id, tags};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::iam::Context;
use crate::protocol::ec2query::{invalid, missing};

pub const GROUP: &str = "ec2.security-group";
const DEFAULT: &str = "default";

/// One group, kept under its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub id: String,
    pub name: String,
    pub description: String,
    pub rules: Vec<Rule>,
}

impl Group {
    pub fn permissions(&self, cloud: &Cloud, egress: bool) -> Vec<Value> {
        permissions(cloud, self.rules.iter().filter(|rule| rule.egress == egress))
    }
}

/// All groups; the VPC's default group is always among them.
pub fn all(cloud: &Cloud) -> Result<Vec<Group>, AwsError> {
    let id = default_id(cloud);
    if cloud.store.get::<Group>(GROUP, &id)?.is_none() {
        let rule = |egress: bool, peer: Peer| Rule {
            id: fixed_id("sgr", &format!("{id}/{egress}")),
            egress,
            protocol: "-1".to_owned(),
            ports: None,
            peer,
            description: None,
        };
        let rules = vec![rule(false, Peer::Group(id.clone())), rule(true, Peer::V4("0.0.0.0/0".to_owned()))];
        let description = "default VPC security group".to_owned();
        let group = Group { id: id.clone(), name: DEFAULT.to_owned(), description, rules };
        // Another request may have been faster.
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
    all(cloud)?.into_iter().find(|group| group.id == id).ok_or_else(|| not_found(id))
}

fn not_found(id: &str) -> AwsError {
    error("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"))
}

pub fn by_name(cloud: &Cloud, name: &str) -> Result<Group, AwsError> {
    all(cloud)?.into_iter().find(|group| group.name == name).ok_or_else(|| {
        let vpc = network::vpc_id(cloud);
        let message = format!("The security group '{name}' does not exist in default VPC '{vpc}'");
        error("InvalidGroup.NotFound", message)
    })
}

/// The group that a request is about, by `GroupId` or `GroupName`.
pub fn named(request: &Request) -> Result<Group, AwsError> {
    match (request.text("GroupId"), request.text("GroupName")) {
        (Some(id), _) => by_id(request.cloud, id),
        (None, Some(name)) => by_name(request.cloud, name),
        (None, None) => Err(missing("GroupName or GroupId")),
    }
}

/// Of calls on groups.
pub fn context(cloud: &Cloud) -> Context {
    let vpc = cloud.arn("ec2", &format!("vpc/{}", network::vpc_id(cloud)));
    Context::new().with("ec2:Vpc", vpc)
}

pub fn create(request: &Request) -> Reply {
    let cloud = request.cloud;
    let name = request.text("GroupName").ok_or_else(|| missing("GroupName"))?;
    let description = request.text("Description").ok_or_else(|| missing("GroupDescription"))?;
    let fits = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    for (parameter, text) in [("groupName", name), ("GroupDescription", description)] {
        if text.len() > 255 {
            return Err(invalid(parameter, text, "It exceeds the maximum length of 255 characters."));
        }
        if !text.chars().all(fits) {
            return Err(invalid(
                parameter,
                text,
                "Character sets beyond a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$* are not supported.",
            ));
        }
    }
    if name.starts_with("sg-") {
        return Err(invalid("groupName", name, "Group names may not be in the format sg-*."));
    }
    if name == DEFAULT {
        let message = format!("Cannot use reserved security group name: {name}");
        return Err(error("InvalidParameterValue", message));
    }
    if let Some(vpc) = request.text("VpcId") {
        network::check_vpc(cloud, vpc)?;
    }
    let tags = tags::specified(request, "security-group", &["security-group"])?;
    let any = request.arn("security-group", "*");
    request.authorize(&any, &tags::context(&tags))?;
    request.authorize(&request.arn("vpc", &network::vpc_id(cloud)), &Context::new())?;
    tags::authorize_with(request, &any, &tags)?;
    // So that of two requests at once only one finds the name free.
    let _one_at_a_time = super::locked(&cloud.ec2.admission);
    if all(cloud)?.iter().any(|group| group.name == name) {
        let vpc = network::vpc_id(cloud);
        let message = format!("The security group '{name}' already exists for VPC '{vpc}'");
        return Err(error("InvalidGroup.Duplicate", message));
    }
    request.dry_run()?;
    let id = new_id("sg");
    let everywhere = Rule {
        id: new_id("sgr"),
        egress: true,
        protocol: "-1".to_owned(),
        ports: None,
        peer: Peer::V4("0.0.0.0/0".to_owned()),
        description: None,
    };
    let group = Group {
        id: id.clone(),
        name: name.to_owned(),
        description: description.to_owned(),
        rules: vec![everywhere],
    };
    cloud.store.put(GROUP, &id, &group)?;
    tags::put(cloud, &id, &tags)?;
    let arn = request.arn("security-group", &id);
    Ok(json!({"GroupId": id, "SecurityGroupArn": arn, "Tags": tags::of(cloud, &id)?}))
}

const FILTERS: Filters = &[
    ("group-id", "GroupId"),
    ("group-name", "GroupName"),
    ("description", "Description"),
    ("owner-id", "OwnerId"),
    ("vpc-id", "VpcId"),
    ("ip-permission.cidr", "IpPermissions.IpRanges.CidrIp"),
    ("ip-permission.from-port", "IpPermissions.FromPort"),
    ("ip-permission.to-port", "IpPermissions.ToPort"),
    ("ip-permission.protocol", "IpPermissions.IpProtocol"),
    ("ip-permission.group-id", "IpPermissions.UserIdGroupPairs.GroupId"),
];

pub fn describe(request: &Request) -> Reply {
    request.admit("*", &Context::new())?;
    let cloud = request.cloud;
    let groups = match (request.texts("GroupIds"), request.texts("GroupNames")) {
        (ids, names) if ids.is_empty() && names.is_empty() => all(cloud)?,
        (ids, names) => {
            let ids = ids.iter().map(|id| by_id(cloud, id));
            ids.chain(names.iter().map(|name| by_name(cloud, name))).collect::<Result<_, _>>()?
        }
    };
    let described = |group: &Group| -> Reply {
        Ok(json!({
            "Description": group.description,
            "GroupId": group.id,
            "GroupName": group.name,
            "IpPermissions": group.permissions(cloud, false),
            "IpPermissionsEgress": group.permissions(cloud, true),
            "OwnerId": cloud.account,
            "SecurityGroupArn": request.arn("security-group", &group.id),
            "Tags": tags::of(cloud, &group.id)?,
            "VpcId": network::vpc_id(cloud),
        }))
    };
    let items = groups.iter().map(described).collect::<Result<_, _>>()?;
    request.listed("SecurityGroups", items, FILTERS)
}

pub fn delete(request: &Request) -> Reply {
    let cloud = request.cloud;
    let group = named(request)?;
    request.admit(&request.arn("security-group", &group.id), &context(cloud))?;
    if group.name == DEFAULT {
        let message =
            format!("the specified group: \"{}\" name: \"default\" cannot be deleted by a user", group.id);
        return Err(error("CannotDelete", message));
    }
    // An instance that is just being admitted holds its groups, too.
    let _one_at_a_time = super::locked(&cloud.ec2.admission);
    let by_instance = instance::all(cloud)?
        .iter()
        .any(|each| !each.state.is_terminated() && each.groups.contains(&group.id));
    let by_group = all(cloud)?.iter().any(|other| {
        other.id != group.id && other.rules.iter().any(|rule| rule.peer == Peer::Group(group.id.clone()))
    });
    if by_instance || by_group {
        let message = format!("resource {} has a dependent object", group.id);
        return Err(error("DependencyViolation", message));
    }
    for rule in &group.rules {
        tags::forget(cloud, &rule.id)?;
    }
    tags::forget(cloud, &group.id)?;
    cloud.store.delete(GROUP, &group.id)?;
    Ok(json!({"Return": true, "GroupId": group.id}))
}
