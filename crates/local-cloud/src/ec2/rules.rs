//! The operations that authorise, revoke and describe the rules of security groups.

use serde_json::{Map, Value, json};

use super::error::{error, missing};
use super::group::{self, GROUP, Group};
use super::id::new_id;
use super::request::{Filters, Needed, Request};
use super::rule::{Peer, Rule, cidr4, cidr6, ports, protocol};
use super::{network, tags};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;

/// The most rules that a group may have in one direction.
const LIMIT: usize = 60;

/// Reads the rules that a request names, in `IpPermissions` or, for a single rule, in separate members.
fn read(request: &Request, egress: bool) -> Result<Vec<Rule>, AwsError> {
    let input = request.input();
    let mut rules = Vec::new();
    if let Some(permissions) = input["IpPermissions"].as_array() {
        for permission in permissions {
            read_permission(request.cloud(), permission, egress, &mut rules)?;
        }
    } else {
        let mut permission = Map::new();
        for name in ["IpProtocol", "FromPort", "ToPort"] {
            permission.insert(name.to_owned(), input[name].clone());
        }
        if let Some(cidr) = request.given("CidrIp") {
            permission.insert("IpRanges".to_owned(), json!([{"CidrIp": cidr}]));
        }
        if let Some(group) = request.given("SourceSecurityGroupName") {
            let pair = json!({"GroupName": group, "UserId": request.given("SourceSecurityGroupOwnerId")});
            permission.insert("UserIdGroupPairs".to_owned(), json!([pair]));
        }
        read_permission(request.cloud(), &Value::Object(permission), egress, &mut rules)?;
    }
    if rules.is_empty() {
        return Err(missing("ipPermissions"));
    }
    Ok(rules)
}

fn read_permission(
    cloud: &Cloud,
    permission: &Value,
    egress: bool,
    rules: &mut Vec<Rule>,
) -> Result<(), AwsError> {
    let protocol = protocol(permission["IpProtocol"].as_str().ok_or_else(|| missing("ipProtocol"))?)?;
    let ports = ports(&protocol, permission["FromPort"].as_i64(), permission["ToPort"].as_i64())?;
    let each = |name: &str| permission[name].as_array().into_iter().flatten();
    let mut add = |peer: Peer, described: &Value| {
        let description = described["Description"].as_str().map(str::to_owned);
        let (protocol, id) = (protocol.clone(), new_id("sgr"));
        rules.push(Rule { id, egress, protocol, ports, peer, description });
    };
    let before = each("IpRanges").count() + each("Ipv6Ranges").count() + each("UserIdGroupPairs").count();
    if before == 0 {
        return Err(missing("cidrIp, cidrIpv6 or a source group"));
    }
    for range in each("IpRanges") {
        add(Peer::V4(cidr4(range["CidrIp"].as_str().unwrap_or_default())?), range);
    }
    for range in each("Ipv6Ranges") {
        add(Peer::V6(cidr6(range["CidrIpv6"].as_str().unwrap_or_default())?), range);
    }
    for pair in each("UserIdGroupPairs") {
        let (id, name) = (pair["GroupId"].as_str(), pair["GroupName"].as_str());
        // The groups of other accounts are in VPCs that no peering connects to this one.
        if pair["UserId"].as_str().is_some_and(|owner| owner != cloud.account) {
            return Err(group::unknown(id.or(name).unwrap_or_default()));
        }
        let group = match (id, name) {
            (Some(id), _) => group::by_id(cloud, id)?,
            (None, Some(name)) => group::by_name(cloud, name)?,
            (None, None) => return Err(missing("groupId")),
        };
        add(Peer::Group(group.id), pair);
    }
    Ok(())
}

/// Returns the access that AuthorizeSecurityGroupIngress and AuthorizeSecurityGroupEgress need.
pub fn authorize_needs(request: &Request) -> Needed {
    let mut needed = group::needs(request)?;
    let tags = given_tags(request)?;
    needed.extend(tags::access_with(request, &request.arn("security-group-rule", "*"), &tags));
    Ok(needed)
}

fn given_tags(request: &Request) -> Result<tags::Tags, AwsError> {
    tags::specified(request, "security-group-rule", &["security-group-rule"])
}

/// Answers AuthorizeSecurityGroupIngress and AuthorizeSecurityGroupEgress.
pub fn authorize(request: &Request, egress: bool) -> Reply {
    let cloud = request.cloud();
    let group = group::named(request)?;
    let rules = read(request, egress)?;
    let tags = given_tags(request)?;
    request.dry_run()?;
    let added = cloud.store.update(GROUP, &group.id, |group: &mut Group| {
        for (i, rule) in rules.iter().enumerate() {
            if group.rules.iter().chain(&rules[..i]).any(|other| other.same(rule)) {
                return Err(rule.duplicate());
            }
        }
        group.rules.extend(rules.clone());
        if group.rules.iter().filter(|rule| rule.egress == egress).count() > LIMIT {
            let message = "The maximum number of rules per security group has been reached.";
            return Err(error("RulesPerSecurityGroupLimitExceeded", message));
        }
        Ok(())
    })?;
    if added.is_none() {
        group::by_id(cloud, &group.id)?;
    }
    for rule in &rules {
        tags::put(cloud, &rule.id, &tags)?;
    }
    let described: Vec<Value> =
        rules.iter().map(|rule| rule.described(cloud, &group.id)).collect::<Result<_, _>>()?;
    Ok(json!({"Return": true, "SecurityGroupRules": described}))
}

/// Answers RevokeSecurityGroupIngress and RevokeSecurityGroupEgress.
pub fn revoke(request: &Request, egress: bool) -> Reply {
    let cloud = request.cloud();
    let group = group::named(request)?;
    let ids = request.texts("SecurityGroupRuleIds");
    let wanted = if ids.is_empty() { read(request, egress)? } else { Vec::new() };
    request.dry_run()?;
    let revoked = cloud.store.update(GROUP, &group.id, |group: &mut Group| {
        let mut gone = Vec::new();
        for id in &ids {
            let found = group.rules.iter().position(|rule| rule.id == *id && rule.egress == egress);
            gone.push(group.rules.remove(found.ok_or_else(|| group::no_rule(id))?));
        }
        for rule in &wanted {
            let found = group.rules.iter().position(|other| other.same(rule)).ok_or_else(|| {
                let message = "The specified rule does not exist in this security group.";
                error("InvalidPermission.NotFound", message)
            })?;
            gone.push(group.rules.remove(found));
        }
        Ok(gone)
    })?;
    for rule in revoked.into_iter().flatten() {
        tags::forget(cloud, &rule.id)?;
    }
    Ok(json!({"Return": true}))
}

const FILTERS: Filters = &[("group-id", "GroupId"), ("security-group-rule-id", "SecurityGroupRuleId")];

pub fn describe(request: &Request) -> Reply {
    request.dry_run()?;
    let cloud = request.cloud();
    let ids = request.texts("SecurityGroupRuleIds");
    for id in &ids {
        group::with_rule(cloud, id)?;
    }
    let mut items = Vec::new();
    for group in group::all(cloud)? {
        for rule in group.rules.iter().filter(|rule| ids.is_empty() || ids.contains(&&*rule.id)) {
            let mut described = rule.described(cloud, &group.id)?;
            if let Some(info) = described.get_mut("ReferencedGroupInfo") {
                info["VpcId"] = json!(network::vpc_id(cloud));
            }
            items.push(described);
        }
    }
    request.listed("SecurityGroupRules", items, FILTERS)
}
