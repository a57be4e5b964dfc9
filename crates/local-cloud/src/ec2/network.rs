//! The network that every account has from the start: a default VPC, with a subnet in each availability zone.
//!
//! Instances can be reached on loopback only, so no subnet assigns public addresses.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::error::error;
use super::id::fixed_id;
use super::request::{Filters, Request};
use super::{instance, tags};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::policy::Context;

/// AWS reserves the first four addresses of a subnet, and the last.
const RESERVED: usize = 4;
/// The number of addresses in a subnet.
const SIZE: usize = 4096;

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    pub id: String,
    /// `us-east-1a`.
    pub zone: String,
    /// The first address.
    base: Ipv4Addr,
}

impl Subnet {
    /// Returns an address that is not taken. None: the subnet is full.
    pub fn free_address(&self, taken: &[String]) -> Option<Ipv4Addr> {
        let start = u32::from(self.base);
        (RESERVED..SIZE - 1)
            .filter_map(|offset| Some(Ipv4Addr::from(start + u32::try_from(offset).ok()?)))
            .find(|address| !taken.contains(&address.to_string()))
    }
}

/// Returns the id of the default VPC, `vpc-…`.
pub fn vpc_id(cloud: &Cloud) -> String {
    fixed_id("vpc", &cloud.region)
}

/// Returns the names of the zones: us-east-1 has six, and every other region three here.
fn zones(cloud: &Cloud) -> impl Iterator<Item = String> + '_ {
    let letters = if cloud.region == "us-east-1" { "abcdef" } else { "abc" };
    letters.chars().map(|letter| format!("{}{letter}", cloud.region))
}

/// Returns all subnets, in the order of their zones.
pub fn subnets(cloud: &Cloud) -> Vec<Subnet> {
    let subnet = |(i, zone): (usize, String)| {
        let third = u8::try_from(i * 16).unwrap_or_default();
        Subnet { id: fixed_id("subnet", &zone), zone, base: Ipv4Addr::new(172, 31, third, 0) }
    };
    zones(cloud).enumerate().map(subnet).collect()
}

pub fn subnet(cloud: &Cloud, id: &str) -> Result<Subnet, AwsError> {
    let mut all = subnets(cloud).into_iter();
    all.find(|subnet| subnet.id == id)
        .ok_or_else(|| error("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist")))
}

pub fn check_vpc(cloud: &Cloud, id: &str) -> Result<(), AwsError> {
    if id == vpc_id(cloud) {
        return Ok(());
    }
    Err(error("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist")))
}

/// Returns the condition keys of resources in the VPC.
pub fn context(cloud: &Cloud) -> Context {
    Context::new().with("ec2:Vpc", cloud.arn("ec2", &format!("vpc/{}", vpc_id(cloud))))
}

const VPC_FILTERS: Filters = &[
    ("vpc-id", "VpcId"),
    ("cidr", "CidrBlock"),
    ("is-default", "IsDefault"),
    ("isDefault", "IsDefault"),
    ("owner-id", "OwnerId"),
    ("state", "State"),
];

pub fn describe_vpcs(request: &Request) -> Reply {
    request.dry_run()?;
    let cloud = request.cloud();
    let ids = request.texts("VpcIds");
    ids.iter().try_for_each(|id| check_vpc(cloud, id))?;
    let id = vpc_id(cloud);
    let vpc = json!({
        "CidrBlock": "172.31.0.0/16",
        "CidrBlockAssociationSet": [{
            "AssociationId": fixed_id("vpc-cidr-assoc", &cloud.region),
            "CidrBlock": "172.31.0.0/16",
            "CidrBlockState": {"State": "associated"},
        }],
        "DhcpOptionsId": fixed_id("dopt", &cloud.region),
        "InstanceTenancy": "default",
        "IsDefault": true,
        "OwnerId": cloud.account,
        "State": "available",
        "Tags": tags::of(cloud, &id)?,
        "VpcId": id,
    });
    request.listed("Vpcs", vec![vpc], VPC_FILTERS)
}

const SUBNET_FILTERS: Filters = &[
    ("subnet-id", "SubnetId"),
    ("vpc-id", "VpcId"),
    ("availability-zone", "AvailabilityZone"),
    ("availabilityZone", "AvailabilityZone"),
    ("availability-zone-id", "AvailabilityZoneId"),
    ("cidr-block", "CidrBlock"),
    ("default-for-az", "DefaultForAz"),
    ("defaultForAz", "DefaultForAz"),
    ("map-public-ip-on-launch", "MapPublicIpOnLaunch"),
    ("owner-id", "OwnerId"),
    ("state", "State"),
];

pub fn describe_subnets(request: &Request) -> Reply {
    request.dry_run()?;
    let cloud = request.cloud();
    let ids = request.texts("SubnetIds");
    for id in &ids {
        subnet(cloud, id)?;
    }
    let instances = instance::all(cloud)?;
    let mut items = Vec::new();
    for (i, subnet) in subnets(cloud).into_iter().enumerate() {
        if !ids.is_empty() && !ids.contains(&&*subnet.id) {
            continue;
        }
        let used =
            instances.iter().filter(|each| !each.state.is_terminated() && each.subnet == subnet.id).count();
        items.push(json!({
            "AssignIpv6AddressOnCreation": false,
            "AvailabilityZone": subnet.zone,
            "AvailabilityZoneId": zone_id(cloud, i),
            "AvailableIpAddressCount": SIZE - RESERVED - 1 - used,
            "CidrBlock": format!("{}/20", subnet.base),
            "DefaultForAz": true,
            "MapPublicIpOnLaunch": false,
            "OwnerId": cloud.account,
            "State": "available",
            "SubnetArn": request.arn("subnet", &subnet.id),
            "Tags": tags::of(cloud, &subnet.id)?,
            "SubnetId": subnet.id,
            "VpcId": vpc_id(cloud),
        }));
    }
    request.listed("Subnets", items, SUBNET_FILTERS)
}

/// Returns a zone's id, `use1-az1`, which begins with the initials of the region.
fn zone_id(cloud: &Cloud, i: usize) -> String {
    let mut short = String::new();
    for (i, part) in cloud.region.split('-').enumerate() {
        match part {
            "northeast" => short.push_str("ne"),
            "northwest" => short.push_str("nw"),
            "southeast" => short.push_str("se"),
            "southwest" => short.push_str("sw"),
            part if i == 0 || part.starts_with(|c: char| c.is_ascii_digit()) => short.push_str(part),
            part => short.extend(part.chars().next()),
        }
    }
    format!("{short}-az{}", i + 1)
}

const ZONE_FILTERS: Filters = &[
    ("zone-name", "ZoneName"),
    ("zone-id", "ZoneId"),
    ("zone-type", "ZoneType"),
    ("region-name", "RegionName"),
    ("state", "State"),
    ("opt-in-status", "OptInStatus"),
    ("group-name", "GroupName"),
];

pub fn describe_zones(request: &Request) -> Reply {
    request.dry_run()?;
    let cloud = request.cloud();
    let (names, ids) = (request.texts("ZoneNames"), request.texts("ZoneIds"));
    let zone = |(i, name): (usize, String)| {
        json!({
            "GroupName": cloud.region,
            "Messages": [],
            "NetworkBorderGroup": cloud.region,
            "OptInStatus": "opt-in-not-required",
            "RegionName": cloud.region,
            "State": "available",
            "ZoneId": zone_id(cloud, i),
            "ZoneName": name,
            "ZoneType": "availability-zone",
        })
    };
    let mut items: Vec<Value> = zones(cloud).enumerate().map(zone).collect();
    for name in &names {
        if !items.iter().any(|item| item["ZoneName"] == *name) {
            return Err(error("InvalidParameterValue", format!("Invalid availability zone: [{name}]")));
        }
    }
    items.retain(|item| {
        let among =
            |wanted: &[&str], member: &str| wanted.is_empty() || wanted.iter().any(|w| item[member] == *w);
        among(&names, "ZoneName") && among(&ids, "ZoneId")
    });
    request.listed("AvailabilityZones", items, ZONE_FILTERS)
}
