//! Instances as they are stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::error;
use super::state::{Reason, Shutdown, State};
use crate::call::AwsError;
use crate::cloud::Cloud;

const INSTANCE: &str = "ec2.instance";
/// The console output of terminated instances.
const CONSOLE: &str = "ec2.console";
/// The client tokens of RunInstances.
const TOKEN: &str = "ec2.client-token";

/// The instance profile that an instance was launched with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile {
    pub name: String,
    pub arn: String,
    /// `AIPA…`
    pub id: String,
}

/// The options of the instance's metadata service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MetadataOptions {
    /// Whether requests need a token (IMDSv2).
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

/// An instance, stored under its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// `i-…`
    pub id: String,
    /// `r-…`
    pub reservation: String,
    /// Its index among the instances of the same request.
    pub index: usize,
    pub image: String,
    /// `m5.xlarge`.
    pub kind: String,
    pub vcpus: u64,
    pub key: Option<String>,
    /// The ids of its security groups.
    pub groups: Vec<String>,
    pub subnet: String,
    pub zone: String,
    /// An address in the subnet. It can't be reached.
    pub address: String,
    /// `eni-…`
    pub interface: String,
    pub volume: Volume,
    pub profile: Option<Profile>,
    /// In base64.
    pub user_data: Option<String>,
    pub on_shutdown: Shutdown,
    /// The id of a spot instance's request.
    pub spot: Option<String>,
    pub metadata: MetadataOptions,
    pub monitoring: bool,
    /// As the request says it. Here, it changes nothing.
    #[serde(default)]
    pub ebs_optimized: bool,
    /// Whether TerminateInstances is refused.
    pub protected: bool,
    pub client_token: Option<String>,
    pub launched: Timestamp,
    pub state: State,
    /// When it entered its state.
    pub changed: Timestamp,
    pub reason: Option<Reason>,
}

impl Instance {
    /// Returns `ip-172-31-0-4.ec2.internal`.
    pub fn host_name(&self, cloud: &Cloud) -> String {
        let domain = match cloud.region.as_str() {
            "us-east-1" => "ec2.internal".to_owned(),
            region => format!("{region}.compute.internal"),
        };
        format!("ip-{}.{domain}", self.address.replace('.', "-"))
    }
}

/// Returns all instances that are visible, in the order of their launch.
pub fn all(cloud: &Cloud) -> Result<Vec<Instance>, AwsError> {
    let mut all: Vec<Instance> = cloud.store.list(INSTANCE)?.into_iter().map(|(_, each)| each).collect();
    all.sort_by(|a, b| (a.launched, &a.reservation, a.index).cmp(&(b.launched, &b.reservation, b.index)));
    Ok(all)
}

/// Returns whether there is no instance, or only terminated ones. If that can't be read, it returns false.
pub fn none_left(cloud: &Cloud) -> bool {
    all(cloud).is_ok_and(|all| all.iter().all(|each| each.state.is_terminated()))
}

/// Reads one instance.
///
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

/// Reads the instances of these ids. An id that occurs twice gives one instance.
pub fn of_ids(cloud: &Cloud, ids: &[&str]) -> Result<Vec<Instance>, AwsError> {
    let (mut found, mut gone): (Vec<Instance>, Vec<&str>) = Default::default();
    for id in ids {
        match get(cloud, id) {
            Ok(instance) if found.iter().any(|each| each.id == instance.id) => {}
            Ok(instance) => found.push(instance),
            Err(error) if error.code == NOT_FOUND => gone.push(*id),
            Err(error) => return Err(error),
        }
    }
    match gone[..] {
        [] => Ok(found),
        [id] => Err(not_found(id)),
        _ => Err(error(NOT_FOUND, format!("The instance IDs '{}' do not exist", gone.join(", ")))),
    }
}

const NOT_FOUND: &str = "InvalidInstanceID.NotFound";

fn not_found(id: &str) -> AwsError {
    error(NOT_FOUND, format!("The instance ID '{id}' does not exist"))
}

/// Checks that some instance has the volume or the network interface of this id.
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

/// Writes an instance.
pub fn put(cloud: &Cloud, instance: &Instance) -> Result<(), AwsError> {
    cloud.store.put(INSTANCE, &instance.id, instance)
}

/// Moves an instance to another state, if `from` allows it. Returns the state that the instance was in.
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
            // The first reason stays, even if the instance is terminated while it is stopping.
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

/// Stores the console output of a terminated instance.
pub fn keep_console(cloud: &Cloud, id: &str, text: &str) -> Result<(), AwsError> {
    cloud.store.put(CONSOLE, id, &text)
}

/// Returns the console output of a terminated instance.
pub fn kept_console(cloud: &Cloud, id: &str) -> Result<Option<String>, AwsError> {
    cloud.store.get(CONSOLE, id)
}

/// The launch that was requested with a client token.
#[derive(Serialize, Deserialize)]
pub struct Launched {
    /// The digest of the request.
    pub digest: String,
    pub reservation: String,
}

/// Returns the launch that was requested with a client token.
pub fn launched_with(cloud: &Cloud, token: &str) -> Result<Option<Launched>, AwsError> {
    cloud.store.get(TOKEN, token)
}

/// Stores the launch that was requested with a client token.
pub fn keep_token(cloud: &Cloud, token: &str, launched: &Launched) -> Result<(), AwsError> {
    cloud.store.put(TOKEN, token, launched)
}

/// Deletes an instance, its console output and its client token.
pub fn delete(cloud: &Cloud, instance: &Instance) -> Result<(), AwsError> {
    if let Some(token) = &instance.client_token {
        cloud.store.delete(TOKEN, token)?;
    }
    cloud.store.delete(CONSOLE, &instance.id)?;
    cloud.store.delete(INSTANCE, &instance.id).map(drop)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn an_idle_cloud_stays_up_for_instances_that_are_not_terminated() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::open(Settings::new(dir.path())).unwrap();
        assert!(none_left(&cloud));
        let mut instance = sample("i-00000000");
        for (state, empty) in [(State::Running, false), (State::Stopped, false), (State::Terminated, true)] {
            instance.state = state;
            put(&cloud, &instance).unwrap();
            assert_eq!(none_left(&cloud), empty, "{state:?}");
        }
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
            ebs_optimized: false,
            protected: false,
            client_token: None,
            launched: Timestamp::now(),
            state: State::Pending,
            changed: Timestamp::now(),
            reason: None,
        }
    }
}
