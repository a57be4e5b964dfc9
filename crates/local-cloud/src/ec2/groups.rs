//! The operations that create, describe and delete security groups.

use serde_json::{Value, json};

use super::error::{error, invalid, missing};
use super::group::{self, DEFAULT, GROUP, Group};
use super::id::new_id;
use super::request::{Filters, Needed, Request};
use super::rule::{Peer, Rule};
use super::{instance, network, tags};
use crate::call::{AwsError, Reply};
use crate::policy::Context;
use crate::support::lock::locked;

pub fn create_needs(request: &Request) -> Needed {
    let tags = given_tags(request)?;
    let any = request.arn("security-group", "*");
    let vpc = request.arn("vpc", &network::vpc_id(request.cloud()));
    let own = [request.access(&*any, tags::context(&tags)), request.access(vpc, Context::new())];
    Ok(own.into_iter().chain(tags::access_with(request, &any, &tags)).collect())
}

fn given_tags(request: &Request) -> Result<tags::Tags, AwsError> {
    tags::specified(request, "security-group", &["security-group"])
}

pub fn create(request: &Request) -> Reply {
    let cloud = request.cloud();
    let name = request.given("GroupName").ok_or_else(|| missing("GroupName"))?;
    let description = request.given("Description").ok_or_else(|| missing("GroupDescription"))?;
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
    if let Some(vpc) = request.given("VpcId") {
        network::check_vpc(cloud, vpc)?;
    }
    let tags = given_tags(request)?;
    // So that only one of two simultaneous requests finds the name free.
    let _one_at_a_time = locked(&request.service.admission);
    if group::all(cloud)?.iter().any(|group| group.name == name) {
        let vpc = network::vpc_id(cloud);
        let message = format!("The security group '{name}' already exists for VPC '{vpc}'");
        return Err(error("InvalidGroup.Duplicate", message));
    }
    request.dry_run()?;
    let id = new_id("sg");
    let everywhere = Rule::of_everything(new_id("sgr"), true, Peer::V4("0.0.0.0/0".to_owned()));
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
    request.dry_run()?;
    let cloud = request.cloud();
    let (ids, names) = (request.texts("GroupIds"), request.texts("GroupNames"));
    let groups = if ids.is_empty() && names.is_empty() {
        group::all(cloud)?
    } else {
        let ids = ids.iter().map(|id| group::by_id(cloud, id));
        ids.chain(names.iter().map(|name| group::by_name(cloud, name))).collect::<Result<_, _>>()?
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
    let items: Vec<Value> = groups.iter().map(described).collect::<Result<_, _>>()?;
    request.listed("SecurityGroups", items, FILTERS)
}

pub fn delete(request: &Request) -> Reply {
    let cloud = request.cloud();
    let group = group::named(request)?;
    request.dry_run()?;
    if group.name == DEFAULT {
        let message =
            format!("the specified group: \"{}\" name: \"default\" cannot be deleted by a user", group.id);
        return Err(error("CannotDelete", message));
    }
    // So that no instance that is being launched loses its group.
    let _one_at_a_time = locked(&request.service.admission);
    let by_instance = instance::all(cloud)?
        .iter()
        .any(|each| !each.state.is_terminated() && each.groups.contains(&group.id));
    let by_group = group::all(cloud)?.iter().any(|other| {
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
