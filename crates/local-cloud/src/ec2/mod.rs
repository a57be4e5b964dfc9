//! EC2: instances that are processes, and the keys, groups, images and networks around them.
//!
//! [`run`] admits instances, [`control`] answers for them, [`machine`] is the life of one, [`host`] its folder and
//! processes, [`metadata`] what it can ask about itself. A terminated instance stays visible for an hour.

mod control;
mod groups;
mod host;
mod images;
mod instance;
mod keys;
mod knobs;
mod machine;
mod metadata;
mod network;
mod placement;
mod request;
mod rules;
mod run;
mod spot;
mod tags;
mod types;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::protocol::ec2query::Model;
pub use images::parameter;
pub use knobs::{Knobs, Quota, interrupt_spot, set_knobs, set_quota};
pub use network::vpc_id;
use request::Request;

/// What runs now. Empty after a restart until [`start`].
#[derive(Debug, Default)]
pub struct Running {
    machines: Mutex<HashMap<String, machine::Machine>>,
    /// Held while instances are admitted, so that two requests cannot both take the last place, or use one client
    /// token for two instances.
    admission: Mutex<()>,
    /// Whether instances can have namespaces, or why not.
    namespaces: OnceCell<Result<(), String>>,
}

/// EC2's operations and shapes (`shapes.json`, written by `shapes.py` from botocore).
pub fn model() -> &'static Model {
    static MODEL: LazyLock<Model> = LazyLock::new(|| {
        serde_json::from_str(include_str!("shapes.json")).expect("the file is part of the build and tested")
    });
    &MODEL
}

/// Whether a subnet and security groups are there, for a service that places something in them.
///
/// # Errors
/// EC2's own, `InvalidSubnetID.NotFound` and such.
pub fn check_network<'a>(
    cloud: &Cloud,
    subnet: &str,
    groups: impl IntoIterator<Item = &'a str>,
) -> Result<(), AwsError> {
    network::subnet(cloud, subnet)?;
    groups.into_iter().try_for_each(|id| groups::by_id(cloud, id).map(drop))
}

/// Answers one operation.
pub fn call(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let request = &Request { cloud, call };
    match call.operation.as_str() {
        "RunInstances" => run::run(request),
        "DescribeInstances" => control::describe(request),
        "DescribeInstanceStatus" => control::describe_status(request),
        "TerminateInstances" => control::terminate(request),
        "StopInstances" => control::stop(request),
        "StartInstances" => control::start(request),
        "GetConsoleOutput" => control::console(request),
        "DescribeSpotInstanceRequests" => spot::describe(request),
        "CancelSpotInstanceRequests" => spot::cancel(request),
        "ImportKeyPair" => keys::import(request),
        "DescribeKeyPairs" => keys::describe(request),
        "DeleteKeyPair" => keys::delete(request),
        "CreateSecurityGroup" => groups::create(request),
        "DescribeSecurityGroups" => groups::describe(request),
        "DeleteSecurityGroup" => groups::delete(request),
        "DescribeSecurityGroupRules" => rules::describe(request),
        "AuthorizeSecurityGroupIngress" => rules::authorize(request, false),
        "AuthorizeSecurityGroupEgress" => rules::authorize(request, true),
        "RevokeSecurityGroupIngress" => rules::revoke(request, false),
        "RevokeSecurityGroupEgress" => rules::revoke(request, true),
        "DescribeVpcs" => network::describe_vpcs(request),
        "DescribeSubnets" => network::describe_subnets(request),
        "DescribeAvailabilityZones" => network::describe_zones(request),
        "DescribeImages" => images::describe(request),
        "DescribeInstanceTypes" => types::describe(request),
        "CreateTags" => tags::create(request),
        "DeleteTags" => tags::delete(request),
        "DescribeTags" => tags::describe(request),
        "CreateKeyPair" => Err(AwsError::unsupported(
            "EC2",
            "CreateKeyPair (make a key with ssh-keygen, so that its private half never travels, and import it)",
        )),
        _ => Err(call.unsupported("EC2")),
    }
}

/// Ends, at the server's start, what a dead one left behind. Stopped instances stay.
pub async fn start(cloud: &Arc<Cloud>) {
    // What cannot be read now answers its error to those who ask for it.
    let _ = machine::recover(cloud).await;
}

/// Ends the instances that run, at the server's stop.
pub async fn stop(cloud: &Arc<Cloud>) {
    machine::end_all(cloud).await;
}

/// Whether nothing is left that an idle server must stay up for: no instance that is not terminated.
pub fn is_empty(cloud: &Cloud) -> bool {
    instance::all(cloud).is_ok_and(|all| all.iter().all(|each| each.state.is_terminated()))
}

/// A panic elsewhere leaves these maps whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A new id as EC2 makes them: `i-0` and 16 hexadecimal digits.
fn new_id(prefix: &str) -> String {
    format!("{prefix}-0{}", hex::encode(rand::random::<[u8; 8]>()))
}

/// The id of something that is there from the start, the same in every cloud of the region.
fn fixed_id(prefix: &str, of: &str) -> String {
    use sha2::{Digest, Sha256};
    format!("{prefix}-0{}", hex::encode(&Sha256::digest(format!("{prefix}/{of}"))[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_has_every_operation_that_is_answered() {
        let source = include_str!("mod.rs");
        let answered = source.lines().filter_map(|line| {
            let (name, _) = line.trim().strip_prefix('"')?.split_once("\" => ")?;
            Some(name)
        });
        let lacking: Vec<&str> =
            answered.filter(|name| *name != "CreateKeyPair" && !model().knows(name)).collect();
        assert_eq!(lacking, Vec::<&str>::new());
    }

    #[test]
    fn an_idle_cloud_stays_up_for_instances_that_are_not_terminated() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::open(crate::Settings::new(dir.path())).unwrap();
        assert!(is_empty(&cloud));
        let mut instance = instance::tests::sample("i-00000000");
        for (state, empty) in [
            (instance::State::Running, false),
            (instance::State::Stopped, false),
            (instance::State::Terminated, true),
        ] {
            instance.state = state;
            instance::put(&cloud, &instance).unwrap();
            assert_eq!(is_empty(&cloud), empty, "{state:?}");
        }
    }
}
