//! Reads RunInstances' input, checks that all that it names exists, and returns the access that it needs.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::error::{error, invalid, lacking, missing, unsupported};
use super::images::{self, Image};
use super::instance::{MetadataOptions, Profile};
use super::network::{self, Subnet};
use super::request::{Needed, Request};
use super::state::Shutdown;
use super::tags::{self, Tags};
use super::types::Type;
use super::{group, interface, keys, templates};
use crate::authority::Access;
use crate::call::{AwsError, Call};
use crate::policy::Context;

/// The most bytes of user data, before base64.
const USER_DATA: usize = 16_384;
/// The type of an instance whose request names none.
const DEFAULT_TYPE: &str = "m1.small";
/// The most instances of one request.
const MOST: u64 = 1000;

const INSTANCE: &str = "instance";
const VOLUME: &str = "volume";
const INTERFACE: &str = "network-interface";
const SPOT_REQUEST: &str = "spot-instances-request";
/// The kinds of resources that a launch can tag.
const TAGGED: [&str; 4] = [INSTANCE, VOLUME, INTERFACE, SPOT_REQUEST];

/// A request that was read and checked. All that it names exists.
pub struct Launch {
    pub image_id: String,
    /// `m5.xlarge`.
    pub type_name: String,
    pub kind: Type,
    /// The least and the greatest number of instances.
    pub count: (u64, u64),
    pub key: Option<String>,
    /// The ids of the security groups.
    pub groups: Vec<String>,
    pub subnet: Subnet,
    /// The instance profile, and the ARN of its role.
    pub profile: Option<(Profile, String)>,
    /// Base64.
    pub user_data: Option<String>,
    pub on_shutdown: Shutdown,
    /// None: on demand. Otherwise the spot request's MaxPrice, if it has one.
    pub spot: Option<Option<String>>,
    pub metadata: MetadataOptions,
    pub volume: RootVolume,
    pub client_token: Option<String>,
    pub tags: GivenTags,
}

/// The root device as a request asks for it.
#[derive(Clone)]
pub struct RootVolume {
    /// GiB.
    pub size: i64,
    /// `gp3`.
    pub kind: String,
}

/// The tags that a request gives to each kind of resource.
pub struct GivenTags {
    pub instance: Tags,
    pub volume: Tags,
    pub interface: Tags,
    pub spot_request: Tags,
}

impl Launch {
    /// Reads and checks a request.
    pub fn read(request: &Request) -> Result<Self, AwsError> {
        match interface::flattened(request.input())? {
            Some(input) => {
                let call = Call { input, ..request.call.clone() };
                Self::read_flat(&Request { service: request.service, call: &call })
            }
            None => Self::read_flat(request),
        }
    }

    /// Reads a request that names no network interface.
    fn read_flat(request: &Request) -> Result<Self, AwsError> {
        let (cloud, input) = (request.cloud(), request.input());
        let count = |name: &str| input[name].as_u64().filter(|count| (1..=MOST).contains(count));
        let bad = |name: &str, why: &str| invalid(name, &input[name].to_string(), why);
        let (min, max) = match (count("MinCount"), count("MaxCount")) {
            (Some(min), Some(max)) if min <= max => (min, max),
            (None, _) => return Err(bad("MinCount", "It must be from 1 to 1000.")),
            (_, None) => return Err(bad("MaxCount", "It must be from 1 to 1000.")),
            _ => return Err(bad("MaxCount", "It must not be less than MinCount.")),
        };
        let image = images::resolve(cloud, request.given("ImageId").ok_or_else(|| missing("ImageId"))?)?;
        let type_name = request.given("InstanceType").unwrap_or(DEFAULT_TYPE).to_owned();
        let kind = kind(&type_name)?;
        if let Some(key) = request.given("KeyName") {
            keys::by_name(cloud, key)?;
        }
        let client_token = request.given("ClientToken").map(str::to_owned);
        if let Some(token) = client_token.as_deref().filter(|token| token.len() > 64 || !token.is_ascii()) {
            return Err(invalid("clientToken", token, "Up to 64 ASCII characters are allowed."));
        }
        let tags = |kind| tags::specified(request, kind, &TAGGED);
        Ok(Self {
            image_id: image.id(cloud),
            type_name,
            kind,
            count: (min, max),
            key: request.given("KeyName").map(str::to_owned),
            groups: read_groups(request)?,
            subnet: read_subnet(request)?,
            profile: read_profile(request)?,
            user_data: read_user_data(request)?,
            on_shutdown: match request.given("InstanceInitiatedShutdownBehavior") {
                Some("terminate") => Shutdown::Terminate,
                _ => Shutdown::Stop,
            },
            spot: read_market(&input["InstanceMarketOptions"])?,
            metadata: read_metadata(&input["MetadataOptions"])?,
            volume: read_volume(image, &input["BlockDeviceMappings"])?,
            client_token,
            tags: GivenTags {
                instance: tags(INSTANCE)?,
                volume: tags(VOLUME)?,
                interface: tags(INTERFACE)?,
                spot_request: tags(SPOT_REQUEST)?,
            },
        })
    }

    /// Returns the access that RunInstances needs: its action on everything that it creates or uses.
    /// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html>
    pub fn needs(&self, request: &Request) -> Vec<Access> {
        let cloud = request.cloud();
        let on = |kind: &str, id: &str, context: Context| request.access(request.arn(kind, id), context);
        let market = if self.spot.is_some() { "spot" } else { "on-demand" };
        let tokens = if self.metadata.token_required { "required" } else { "optional" };
        let mut instance = tags::context(&self.tags.instance)
            .with("ec2:InstanceType", &*self.type_name)
            .with("ec2:InstanceMarketType", market)
            .with("ec2:MetadataHttpTokens", tokens)
            .with("ec2:AvailabilityZone", &*self.subnet.zone);
        if let Some((profile, _)) = &self.profile {
            instance = instance.with("ec2:InstanceProfile", &*profile.arn);
        }
        let image = format!("arn:aws:ec2:{}::image/{}", cloud.region, self.image_id);
        let mut needed = vec![
            on(INSTANCE, "*", instance),
            request.access(image, Context::new().with("ec2:Owner", "amazon")),
        ];
        needed.extend(self.groups.iter().map(|id| on("security-group", id, network::context(cloud))));
        needed.push(on("subnet", &self.subnet.id, network::context(cloud)));
        needed.push(on(INTERFACE, "*", tags::context(&self.tags.interface)));
        needed.push(on(VOLUME, "*", tags::context(&self.tags.volume)));
        needed.extend(self.key.iter().map(|key| on("key-pair", key, Context::new())));
        if self.spot.is_some() {
            needed.push(on(SPOT_REQUEST, "*", tags::context(&self.tags.spot_request)));
        }
        let tagged = [
            (INSTANCE, &self.tags.instance),
            (VOLUME, &self.tags.volume),
            (INTERFACE, &self.tags.interface),
            (SPOT_REQUEST, &self.tags.spot_request),
        ];
        let tagged = tagged
            .iter()
            .filter_map(|(kind, tags)| tags::access_with(request, &request.arn(kind, "*"), tags));
        needed.extend(tagged);
        needed
    }
}

/// Returns the access that RunInstances needs.
pub fn needs(request: &Request) -> Needed {
    templates::completed(request, |request, chosen| {
        let mut needed = Launch::read(request)?.needs(request);
        if let Some(chosen) = chosen {
            needed.extend(templates::launch_needs(request, chosen)?);
        }
        Ok(needed)
    })
}

fn kind(name: &str) -> Result<Type, AwsError> {
    let family = name.split('.').next().unwrap_or_default();
    // Graviton types such as m6g, c7gn, t4g and g5g have a `g` after the generation.
    let graviton = family == "a1" || family.trim_start_matches(|c: char| !c.is_ascii_digit()).contains('g');
    if graviton {
        return Err(error(
            "InvalidParameterValue",
            format!(
                "The architecture 'arm64' of the specified instance type does not match the architecture '{}' of the \
                 specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. \
                 You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the \
                 instance type or AMI.",
                images::ARCHITECTURE
            ),
        ));
    }
    Type::of(name).ok_or_else(|| unsupported(&format!("it does not know {name}")))
}

fn read_groups(request: &Request) -> Result<Vec<String>, AwsError> {
    let cloud = request.cloud();
    let mut ids = Vec::new();
    for id in request.texts("SecurityGroupIds") {
        ids.push(group::by_id(cloud, id)?.id);
    }
    for name in request.texts("SecurityGroups") {
        ids.push(group::by_name(cloud, name)?.id);
    }
    if ids.is_empty() {
        group::all(cloud)?;
        ids.push(group::default_id(cloud));
    }
    ids.dedup();
    Ok(ids)
}

fn read_subnet(request: &Request) -> Result<Subnet, AwsError> {
    let cloud = request.cloud();
    let placement = &request.input()["Placement"];
    let zone = placement["AvailabilityZone"].as_str();
    if let Some(tenancy) = placement["Tenancy"].as_str().filter(|tenancy| *tenancy != "default") {
        return Err(lacking(&format!("{} with the tenancy {tenancy}", request.call.operation)));
    }
    if let Some(id) = request.given("SubnetId") {
        let subnet = network::subnet(cloud, id)?;
        if let Some(zone) = zone.filter(|zone| *zone != subnet.zone) {
            let message = format!(
                "The availability zone '{zone}' of the request is not that of the subnet '{id}' ({}).",
                subnet.zone
            );
            return Err(error("InvalidParameterCombination", message));
        }
        return Ok(subnet);
    }
    let mut subnets = network::subnets(cloud).into_iter();
    let found = subnets.find(|subnet| zone.is_none_or(|zone| zone == subnet.zone));
    found.ok_or_else(|| {
        let message = format!("Invalid availability zone: [{}]", zone.unwrap_or_default());
        error("InvalidParameterValue", message)
    })
}

/// Returns the instance profile that a request names, and the ARN of its role.
fn read_profile(request: &Request) -> Result<Option<(Profile, String)>, AwsError> {
    let given = &request.input()["IamInstanceProfile"];
    let (by, value) = match (given["Name"].as_str(), given["Arn"].as_str()) {
        (Some(_), Some(_)) => {
            let message = "The parameter 'iamInstanceProfile.name' may not be used in combination with \
                           'iamInstanceProfile.arn'";
            return Err(error("InvalidParameterCombination", message));
        }
        (Some(name), None) => ("name", name),
        (None, Some(arn)) => ("arn", arn),
        (None, None) => return Ok(None),
    };
    let name = value.rsplit('/').next().unwrap_or_default();
    let found =
        request.service.iam.instance_profile(name)?.filter(|found| by == "name" || found.arn == value);
    let found = found.ok_or_else(|| {
        let what = if by == "name" { "name" } else { "ARN" };
        invalid(&format!("iamInstanceProfile.{by}"), value, &format!("Invalid IAM Instance Profile {what}"))
    })?;
    let role = found.role_arn.ok_or_else(|| {
        let message = format!("IAM Instance Profile \"{}\" has no associated IAM Roles", found.arn);
        error("InvalidParameterValue", message)
    })?;
    Ok(Some((Profile { name: found.name, arn: found.arn, id: found.id }, role)))
}

fn read_user_data(request: &Request) -> Result<Option<String>, AwsError> {
    let Some(text) = request.given("UserData") else { return Ok(None) };
    let refuse = |message: &str| Err(error("InvalidParameterValue", message));
    // Clients may break base64 into lines.
    let text: String = text.split_ascii_whitespace().collect();
    match BASE64_STANDARD.decode(&text) {
        Err(_) => refuse("Invalid BASE64 encoding of user data."),
        Ok(bytes) if bytes.len() > USER_DATA => refuse(&format!("User data is limited to {USER_DATA} bytes")),
        Ok(_) => Ok(Some(text)),
    }
}

/// Reads the market: None for on demand, otherwise the spot request's MaxPrice, if it has one.
fn read_market(options: &Value) -> Result<Option<Option<String>>, AwsError> {
    let spot = &options["SpotOptions"];
    match options["MarketType"].as_str() {
        Some("spot") => {}
        None if spot.is_null() => return Ok(None),
        None => return Err(missing("InstanceMarketOptions.MarketType")),
        Some(other) => return Err(unsupported(&format!("it has no market {other}"))),
    }
    if spot["SpotInstanceType"].as_str().is_some_and(|kind| kind != "one-time")
        || spot["InstanceInterruptionBehavior"].as_str().is_some_and(|does| does != "terminate")
    {
        return Err(unsupported("spot requests are one-time, and interrupted instances terminated"));
    }
    if !spot["ValidUntil"].is_null() {
        let message = "ValidUntil is not supported for one-time Spot requests through RunInstances.";
        return Err(error("InvalidParameterCombination", message));
    }
    let price = spot["MaxPrice"].as_str().map(str::to_owned);
    if let Some(text) = &price
        && !text.parse::<f64>().is_ok_and(|price| price.is_finite() && price > 0.0)
    {
        return Err(invalid("price", text, "\"price\" must be a positive number."));
    }
    Ok(Some(price))
}

fn read_metadata(options: &Value) -> Result<MetadataOptions, AwsError> {
    let hops = options["HttpPutResponseHopLimit"].as_i64().unwrap_or(2);
    if !(1..=64).contains(&hops) {
        return Err(invalid("HttpPutResponseHopLimit", &hops.to_string(), "It must be from 1 to 64."));
    }
    if options["InstanceMetadataTags"] == "enabled" || options["HttpProtocolIpv6"] == "enabled" {
        return Err(lacking("metadata with tags or over IPv6"));
    }
    Ok(MetadataOptions {
        // As with AWS's newer images, IMDSv2 is required unless a request says otherwise.
        token_required: options["HttpTokens"].as_str() != Some("optional"),
        enabled: options["HttpEndpoint"].as_str() != Some("disabled"),
        hops,
    })
}

fn read_volume(image: &Image, mappings: &Value) -> Result<RootVolume, AwsError> {
    let mut volume = RootVolume { size: image.size, kind: "gp3".to_owned() };
    for mapping in mappings.as_array().into_iter().flatten() {
        if mapping["DeviceName"].as_str().is_some_and(|name| name != images::ROOT_DEVICE) {
            let what = format!("RunInstances with another device than the root, {}", images::ROOT_DEVICE);
            return Err(lacking(&what));
        }
        let ebs = &mapping["Ebs"];
        if let Some(size) = ebs["VolumeSize"].as_i64() {
            if size < image.size {
                let (snapshot, least) = (image.snapshot(), image.size);
                let message = format!(
                    "Volume of size {size}GB is smaller than snapshot '{snapshot}', expect size >= {least}GB"
                );
                return Err(error("InvalidBlockDeviceMapping", message));
            }
            volume.size = size;
        }
        if let Some(kind) = ebs["VolumeType"].as_str() {
            kind.clone_into(&mut volume.kind);
        }
        if ebs["DeleteOnTermination"] == false {
            return Err(lacking("volumes that outlive their instance (DeleteOnTermination false)"));
        }
    }
    Ok(volume)
}
