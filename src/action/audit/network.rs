//! Security groups that are open to the world.

use aws_sdk_ec2::types::{IpPermission, SecurityGroup};

use super::check::{ALL_PORTS_OPEN, SSH_OPEN};
use super::finding::{Audited, Options};
use crate::aws::{Aws, failure};
use crate::failure::Outcome;

const SSH: i32 = 22;
const PORTS: (i32, i32) = (0, 65535);

pub(super) async fn groups(aws: &Aws, options: &Options, audited: &mut Audited) -> Outcome<()> {
    let arn = |id: &str| format!("arn:aws:ec2:{}:{}:security-group/{id}", aws.region, aws.account);
    let mut pages = aws.ec2.describe_security_groups().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failure("DescribeSecurityGroups", error));
        let Some(page) = audited.seen(&[&SSH_OPEN, &ALL_PORTS_OPEN], &arn("*"), page)? else { return Ok(()) };
        for group in page.security_groups() {
            if options.covers("security-group", group.group_name().unwrap_or_default()) {
                judge(&arn(group.group_id().unwrap_or_default()), group, audited);
            }
        }
    }
    Ok(())
}

fn judge(arn: &str, group: &SecurityGroup, audited: &mut Audited) {
    audited.count("security_groups");
    for rule in group.ip_permissions() {
        let four = rule.ip_ranges().iter().filter_map(|range| range.cidr_ip());
        let six = rule.ipv6_ranges().iter().filter_map(|range| range.cidr_ipv6());
        // A prefix of 0 bits is every address.
        let world: Vec<&str> = four.chain(six).filter(|cidr| cidr.ends_with("/0")).collect();
        if world.is_empty() {
            continue;
        }
        let (world, name) = (world.join(" and "), group.group_name().unwrap_or_default());
        if is_every_port(rule) {
            audited.add(&ALL_PORTS_OPEN, arn, format!("{name} lets {world} in on every port"));
        } else if lets_in(rule, SSH) {
            audited.add(&SSH_OPEN, arn, format!("{name} lets {world} in on port {SSH}"));
        }
    }
}

/// Whether a rule allows every port. The protocol -1 means all protocols and has no ports.
fn is_every_port(rule: &IpPermission) -> bool {
    match rule.ip_protocol() {
        Some("-1") => true,
        Some("tcp" | "6") => rule.from_port() <= Some(PORTS.0) && rule.to_port() >= Some(PORTS.1),
        _ => false,
    }
}

fn lets_in(rule: &IpPermission, port: i32) -> bool {
    let within = rule.from_port() <= Some(port) && rule.to_port() >= Some(port);
    matches!(rule.ip_protocol(), Some("tcp" | "6")) && within
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{IpRange, Ipv6Range};

    use super::*;

    #[test]
    fn what_is_open_to_the_world() {
        let four = |cidr: &str| IpPermission::builder().ip_ranges(IpRange::builder().cidr_ip(cidr).build());
        let six =
            |cidr: &str| IpPermission::builder().ipv6_ranges(Ipv6Range::builder().cidr_ipv6(cidr).build());
        let tcp = |rule: aws_sdk_ec2::types::builders::IpPermissionBuilder, from, to| {
            rule.ip_protocol("tcp").from_port(from).to_port(to).build()
        };
        for (rule, expected) in [
            (tcp(four("0.0.0.0/0"), 22, 22), vec!["ssh-open"]),
            (tcp(six("::/0"), 20, 25), vec!["ssh-open"]),
            (tcp(six("0:0:0:0:0:0:0:0/0"), 22, 22), vec!["ssh-open"]),
            (tcp(four("203.0.113.7/32"), 22, 22), vec![]),
            (tcp(four("0.0.0.0/0"), 443, 443), vec![]),
            (tcp(four("0.0.0.0/0"), 0, 65535), vec!["all-ports-open"]),
            (four("0.0.0.0/0").ip_protocol("-1").build(), vec!["all-ports-open"]),
            (four("10.0.0.0/8").ip_protocol("-1").build(), vec![]),
            (four("0.0.0.0/0").ip_protocol("udp").from_port(22).to_port(22).build(), vec![]),
        ] {
            let group = SecurityGroup::builder().group_name("g").ip_permissions(rule.clone()).build();
            let mut audited = Audited::default();
            judge("arn", &group, &mut audited);
            let found: Vec<&str> = audited.findings.iter().map(|finding| finding.check.as_str()).collect();
            assert_eq!(found, expected, "{rule:?}");
        }
    }
}
