//! The rules of security groups: read from permissions, told as permissions and one by one.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::groups::{GROUP, Group, all, by_id, by_name, context, named};
use super::request::{Filters, Request, error};
use super::{network, new_id, tags};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::iam::Context;
use crate::protocol::ec2query::missing;

/// Rules of a group in one direction.
const LIMIT: usize = 60;

/// One rule: one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// sgr-…
    pub id: String,
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `-1` for all, or a number.
    pub protocol: String,
    /// From and to; for ICMP its type and code. None: all.
    pub ports: Option<(i64, i64)>,
    pub peer: Peer,
    pub description: Option<String>,
}

/// Whom a rule admits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// In canonical form, as all of them: `10.0.0.0/8`.
    V4(String),
    V6(String),
    /// A group's id.
    Group(String),
}

impl Rule {
    /// Whether both admit the same.
    fn same(&self, other: &Self) -> bool {
        (self.egress, &self.protocol, self.ports, &self.peer)
            == (other.egress, &other.protocol, other.ports, &other.peer)
    }

    fn described(&self, cloud: &Cloud, group: &str) -> Reply {
        // AWS tells all ports as -1.
        let (from, to) = self.ports.unwrap_or((-1, -1));
        let mut rule = json!({
            "SecurityGroupRuleId": self.id,
            "GroupId": group,
            "GroupOwnerId": cloud.account,
            "IsEgress": self.egress,
            "IpProtocol": self.protocol,
            "FromPort": from,
            "ToPort": to,
            "Description": self.description,
            "SecurityGroupRuleArn": cloud.arn("ec2", &format!("security-group-rule/{}", self.id)),
            "Tags": tags::of(cloud, &self.id)?,
        });
        match &self.peer {
            Peer::V4(cidr) => rule["CidrIpv4"] = json!(cidr),
            Peer::V6(cidr) => rule["CidrIpv6"] = json!(cidr),
            Peer::Group(id) => {
                rule["ReferencedGroupInfo"] = json!({"GroupId": id, "UserId": cloud.account});
            }
        }
        Ok(rule)
    }
}

/// Rules as IpPermissions: one for each protocol and ports.
pub fn permissions<'a>(cloud: &Cloud, rules: impl Iterator<Item = &'a Rule>) -> Vec<Value> {
    // With the first rule of each.
    let mut all: Vec<(&Rule, Value)> = Vec::new();
    for rule in rules {
        let found =
            all.iter().position(|(first, _)| first.protocol == rule.protocol && first.ports == rule.ports);
        let at = found.unwrap_or_else(|| {
            let mut permission = json!({
                "IpProtocol": rule.protocol, "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [],
                "UserIdGroupPairs": [],
            });
            if let Some((from, to)) = rule.ports {
                permission["FromPort"] = json!(from);
                permission["ToPort"] = json!(to);
            }
            all.push((rule, permission));
            all.len() - 1
        });
        let (list, mut peer) = match &rule.peer {
            Peer::V4(cidr) => ("IpRanges", json!({"CidrIp": cidr})),
            Peer::V6(cidr) => ("Ipv6Ranges", json!({"CidrIpv6": cidr})),
            Peer::Group(id) => ("UserIdGroupPairs", json!({"GroupId": id, "UserId": cloud.account})),
        };
        peer["Description"] = json!(rule.description);
        if let Some(list) = all[at].1[list].as_array_mut() {
            list.push(peer);
        }
    }
    all.into_iter().map(|(_, permission)| permission).collect()
}

/// The rules that a request names, by `IpPermissions` or by one permission spelled out in the request itself.
fn read(request: &Request, egress: bool) -> Result<Vec<Rule>, AwsError> {
    let input = request.input();
    let mut rules = Vec::new();
    if let Some(permissions) = input["IpPermissions"].as_array() {
        for permission in permissions {
            read_permission(request.cloud, permission, egress, &mut rules)?;
        }
    } else {
        let mut permission = Map::new();
        for name in ["IpProtocol", "FromPort", "ToPort"] {
            permission.insert(name.to_owned(), input[name].clone());
        }
        if let Some(cidr) = request.text("CidrIp") {
            permission.insert("IpRanges".to_owned(), json!([{"CidrIp": cidr}]));
        }
        if let Some(group) = request.text("SourceSecurityGroupName") {
            permission.insert("UserIdGroupPairs".to_owned(), json!([{"GroupName": group}]));
        }
        read_permission(request.cloud, &Value::Object(permission), egress, &mut rules)?;
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
    if each("PrefixListIds").next().is_some() {
        return Err(AwsError::unsupported("EC2", "prefix lists in security group rules"));
    }
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
        let group = match (pair["GroupId"].as_str(), pair["GroupName"].as_str()) {
            (Some(id), _) => by_id(cloud, id)?,
            (None, Some(name)) => by_name(cloud, name)?,
            (None, None) => return Err(missing("groupId")),
        };
        add(Peer::Group(group.id), pair);
    }
    Ok(())
}

fn protocol(name: &str) -> Result<String, AwsError> {
    let known = match name.to_ascii_lowercase().as_str() {
        "tcp" | "6" => "tcp",
        "udp" | "17" => "udp",
        "icmp" | "1" => "icmp",
        "icmpv6" | "58" => "icmpv6",
        "-1" | "all" => "-1",
        other if other.parse::<u8>().is_ok() => return Ok(other.to_owned()),
        _ => {
            let message = format!("Invalid value '{name}' for IP protocol. Unknown protocol.");
            return Err(error("InvalidParameterValue", message));
        }
    };
    Ok(known.to_owned())
}

fn ports(protocol: &str, from: Option<i64>, to: Option<i64>) -> Result<Option<(i64, i64)>, AwsError> {
    let refuse = |message: String| Err(error("InvalidParameterValue", message));
    match (protocol, from, to) {
        ("tcp" | "udp", Some(from), Some(to)) => {
            for port in [from, to] {
                if !(0..=65535).contains(&port) {
                    return refuse(format!(
                        "Invalid value '{port}' for portRange. Ports are from 0 to 65535."
                    ));
                }
            }
            if from > to {
                return refuse(format!("Invalid TCP/UDP port range ({from}:{to})"));
            }
            Ok(Some((from, to)))
        }
        ("tcp" | "udp", from, to) => {
            let given = from.or(to).map_or_else(|| "null".to_owned(), |port| port.to_string());
            refuse(format!(
                "Invalid value '{given}' for portRange. Must specify both from and to ports with TCP/UDP."
            ))
        }
        ("icmp" | "icmpv6", from, to) => Ok(Some((from.unwrap_or(-1), to.unwrap_or(-1)))),
        _ => Ok(None),
    }
}

fn malformed(cidr: &str) -> AwsError {
    error("InvalidParameterValue", format!("CIDR block {cidr} is malformed"))
}

/// In canonical form: the bits beyond the prefix are zero, as EC2 makes them.
fn cidr4(cidr: &str) -> Result<String, AwsError> {
    let read = || {
        let (address, bits) = cidr.split_once('/')?;
        let (address, bits) = (address.parse::<Ipv4Addr>().ok()?, bits.parse::<u32>().ok()?);
        let mask = if bits == 0 { 0 } else { u32::MAX.checked_shl(32u32.checked_sub(bits)?)? };
        Some(format!("{}/{bits}", Ipv4Addr::from(u32::from(address) & mask)))
    };
    read().ok_or_else(|| malformed(cidr))
}

fn cidr6(cidr: &str) -> Result<String, AwsError> {
    let read = || {
        let (address, bits) = cidr.split_once('/')?;
        let (address, bits) = (address.parse::<Ipv6Addr>().ok()?, bits.parse::<u32>().ok()?);
        let mask = if bits == 0 { 0 } else { u128::MAX.checked_shl(128u32.checked_sub(bits)?)? };
        Some(format!("{}/{bits}", Ipv6Addr::from(u128::from(address) & mask)))
    };
    read().ok_or_else(|| malformed(cidr))
}

/// `the specified rule "peer: 1.2.3.4/32, TCP, from port: 22, to port: 22, ALLOW" already exists`.
fn duplicate(rule: &Rule) -> AwsError {
    let (Peer::V4(peer) | Peer::V6(peer) | Peer::Group(peer)) = &rule.peer;
    let what = match (rule.protocol.as_str(), rule.ports) {
        ("-1", _) => "ALL".to_owned(),
        (protocol @ ("icmp" | "icmpv6"), Some((kind, code))) => {
            format!("{}, type: {kind}, code: {code}", protocol.to_ascii_uppercase())
        }
        (protocol, Some((from, to))) => {
            format!("{}, from port: {from}, to port: {to}", protocol.to_ascii_uppercase())
        }
        (protocol, None) => protocol.to_owned(),
    };
    let message = format!("the specified rule \"peer: {peer}, {what}, ALLOW\" already exists");
    error("InvalidPermission.Duplicate", message)
}

/// AuthorizeSecurityGroupIngress and …Egress.
pub fn authorize(request: &Request, egress: bool) -> Reply {
    let cloud = request.cloud;
    let group = named(request)?;
    let rules = read(request, egress)?;
    let tags = tags::specified(request, "security-group-rule", &["security-group-rule"])?;
    request.authorize(&request.arn("security-group", &group.id), &context(cloud))?;
    tags::authorize_with(request, &request.arn("security-group-rule", "*"), &tags)?;
    request.dry_run()?;
    let added = cloud.store.update(GROUP, &group.id, |group: &mut Group| {
        for (i, rule) in rules.iter().enumerate() {
            if group.rules.iter().chain(&rules[..i]).any(|other| other.same(rule)) {
                return Err(duplicate(rule));
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
        by_id(cloud, &group.id)?;
    }
    for rule in &rules {
        tags::put(cloud, &rule.id, &tags)?;
    }
    let described: Vec<Value> =
        rules.iter().map(|rule| rule.described(cloud, &group.id)).collect::<Result<_, _>>()?;
    Ok(json!({"Return": true, "SecurityGroupRules": described}))
}

/// RevokeSecurityGroupIngress and …Egress.
pub fn revoke(request: &Request, egress: bool) -> Reply {
    let cloud = request.cloud;
    let group = named(request)?;
    let ids = request.texts("SecurityGroupRuleIds");
    let wanted = if ids.is_empty() { read(request, egress)? } else { Vec::new() };
    request.admit(&request.arn("security-group", &group.id), &context(cloud))?;
    let revoked = cloud.store.update(GROUP, &group.id, |group: &mut Group| {
        let mut gone = Vec::new();
        for id in &ids {
            let found = group.rules.iter().position(|rule| rule.id == *id && rule.egress == egress);
            gone.push(group.rules.remove(found.ok_or_else(|| no_rule(id))?));
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

fn no_rule(id: &str) -> AwsError {
    let message = format!("The security group rule ID '{id}' does not exist");
    error("InvalidSecurityGroupRuleId.NotFound", message)
}

/// The group that has a rule.
pub fn group_of(cloud: &Cloud, id: &str) -> Result<Group, AwsError> {
    let mut groups = all(cloud)?.into_iter();
    groups.find(|group| group.rules.iter().any(|rule| rule.id == id)).ok_or_else(|| no_rule(id))
}

const FILTERS: Filters = &[("group-id", "GroupId"), ("security-group-rule-id", "SecurityGroupRuleId")];

pub fn describe(request: &Request) -> Reply {
    request.admit("*", &Context::new())?;
    let cloud = request.cloud;
    let ids = request.texts("SecurityGroupRuleIds");
    for id in &ids {
        group_of(cloud, id)?;
    }
    let mut items = Vec::new();
    for group in all(cloud)? {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cidrs_are_made_canonical_or_refused() {
        assert_eq!(cidr4("100.68.0.18/18").unwrap(), "100.68.0.0/18");
        assert_eq!(cidr4("1.2.3.4/32").unwrap(), "1.2.3.4/32");
        assert_eq!(cidr4("1.2.3.4/0").unwrap(), "0.0.0.0/0");
        assert_eq!(cidr6("2001:db8::1/32").unwrap(), "2001:db8::/32");
        assert_eq!(cidr6("::1/0").unwrap(), "::/0");
        for bad in ["1.2.3.4", "1.2.3/8", "1.2.3.4/33", "x/8", "1.2.3.4/-1", ""] {
            assert_eq!(cidr4(bad).unwrap_err().message, format!("CIDR block {bad} is malformed"));
        }
        assert!(cidr6("::/129").is_err());
    }

    #[test]
    fn ports_must_make_a_range() {
        assert_eq!(ports("tcp", Some(22), Some(22)).unwrap(), Some((22, 22)));
        assert_eq!(ports("-1", Some(1), None).unwrap(), None);
        assert_eq!(ports("icmp", Some(8), None).unwrap(), Some((8, -1)));
        assert!(ports("tcp", Some(22), None).unwrap_err().message.contains("Must specify both"));
        assert!(ports("tcp", Some(23), Some(22)).unwrap_err().message.contains("(23:22)"));
        assert!(ports("udp", Some(1), Some(65536)).is_err());
        assert_eq!(protocol("6").unwrap(), "tcp");
        assert_eq!(protocol("50").unwrap(), "50");
        assert!(protocol("tpc").is_err());
    }
}
