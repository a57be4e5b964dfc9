//! RunInstances: launches instances. If an earlier request had the same client token, it returns that request's
//! instances.

use std::sync::MutexGuard;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error::error;
use super::expire::forget_terminated;
use super::id::new_id;
use super::instance::{self, Instance, Launched, Volume};
use super::launch::Launch;
use super::machine;
use super::placement::{Wanted, admit};
use super::request::Request;
use super::reservation::reservation;
use super::spot::{self, SpotRequest};
use super::state::State;
use super::tags;
use super::templates::{self, Chosen};
use crate::call::{AwsError, Reply};
use crate::support::lock::locked;

pub fn run(request: &Request) -> Reply {
    templates::completed(request, |request, chosen| {
        let mut launch = Launch::read(request)?;
        launch.tags.instance.extend(chosen.into_iter().flat_map(Chosen::tags));
        reservation(request.cloud(), &start(request, &launch)?)
    })
}

/// Launches the instances of a request that names no launch template, and returns them.
pub fn launched(request: &Request) -> Result<Vec<Instance>, AwsError> {
    start(request, &Launch::read(request)?)
}

fn start(request: &Request, launch: &Launch) -> Result<Vec<Instance>, AwsError> {
    let cloud = request.cloud();
    if let Some((_, role)) = &launch.profile {
        request.authorize_pass_role(role)?;
    }
    request.dry_run()?;
    let digest = digest(request.input());
    // From here until the records are written no other request may take the capacity, the addresses or the token.
    let admission = locked(&request.service.admission);
    forget_terminated(cloud)?;
    if let Some(token) = &launch.client_token
        && let Some(earlier) = instance::launched_with(cloud, token)?
    {
        if earlier.digest != digest {
            return Err(error(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            ));
        }
        let all = instance::all(cloud)?;
        return Ok(all.into_iter().filter(|each| each.reservation == earlier.reservation).collect());
    }
    let instances = records(request, launch, &admission)?;
    if let Some(token) = &launch.client_token {
        let launched = Launched { digest, reservation: instances[0].reservation.clone() };
        instance::keep_token(cloud, token, &launched)?;
    }
    for instance in &instances {
        put(request, launch, instance)?;
    }
    for instance in &instances {
        machine::boot(request.service, &instance.id);
    }
    Ok(instances)
}

/// Returns a digest of the members that must be the same in two requests with the same client token.
fn digest(input: &Value) -> String {
    let mut input = input.clone();
    if let Some(input) = input.as_object_mut() {
        input.shift_remove("ClientToken");
        input.shift_remove("DryRun");
        input.sort_keys();
    }
    hex::encode(Sha256::digest(input.to_string()))
}

/// Returns records of as many instances as there is capacity for.
fn records(
    request: &Request,
    launch: &Launch,
    admission: &MutexGuard<()>,
) -> Result<Vec<Instance>, AwsError> {
    let (cloud, now, reservation) = (request.cloud(), Timestamp::now(), new_id("r"));
    let wanted = Wanted {
        name: &launch.type_name,
        kind: launch.kind,
        subnet: &launch.subnet,
        count: launch.count,
        spot: launch.spot.as_ref().map(|price| price.as_ref().and_then(|price| price.parse().ok())),
    };
    let count = admit(cloud, &wanted, admission)?;
    let all = instance::all(cloud)?;
    let mut taken: Vec<String> =
        all.into_iter().filter(|each| !each.state.is_terminated()).map(|each| each.address).collect();
    let mut instances = Vec::new();
    for index in 0..usize::try_from(count).unwrap_or_default() {
        let address = launch.subnet.free_address(&taken).ok_or_else(|| {
            let message =
                format!("Not enough free addresses in subnet '{}' for this request", launch.subnet.id);
            error("InsufficientFreeAddressesInSubnet", message)
        })?;
        taken.push(address.to_string());
        instances.push(Instance {
            id: new_id("i"),
            reservation: reservation.clone(),
            index,
            image: launch.image_id.clone(),
            kind: launch.type_name.clone(),
            vcpus: launch.kind.vcpus,
            key: launch.key.clone(),
            groups: launch.groups.clone(),
            subnet: launch.subnet.id.clone(),
            zone: launch.subnet.zone.clone(),
            address: address.to_string(),
            interface: new_id("eni"),
            volume: Volume {
                id: new_id("vol"),
                size: launch.volume.size,
                kind: launch.volume.kind.clone(),
                delete_on_termination: true,
            },
            profile: launch.profile.as_ref().map(|(profile, _)| profile.clone()),
            user_data: launch.user_data.clone(),
            on_shutdown: launch.on_shutdown,
            spot: launch.spot.as_ref().map(|_| new_id("sir")),
            metadata: launch.metadata.clone(),
            monitoring: request.input()["Monitoring"]["Enabled"].as_bool().unwrap_or(false),
            ebs_optimized: request.flag("EbsOptimized"),
            protected: request.flag("DisableApiTermination"),
            client_token: launch.client_token.clone(),
            launched: now,
            state: State::Pending,
            changed: now,
            reason: None,
        });
    }
    Ok(instances)
}

/// Stores an instance, its tags and its spot request.
fn put(request: &Request, launch: &Launch, instance: &Instance) -> Result<(), AwsError> {
    let cloud = request.cloud();
    tags::put(cloud, &instance.id, &launch.tags.instance)?;
    tags::put(cloud, &instance.volume.id, &launch.tags.volume)?;
    tags::put(cloud, &instance.interface, &launch.tags.interface)?;
    if let (Some(id), Some(price)) = (&instance.spot, &launch.spot) {
        tags::put(cloud, id, &launch.tags.spot_request)?;
        spot::put(cloud, &SpotRequest::fulfilled(id.clone(), instance, price.clone()))?;
    }
    instance::put(cloud, instance)
}
