//! RunInstances: reads what is wanted, checks it against everything, and boots.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::control::reservation;
use super::images::{self, Image};
use super::instance::{self, Instance, MetadataOptions, Profile, Shutdown, State, TOKEN, Volume};
use super::network::Subnet;
use super::placement::{Wanted, admit, unsupported};
use super::request::{Request, error};
use super::spot::{self, SpotRequest};
use super::tags::{self, Tags};
use super::types::Type;
use super::{groups, keys, locked, machine, network, new_id};
use crate::call::{AwsError, Reply};
use crate::iam::Context;
use crate::protocol::ec2query::{invalid, missing};

/// Bytes before base64.
const USER_DATA: usize = 16_384;
/// Instances of one request.
const MOST: u64 = 1000;

/// What is understood of a request; the rest is refused rather than ignored.
const UNDERSTOOD: [&str; 22] = [
    "BlockDeviceMappings",
    "ClientToken",
    "CreditSpecification",
    "DisableApiTermination",
    "DryRun",
    "EbsOptimized",
    "IamInstanceProfile",
    "ImageId",
    "InstanceInitiatedShutdownBehavior",
    "InstanceMarketOptions",
    "InstanceType",
    "KeyName",
    "MaxCount",
    "MetadataOptions",
    "MinCount",
    "Monitoring",
    "Placement",
    "SecurityGroupIds",
    "SecurityGroups",
    "SubnetId",
    "TagSpecifications",
    "UserData",
];

/// What may be tagged as it is launched.
const TAGGED: [&str; 4] = ["instance", "volume", "network-interface", "spot-instances-request"];

/// What a client token stands for.
#[derive(Serialize, Deserialize)]
struct Launched {
    /// Of the request.
    digest: String,
    reservation: String,
}

/// A request that was read and whose references are all there.
struct Launch {
    image_id: String,
    name: String,
    kind: Type,
    count: (u64, u64),
    key: Option<String>,
    groups: Vec<String>,
    subnet: Subnet,
    profile: Option<(Profile, String)>,
    user_data: Option<String>,
    on_shutdown: Shutdown,
    /// Of a spot request: its MaxPrice.
    spot: Option<Option<String>>,
    metadata: MetadataOptions,
    /// GiB, kind, deleted with the instance.
    volume: (i64, String, bool),
    client_token: Option<String>,
    /// In the order of [`TAGGED`].
    tags: [Tags; 4],
}

pub fn run(request: &Request) -> Reply {
    let cloud = request.cloud;
    let launch = Launch::read(request)?;
    launch.authorize(request)?;
    request.dry_run()?;
    let digest = digest(request.input());
    // From here to the records nobody else may take the room, the addresses or the token.
    let admission = locked(&cloud.ec2.admission);
    instance::forget_terminated(cloud)?;
    if let Some(token) = &launch.client_token
        && let Some(earlier) = cloud.store.get::<Launched>(TOKEN, token)?
    {
        if earlier.digest != digest {
            return Err(error(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            ));
        }
        let all = instance::all(cloud)?;
        let same: Vec<Instance> =
            all.into_iter().filter(|each| each.reservation == earlier.reservation).collect();
        return reservation(request, &same);
    }
    let price = launch.spot.as_ref().map(|price| price.as_ref().and_then(|price| price.parse().ok()));
    let (name, subnet) = (&*launch.name, &launch.subnet);
    let wanted = Wanted { name, kind: launch.kind, subnet, count: launch.count, spot: price };
    let count = admit(cloud, &wanted, &admission)?;
    let instances = launch.records(request, count)?;
    if let Some(token) = &launch.client_token {
        let launched = Launched { digest, reservation: instances[0].reservation.clone() };
        cloud.store.put(TOKEN, token, &launched)?;
    }
    for instance in &instances {
        launch.put(request, instance)?;
    }
    for instance in &instances {
        machine::boot(cloud, &instance.id);
    }
    reservation(request, &instances)
}

/// Of what must be the same for the same token.
fn digest(input: &Value) -> String {
    let mut input = input.clone();
    if let Some(input) = input.as_object_mut() {
        input.shift_remove("ClientToken");
        input.shift_remove("DryRun");
        input.sort_keys();
    }
    hex::encode(Sha256::digest(input.to_string()))
}

impl Launch {
    fn read(request: &Request) -> Result<Self, AwsError> {
        let (cloud, input) = (request.cloud, request.input());
        let members = input.as_object().into_iter().flatten();
        if let Some((name, _)) = members.into_iter().find(|(name, _)| !UNDERSTOOD.contains(&name.as_str())) {
            return Err(AwsError::unsupported("EC2", &format!("RunInstances with {name}")));
        }
        let count = |name: &str| input[name].as_u64().filter(|count| (1..=MOST).contains(count));
        let bad = |name: &str, why: &str| invalid(name, &input[name].to_string(), why);
        let (min, max) = match (count("MinCount"), count("MaxCount")) {
            (Some(min), Some(max)) if min <= max => (min, max),
            (None, _) => return Err(bad("MinCount", "It must be from 1 to 1000.")),
            (_, None) => return Err(bad("MaxCount", "It must be from 1 to 1000.")),
            _ => return Err(bad("MaxCount", "It must not be less than MinCount.")),
        };
        let image = images::resolve(cloud, request.text("ImageId").ok_or_else(|| missing("ImageId"))?)?;
        let name = request.text("InstanceType").ok_or_else(|| missing("InstanceType"))?.to_owned();
        let kind = kind(&name)?;
        if let Some(key) = request.text("KeyName") {
            keys::by_name(cloud, key)?;
        }
        let client_token = request.text("ClientToken").map(str::to_owned);
        if let Some(token) = client_token.as_deref().filter(|token| token.len() > 64 || !token.is_ascii()) {
            return Err(invalid("clientToken", token, "Up to 64 ASCII characters are allowed."));
        }
        let mut tags = <[Tags; 4]>::default();
        for (tags, kind) in tags.iter_mut().zip(TAGGED) {
            *tags = tags::specified(request, kind, &TAGGED)?;
        }
        Ok(Self {
            image_id: image.id(cloud),
            name,
            kind,
            count: (min, max),
            key: request.text("KeyName").map(str::to_owned),
            groups: read_groups(request)?,
            subnet: read_subnet(request)?,
            profile: read_profile(request)?,
            user_data: read_user_data(request)?,
            on_shutdown: match request.text("InstanceInitiatedShutdownBehavior") {
                Some("terminate") => Shutdown::Terminate,
                _ => Shutdown::Stop,
            },
            spot: read_market(&input["InstanceMarketOptions"])?,
            metadata: read_metadata(&input["MetadataOptions"])?,
            volume: read_volume(image, &input["BlockDeviceMappings"])?,
            client_token,
            tags,
        })
    }

    /// RunInstances is authorised on everything that it makes or uses.
    /// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html>
    fn authorize(&self, request: &Request) -> Result<(), AwsError> {
        let cloud = request.cloud;
        let arn = |kind: &str, id: &str| request.arn(kind, id);
        let market = if self.spot.is_some() { "spot" } else { "on-demand" };
        let tokens = if self.metadata.token_required { "required" } else { "optional" };
        let zone = &*self.subnet.zone;
        let mut instance = tags::context(&self.tags[0])
            .with("ec2:InstanceType", &*self.name)
            .with("ec2:InstanceMarketType", market)
            .with("ec2:MetadataHttpTokens", tokens)
            .with("ec2:AvailabilityZone", zone);
        if let Some((profile, _)) = &self.profile {
            instance = instance.with("ec2:InstanceProfile", &*profile.arn);
        }
        request.authorize(&arn("instance", "*"), &instance)?;
        let image = format!("arn:aws:ec2:{}::image/{}", cloud.region, self.image_id);
        request.authorize(&image, &Context::new().with("ec2:Owner", "amazon"))?;
        for group in &self.groups {
            request.authorize(&arn("security-group", group), &groups::context(cloud))?;
        }
        request.authorize(&arn("subnet", &self.subnet.id), &groups::context(cloud))?;
        request.authorize(&arn("network-interface", "*"), &tags::context(&self.tags[2]))?;
        request.authorize(&arn("volume", "*"), &tags::context(&self.tags[1]))?;
        if let Some(key) = &self.key {
            request.authorize(&arn("key-pair", key), &Context::new())?;
        }
        if self.spot.is_some() {
            request.authorize(&arn("spot-instances-request", "*"), &tags::context(&self.tags[3]))?;
        }
        for (kind, tags) in TAGGED.iter().zip(&self.tags) {
            tags::authorize_with(request, &arn(kind, "*"), tags)?;
        }
        match &self.profile {
            Some((_, role)) => request.authorize_pass_role(role),
            None => Ok(()),
        }
    }

    fn records(&self, request: &Request, count: u64) -> Result<Vec<Instance>, AwsError> {
        let (cloud, now, reservation) = (request.cloud, Timestamp::now(), new_id("r"));
        let all = instance::all(cloud)?;
        let mut taken: Vec<String> =
            all.into_iter().filter(|each| !each.state.is_terminated()).map(|each| each.address).collect();
        let mut instances = Vec::new();
        for index in 0..usize::try_from(count).unwrap_or_default() {
            let address = self.subnet.free_address(&taken).ok_or_else(|| {
                let message =
                    format!("Not enough free addresses in subnet '{}' for this request", self.subnet.id);
                error("InsufficientFreeAddressesInSubnet", message)
            })?;
            taken.push(address.to_string());
            let (size, kind, delete_on_termination) = self.volume.clone();
            instances.push(Instance {
                id: new_id("i"),
                reservation: reservation.clone(),
                index,
                image: self.image_id.clone(),
                kind: self.name.clone(),
                vcpus: self.kind.vcpus,
                key: self.key.clone(),
                groups: self.groups.clone(),
                subnet: self.subnet.id.clone(),
                zone: self.subnet.zone.clone(),
                address: address.to_string(),
                interface: new_id("eni"),
                volume: Volume { id: new_id("vol"), size, kind, delete_on_termination },
                profile: self.profile.as_ref().map(|(profile, _)| profile.clone()),
                user_data: self.user_data.clone(),
                on_shutdown: self.on_shutdown,
                spot: self.spot.as_ref().map(|_| new_id("sir")),
                metadata: self.metadata.clone(),
                monitoring: request.input()["Monitoring"]["Enabled"].as_bool().unwrap_or(false),
                protected: request.flag("DisableApiTermination"),
                client_token: self.client_token.clone(),
                launched: now,
                state: State::Pending,
                changed: now,
                reason: None,
            });
        }
        Ok(instances)
    }

    fn put(&self, request: &Request, instance: &Instance) -> Result<(), AwsError> {
        let cloud = request.cloud;
        let request_id = instance.spot.as_deref();
        let ids = [Some(&*instance.id), Some(&*instance.volume.id), Some(&*instance.interface), request_id];
        for (id, tags) in ids.iter().zip(&self.tags) {
            if let Some(id) = id {
                tags::put(cloud, id, tags)?;
            }
        }
        if let (Some(id), Some(price)) = (request_id, &self.spot) {
            spot::put(cloud, &SpotRequest::fulfilled(id.to_owned(), instance, price.clone()))?;
        }
        instance::put(cloud, instance)
    }
}

fn kind(name: &str) -> Result<Type, AwsError> {
    let family = name.split('.').next().unwrap_or_default();
    // m6g, c7gn, t4g, g5g: what follows the generation.
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
    Type::of(name).ok_or_else(|| unsupported(&format!("it knows nothing of {name}")))
}

fn read_groups(request: &Request) -> Result<Vec<String>, AwsError> {
    let cloud = request.cloud;
    let mut ids = Vec::new();
    for id in request.texts("SecurityGroupIds") {
        ids.push(groups::by_id(cloud, id)?.id);
    }
    for name in request.texts("SecurityGroups") {
        ids.push(groups::by_name(cloud, name)?.id);
    }
    if ids.is_empty() {
        groups::all(cloud)?;
        ids.push(groups::default_id(cloud));
    }
    ids.dedup();
    Ok(ids)
}

fn read_subnet(request: &Request) -> Result<Subnet, AwsError> {
    let cloud = request.cloud;
    let placement = &request.input()["Placement"];
    let zone = placement["AvailabilityZone"].as_str();
    let understood = |(name, value): (&String, &Value)| {
        name == "AvailabilityZone" || (name == "Tenancy" && value == "default")
    };
    if !placement.as_object().into_iter().flatten().all(understood) {
        return Err(AwsError::unsupported("EC2", "RunInstances with a placement beyond AvailabilityZone"));
    }
    if let Some(id) = request.text("SubnetId") {
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

/// The profile and the ARN of its role.
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
    let found = request.cloud.iam.instance_profile(name)?.filter(|found| by == "name" || found.arn == value);
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
    let Some(text) = request.text("UserData") else { return Ok(None) };
    let refuse = |message: &str| Err(error("InvalidParameterValue", message));
    // Clients may break it into lines.
    let text: String = text.split_ascii_whitespace().collect();
    match BASE64_STANDARD.decode(&text) {
        Err(_) => refuse("Invalid BASE64 encoding of user data."),
        Ok(bytes) if bytes.len() > USER_DATA => refuse(&format!("User data is limited to {USER_DATA} bytes")),
        Ok(_) => Ok(Some(text)),
    }
}

/// None: on demand. Otherwise the request's MaxPrice.
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
        return Err(AwsError::unsupported("EC2", "metadata with tags or over IPv6"));
    }
    Ok(MetadataOptions {
        // The images ask for IMDSv2.
        token_required: options["HttpTokens"].as_str() != Some("optional"),
        enabled: options["HttpEndpoint"].as_str() != Some("disabled"),
        hops,
    })
}

fn read_volume(image: &Image, mappings: &Value) -> Result<(i64, String, bool), AwsError> {
    let mut volume = (image.size, "gp3".to_owned(), true);
    for mapping in mappings.as_array().into_iter().flatten() {
        if mapping["DeviceName"].as_str().is_some_and(|name| name != images::ROOT_DEVICE) {
            let what = format!("RunInstances with another device than the root, {}", images::ROOT_DEVICE);
            return Err(AwsError::unsupported("EC2", &what));
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
            volume.0 = size;
        }
        if let Some(kind) = ebs["VolumeType"].as_str() {
            kind.clone_into(&mut volume.1);
        }
        volume.2 = ebs["DeleteOnTermination"].as_bool().unwrap_or(volume.2);
    }
    if !volume.2 {
        let what = "volumes that outlive their instance (DeleteOnTermination false)";
        return Err(AwsError::unsupported("EC2", what));
    }
    Ok(volume)
}
