//! A rule of a security group: its protocol, its ports and its peer.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::error;
use super::tags;
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `sgr-…`
    pub id: String,
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `-1` for all, or a number.
    pub protocol: String,
    /// From and to; for ICMP its type and code. None: all.
    pub ports: Option<(i64, i64)>,
    pub peer: Peer,
    pub description: Option<String>,
}

/// The addresses or the group with which a rule allows traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// In canonical form: `10.0.0.0/8`.
    V4(String),
    V6(String),
    /// A group's id.
    Group(String),
}

impl Rule {
    /// Returns a rule for all protocols and ports.
    pub fn of_everything(id: String, egress: bool, peer: Peer) -> Self {
        Self { id, egress, protocol: "-1".to_owned(), ports: None, peer, description: None }
    }

    /// Returns whether both rules allow the same.
    pub fn same(&self, other: &Self) -> bool {
        (self.egress, &self.protocol, self.ports, &self.peer)
            == (other.egress, &other.protocol, other.ports, &other.peer)
    }

    /// Returns the rule as DescribeSecurityGroupRules describes it.
    pub fn described(&self, cloud: &Cloud, group: &str) -> Reply {
        // AWS writes -1 for all ports.
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

    /// Returns the error for a rule that the group has already:
    /// `the specified rule "peer: 1.2.3.4/32, TCP, from port: 22, to port: 22, ALLOW" already exists`.
    pub fn duplicate(&self) -> AwsError {
        let (Peer::V4(peer) | Peer::V6(peer) | Peer::Group(peer)) = &self.peer;
        let what = match (self.protocol.as_str(), self.ports) {
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
}

/// Returns rules as IpPermissions: one for each protocol and its ports.
pub fn permissions<'a>(cloud: &Cloud, rules: impl Iterator<Item = &'a Rule>) -> Vec<Value> {
    // Each permission, with the first of its rules.
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

/// Reads the name or the number of a protocol.
pub fn protocol(name: &str) -> Result<String, AwsError> {
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

/// Reads the ports of a rule.
pub fn ports(protocol: &str, from: Option<i64>, to: Option<i64>) -> Result<Option<(i64, i64)>, AwsError> {
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

/// Reads a CIDR block into its canonical form: like EC2, it sets the bits beyond the prefix to zero.
pub fn cidr4(cidr: &str) -> Result<String, AwsError> {
    let read = || {
        let (address, bits) = cidr.split_once('/')?;
        let (address, bits) = (address.parse::<Ipv4Addr>().ok()?, bits.parse::<u32>().ok()?);
        let mask = if bits == 0 { 0 } else { u32::MAX.checked_shl(32u32.checked_sub(bits)?)? };
        Some(format!("{}/{bits}", Ipv4Addr::from(u32::from(address) & mask)))
    };
    read().ok_or_else(|| malformed(cidr))
}

/// Reads an IPv6 CIDR block in the same way.
pub fn cidr6(cidr: &str) -> Result<String, AwsError> {
    let read = || {
        let (address, bits) = cidr.split_once('/')?;
        let (address, bits) = (address.parse::<Ipv6Addr>().ok()?, bits.parse::<u32>().ok()?);
        let mask = if bits == 0 { 0 } else { u128::MAX.checked_shl(128u32.checked_sub(bits)?)? };
        Some(format!("{}/{bits}", Ipv6Addr::from(u128::from(address) & mask)))
    };
    read().ok_or_else(|| malformed(cidr))
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
