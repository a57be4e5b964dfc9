//! Instances as they are kept and described.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::request::error;
use super::{groups, images, network, tags};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;

const INSTANCE: &str = "ec2.instance";
/// The console output of a terminated instance.
const CONSOLE: &str = "ec2.console";
/// Client tokens of RunInstances: see `run`.
pub const TOKEN: &str = "ec2.client-token";

/// How long a terminated instance stays visible.
const VISIBLE: SignedDuration = SignedDuration::from_hours(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    pub fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    pub fn described(self) -> Value {
        json!({"Code": self.code(), "Name": self.name()})
    }

    pub fn is_terminated(self) -> bool {
        self == Self::Terminated
    }
}

/// Why an instance stopped or ended, in AWS's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    User,
    Itself,
    Spot,
    Internal,
}

impl Reason {
    fn described(self) -> Value {
        let (code, message) = match self {
            Self::User => ("Client.UserInitiatedShutdown", "User initiated shutdown"),
            Self::Itself => ("Client.InstanceInitiatedShutdown", "Instance initiated shutdown"),
            Self::Spot => ("Server.SpotInstanceTermination", "Spot instance termination"),
            Self::Internal => ("Server.InternalError", "The local cloud lost the instance"),
        };
        json!({"Code": code, "Message": format!("{code}: {message}")})
    }
}

/// What `shutdown` inside an instance does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shutdown {
    Stop,
    Terminate,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile {
    pub name: String,
    pub arn: String,
    /// AIPA…
    pub id: String,
}

/// How the instance's metadata answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MetadataOptions {
    /// Whether it asks for a token (IMDSv2).
    pub token_required: bool,
    pub enabled: bool,
    pub hops: i64,
}

/// The root device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Volume {
    pub id: String,
    /// GiB.
    pub size: i64,
    pub kind: String,
    pub delete_on_termination: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// i-…
    pub id: String,
    /// r-…
    pub reservation: String,
    /// Its place among those of the same request.
    pub index: usize,
    pub image: String,
    /// `m5.xlarge`.
    pub kind: String,
    pub vcpus: u64,
    pub key: Option<String>,
    /// Ids.
    pub groups: Vec<String>,
    pub subnet: String,
    pub zone: String,
    /// In the subnet: a name, nothing answers there.
    pub address: String,
    /// eni-…
    pub interface: String,
    pub volume: Volume,
    pub profile: Option<Profile>,
    /// Base64.
    pub user_data: Option<String>,
    pub on_shutdown: Shutdown,
    /// Of a spot instance: its request.
    pub spot: Option<String>,
    pub metadata: MetadataOptions,
    pub monitoring: bool,
    /// TerminateInstances is refused.
    pub protected: bool,
    pub client_token: Option<String>,
    pub launched: Timestamp,
    pub state: State,
    pub changed: Timestamp,
    pub reason: Option<Reason>,
}

impl Instance {
    /// `ip-172-31-0-4.ec2.internal`.
    pub fn host_name(&self, cloud: &Cloud) -> String {
        let domain = match cloud.region.as_str() {
            "us-east-1" => "ec2.internal".to_owned(),
            region => format!("{region}.compute.internal"),
        };
        format!("ip-{}.{domain}", self.address.replace('.', "-"))
    }

    fn transition(&self) -> String {
        match self.reason {
            Some(Reason::User) => {
                format!("User initiated ({})", self.changed.strftime("%Y-%m-%d %H:%M:%S GMT"))
            }
            Some(Reason::Spot) => "Server.SpotInstanceTermination".to_owned(),
            Some(Reason::Internal) => "Server.InternalError".to_owned(),
            Some(Reason::Itself) | None => String::new(),
        }
    }

    /// As DescribeInstances tells it.
    pub fn described(&self, cloud: &Cloud, known: &[groups::Group]) -> Reply {
        let group = |id: &String| {
            let name = known.iter().find(|group| group.id == *id).map(|group| &group.name);
            json!({"GroupId": id, "GroupName": name})
        };
        // A terminated instance has given back what it had.
        let live = !self.state.is_terminated();
        let attached = self.launched.to_string();
        let groups: Vec<Value> = self.groups.iter().filter(|_| live).map(group).collect();
        let host_name = if live { self.host_name(cloud) } else { String::new() };
        let mut told = json!({
            "AmiLaunchIndex": self.index,
            "Architecture": images::ARCHITECTURE,
            "BlockDeviceMappings": [],
            "ClientToken": self.client_token.as_deref().unwrap_or_default(),
            "CpuOptions": {"CoreCount": self.vcpus.div_ceil(2), "ThreadsPerCore": self.vcpus.min(2)},
            "EbsOptimized": false,
            "EnaSupport": true,
            "Hypervisor": "xen",
            "IamInstanceProfile":
                self.profile.as_ref().map(|profile| json!({"Arn": profile.arn, "Id": profile.id})),
            "ImageId": self.image,
            "InstanceId": self.id,
            "InstanceLifecycle": self.spot.as_ref().map(|_| "spot"),
            "InstanceType": self.kind,
            "KeyName": self.key,
            "LaunchTime": attached,
            "MetadataOptions": {
                "HttpEndpoint": if self.metadata.enabled { "enabled" } else { "disabled" },
                "HttpProtocolIpv6": "disabled",
                "HttpPutResponseHopLimit": self.metadata.hops,
                "HttpTokens": if self.metadata.token_required { "required" } else { "optional" },
                "InstanceMetadataTags": "disabled",
                "State": "applied",
            },
            "Monitoring": {"State": if self.monitoring { "enabled" } else { "disabled" }},
            "NetworkInterfaces": [],
            "Placement": {"AvailabilityZone": self.zone, "GroupName": "", "Tenancy": "default"},
            "PlatformDetails": "Linux/UNIX",
            "PrivateDnsName": host_name,
            "ProductCodes": [],
            "PublicDnsName": "",
            "RootDeviceName": images::ROOT_DEVICE,
            "RootDeviceType": "ebs",
            "SecurityGroups": groups,
            "SpotInstanceRequestId": self.spot,
            "State": self.state.described(),
            "StateReason": self.reason.map(Reason::described),
            "StateTransitionReason": self.transition(),
            "Tags": tags::of(cloud, &self.id)?,
            "UsageOperation": "RunInstances",
            "VirtualizationType": "hvm",
        });
        if live {
            told["BlockDeviceMappings"] = json!([{"DeviceName": images::ROOT_DEVICE, "Ebs": {
                "AttachTime": attached, "DeleteOnTermination": self.volume.delete_on_termination,
                "Status": "attached", "VolumeId": self.volume.id,
            }}]);
            told["NetworkInterfaces"] = json!([{
                "Attachment": {
                    "AttachTime": attached, "DeleteOnTermination": true, "DeviceIndex": 0, "Status": "attached",
                },
                "Description": "",
                "Groups": groups,
                "NetworkInterfaceId": self.interface,
                "OwnerId": cloud.account,
                "PrivateDnsName": host_name,
                "PrivateIpAddress": self.address,
                "SourceDestCheck": true,
                "Status": "in-use",
                "SubnetId": self.subnet,
                "VpcId": network::vpc_id(cloud),
            }]);
            told["PrivateIpAddress"] = json!(self.address);
            told["SubnetId"] = json!(self.subnet);
            told["VpcId"] = json!(network::vpc_id(cloud));
        }
        Ok(told)
    }
}

/// All that are visible, in the order of their launch.
pub fn all(cloud: &Cloud) -> Result<Vec<Instance>, AwsError> {
    let mut all: Vec<Instance> = cloud.store.list(INSTANCE)?.into_iter().map(|(_, each)| each).collect();
    all.sort_by(|a, b| (a.launched, &a.reservation, a.index).cmp(&(b.launched, &b.reservation, b.index)));
    Ok(all)
}

/// # Errors
/// InvalidInstanceID.Malformed, InvalidInstanceID.NotFound.
pub fn get(cloud: &Cloud, id: &str) -> Result<Instance, AwsError> {
    let hex = |rest: &str| [8, 17].contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_hexdigit());
    if !id.strip_prefix("i-").is_some_and(hex) {
        let message = format!("Invalid id: \"{id}\"");
        return Err(error("InvalidInstanceID.Malformed", message));
    }
    cloud.store.get(INSTANCE, id)?.ok_or_else(|| not_found(id))
}

fn not_found(id: &str) -> AwsError {
    error("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))
}

/// Finds the volume or the network interface of an instance.
pub fn with_part(cloud: &Cloud, id: &str) -> Result<(), AwsError> {
    let part =
        |each: &Instance| !each.state.is_terminated() && (each.volume.id == id || each.interface == id);
    if all(cloud)?.iter().any(part) {
        return Ok(());
    }
    Err(match id.starts_with("vol-") {
        true => error("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")),
        false => {
            let message = format!("The networkInterface ID '{id}' does not exist");
            error("InvalidNetworkInterfaceID.NotFound", message)
        }
    })
}

pub fn put(cloud: &Cloud, instance: &Instance) -> Result<(), AwsError> {
    cloud.store.put(INSTANCE, &instance.id, instance)
}

/// Moves an instance to another state, if `from` agrees with the one that it is in; answers that one.
pub fn enter(
    cloud: &Cloud,
    id: &str,
    to: State,
    reason: Option<Reason>,
    from: impl FnOnce(&Instance) -> Result<bool, AwsError>,
) -> Result<State, AwsError> {
    let entered = cloud.store.update(INSTANCE, id, |instance: &mut Instance| {
        let before = instance.state;
        if from(instance)? {
            instance.state = to;
            instance.changed = Timestamp::now();
            // What began the end is its reason, whatever happens on the way.
            if reason.is_some() {
                instance.reason = reason;
            }
            if to == State::Pending {
                instance.launched = instance.changed;
                instance.reason = None;
            }
        }
        Ok(before)
    })?;
    entered.ok_or_else(|| not_found(id))
}

/// Keeps what is left of a terminated instance's console.
pub fn keep_console(cloud: &Cloud, id: &str, text: &str) -> Result<(), AwsError> {
    cloud.store.put(CONSOLE, id, &text)
}

pub fn kept_console(cloud: &Cloud, id: &str) -> Result<Option<String>, AwsError> {
    cloud.store.get(CONSOLE, id)
}

/// Forgets what was terminated an hour ago, with all that belonged to it.
pub fn forget_terminated(cloud: &Cloud) -> Result<(), AwsError> {
    let before = Timestamp::now() - VISIBLE;
    let all = all(cloud)?;
    for gone in all.iter().filter(|each| each.state.is_terminated() && each.changed < before) {
        for id in [&gone.id, &gone.volume.id, &gone.interface].into_iter().chain(&gone.spot) {
            tags::forget(cloud, id)?;
        }
        if let Some(request) = &gone.spot {
            super::spot::forget(cloud, request)?;
        }
        if let Some(token) = &gone.client_token {
            cloud.store.delete(TOKEN, token)?;
        }
        cloud.store.delete(CONSOLE, &gone.id)?;
        cloud.store.delete(INSTANCE, &gone.id)?;
    }
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn a_terminated_instance_is_forgotten_after_an_hour() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::open(Settings::new(dir.path())).unwrap();
        for (id, state, minutes) in [
            ("i-00000000", State::Terminated, 61),
            ("i-00000001", State::Terminated, 59),
            ("i-00000002", State::Running, 61),
        ] {
            let mut instance = sample(id);
            (instance.state, instance.changed) =
                (state, Timestamp::now() - SignedDuration::from_mins(minutes));
            put(&cloud, &instance).unwrap();
            keep_console(&cloud, id, "text").unwrap();
        }
        forget_terminated(&cloud).unwrap();
        let left: Vec<String> = all(&cloud).unwrap().into_iter().map(|each| each.id).collect();
        assert_eq!(left, ["i-00000001", "i-00000002"]);
        assert_eq!(get(&cloud, "i-00000000").unwrap_err().code, "InvalidInstanceID.NotFound");
        assert_eq!(kept_console(&cloud, "i-00000000").unwrap(), None);
        assert_eq!(kept_console(&cloud, "i-00000001").unwrap().as_deref(), Some("text"));
        assert_eq!(get(&cloud, "i-x").unwrap_err().code, "InvalidInstanceID.Malformed");
    }

    pub fn sample(id: &str) -> Instance {
        Instance {
            id: id.to_owned(),
            reservation: "r-0".to_owned(),
            index: 0,
            image: "ami-0".to_owned(),
            kind: "m5.large".to_owned(),
            vcpus: 2,
            key: None,
            groups: Vec::new(),
            subnet: "subnet-0".to_owned(),
            zone: "us-east-1a".to_owned(),
            address: "172.31.0.4".to_owned(),
            interface: "eni-0".to_owned(),
            volume: Volume {
                id: "vol-0".to_owned(),
                size: 8,
                kind: "gp3".to_owned(),
                delete_on_termination: true,
            },
            profile: None,
            user_data: None,
            on_shutdown: Shutdown::Stop,
            spot: None,
            metadata: MetadataOptions { token_required: true, enabled: true, hops: 2 },
            monitoring: false,
            protected: false,
            client_token: None,
            launched: Timestamp::now(),
            state: State::Pending,
            changed: Timestamp::now(),
            reason: None,
        }
    }
}
