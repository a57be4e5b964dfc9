//! What can be asked of instances, and told to them, once they are there.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::host::Folder;
use super::instance::{self, Instance, Reason, State};
use super::machine::{self, End};
use super::placement::{Wanted, admit, unsupported};
use super::request::{Filters, Request, error};
use super::types::Type;
use super::{groups, locked, network};
use crate::call::{AwsError, Reply};
use crate::iam::Context;
use crate::protocol::ec2query::missing;

const FILTERS: Filters = &[
    ("architecture", "Instances.Architecture"),
    ("availability-zone", "Instances.Placement.AvailabilityZone"),
    ("client-token", "Instances.ClientToken"),
    ("group-id", "Instances.SecurityGroups.GroupId"),
    ("group-name", "Instances.SecurityGroups.GroupName"),
    ("iam-instance-profile.arn", "Instances.IamInstanceProfile.Arn"),
    ("image-id", "Instances.ImageId"),
    ("instance-id", "Instances.InstanceId"),
    ("instance-lifecycle", "Instances.InstanceLifecycle"),
    ("instance-state-code", "Instances.State.Code"),
    ("instance-state-name", "Instances.State.Name"),
    ("instance-type", "Instances.InstanceType"),
    ("instance.group-id", "Instances.SecurityGroups.GroupId"),
    ("instance.group-name", "Instances.SecurityGroups.GroupName"),
    ("key-name", "Instances.KeyName"),
    ("launch-time", "Instances.LaunchTime"),
    ("owner-id", "OwnerId"),
    ("private-ip-address", "Instances.PrivateIpAddress"),
    ("reservation-id", "ReservationId"),
    ("spot-instance-request-id", "Instances.SpotInstanceRequestId"),
    ("state-reason-code", "Instances.StateReason.Code"),
    ("subnet-id", "Instances.SubnetId"),
    ("vpc-id", "Instances.VpcId"),
];

/// The instances that a request names, each of which must be there; all where it names none.
fn named(request: &Request) -> Result<Vec<Instance>, AwsError> {
    let ids = request.texts("InstanceIds");
    if ids.is_empty() {
        return instance::all(request.cloud);
    }
    let mut named: Vec<Instance> = Vec::new();
    for id in ids {
        let instance = instance::get(request.cloud, id)?;
        if !named.iter().any(|each| each.id == instance.id) {
            named.push(instance);
        }
    }
    Ok(named)
}

/// A reservation with one of its instances; those of one reservation are joined for the answer.
fn reserved(request: &Request, instances: &[Instance]) -> Result<Vec<Value>, AwsError> {
    let cloud = request.cloud;
    let groups = groups::all(cloud)?;
    let reserved = |instance: &Instance| -> Reply {
        let told = instance.described(cloud, &groups)?;
        Ok(json!({
            "Groups": [],
            "OwnerId": cloud.account,
            "ReservationId": instance.reservation,
            "Tags": told["Tags"],
            "Instances": [told],
        }))
    };
    instances.iter().map(reserved).collect()
}

/// One reservation for each run of entries that share it.
fn joined(entries: Vec<Value>) -> Vec<Value> {
    let mut reservations: Vec<Value> = Vec::new();
    for mut entry in entries {
        // Only the filters looked for the tags here.
        if let Some(entry) = entry.as_object_mut() {
            entry.shift_remove("Tags");
        }
        match reservations.last_mut() {
            Some(last) if last["ReservationId"] == entry["ReservationId"] => {
                if let (Some(list), Some(more)) =
                    (last["Instances"].as_array_mut(), entry["Instances"].as_array_mut())
                {
                    list.append(more);
                }
            }
            _ => reservations.push(entry),
        }
    }
    reservations
}

/// RunInstances' answer.
pub fn reservation(request: &Request, instances: &[Instance]) -> Reply {
    let joined = joined(reserved(request, instances)?);
    joined.into_iter().next().ok_or_else(|| AwsError::internal("a reservation without instances"))
}

pub fn describe(request: &Request) -> Reply {
    request.admit("*", &Context::new())?;
    instance::forget_terminated(request.cloud)?;
    let ids = request.input()["InstanceIds"].is_array();
    if ids && request.input()["MaxResults"].is_number() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(error("InvalidParameterCombination", message));
    }
    let entries = request.filtered(reserved(request, &named(request)?)?, FILTERS)?;
    let mut answer = request.page("Reservations", entries)?;
    if let Value::Array(entries) = answer["Reservations"].take() {
        answer["Reservations"] = Value::Array(joined(entries));
    }
    Ok(answer)
}

const STATUS_FILTERS: Filters = &[
    ("availability-zone", "AvailabilityZone"),
    ("instance-state-code", "InstanceState.Code"),
    ("instance-state-name", "InstanceState.Name"),
    ("instance-status.status", "InstanceStatus.Status"),
    ("system-status.status", "SystemStatus.Status"),
];

pub fn describe_status(request: &Request) -> Reply {
    request.admit("*", &Context::new())?;
    let all = request.flag("IncludeAllInstances");
    let status = |instance: &Instance| {
        // An instance runs as long as its first process, so its checks pass exactly then.
        let health = match instance.state {
            State::Running => {
                json!({"Status": "ok", "Details": [{"Name": "reachability", "Status": "passed"}]})
            }
            _ => json!({"Status": "not-applicable"}),
        };
        json!({
            "AvailabilityZone": instance.zone,
            "InstanceId": instance.id,
            "InstanceState": instance.state.described(),
            "InstanceStatus": health,
            "SystemStatus": health,
        })
    };
    let instances = named(request)?;
    let items = instances.iter().filter(|each| all || each.state == State::Running).map(status).collect();
    request.listed("InstanceStatuses", items, STATUS_FILTERS)
}

/// Checks a call that changes instances; answers those that it names.
fn admitted(request: &Request) -> Result<Vec<Instance>, AwsError> {
    if request.texts("InstanceIds").is_empty() {
        return Err(missing("InstanceId"));
    }
    let instances = named(request)?;
    for instance in &instances {
        let context = super::tags::resource_context(request.cloud, &instance.id)?
            .with("ec2:InstanceType", &*instance.kind)
            .with("ec2:AvailabilityZone", &*instance.zone);
        request.authorize(&request.arn("instance", &instance.id), &context)?;
    }
    Ok(instances)
}

/// One entry of what Terminate, Stop and Start answer.
fn changed(id: &str, from: State, to: State) -> Value {
    json!({"InstanceId": id, "PreviousState": from.described(), "CurrentState": to.described()})
}

pub fn terminate(request: &Request) -> Reply {
    let cloud = request.cloud;
    let instances = admitted(request)?;
    if let Some(instance) = instances.iter().find(|each| each.protected && !each.state.is_terminated()) {
        let message = format!(
            "The instance '{}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try \
             again.",
            instance.id
        );
        return Err(error("OperationNotPermitted", message));
    }
    request.dry_run()?;
    let mut answers = Vec::new();
    for Instance { id, .. } in instances {
        let before = instance::enter(cloud, &id, State::ShuttingDown, Some(Reason::User), |it| {
            Ok(!matches!(it.state, State::ShuttingDown | State::Terminated))
        })?;
        let now = if before.is_terminated() { before } else { State::ShuttingDown };
        if before != now {
            machine::end(cloud, &id, End::Terminate(Reason::User));
        }
        answers.push(changed(&id, before, now));
    }
    Ok(json!({"TerminatingInstances": answers}))
}

fn wrong_state(instance: &Instance, what: &str) -> AwsError {
    let (id, state) = (&instance.id, instance.state.name());
    let message =
        format!("The instance '{id}' is not in a state from which it can be {what}. (It is {state}.)");
    error("IncorrectInstanceState", message)
}

pub fn stop(request: &Request) -> Reply {
    let cloud = request.cloud;
    if request.flag("Hibernate") {
        return Err(unsupported("instances do not hibernate"));
    }
    let instances = admitted(request)?;
    for instance in &instances {
        if instance.spot.is_some() {
            let message = format!(
                "You can't stop the Spot Instance '{}' because it is associated with a one-time Spot Instance request. \
                 You can only stop Spot Instances associated with persistent Spot Instance requests.",
                instance.id
            );
            return Err(error("UnsupportedOperation", message));
        }
        if matches!(instance.state, State::ShuttingDown | State::Terminated) {
            return Err(wrong_state(instance, "stopped"));
        }
    }
    request.dry_run()?;
    let mut answers = Vec::new();
    for Instance { id, .. } in instances {
        let before = instance::enter(cloud, &id, State::Stopping, Some(Reason::User), |it| {
            Ok(matches!(it.state, State::Pending | State::Running))
        })?;
        let now = match before {
            State::Pending | State::Running => State::Stopping,
            other => other,
        };
        if before != now {
            machine::end(cloud, &id, End::Stop(Reason::User));
        }
        answers.push(changed(&id, before, now));
    }
    Ok(json!({"StoppingInstances": answers}))
}

/// Its folder is as it was; its user data does not run again.
pub fn start(request: &Request) -> Reply {
    let cloud = request.cloud;
    let instances = admitted(request)?;
    let startable =
        |instance: &&Instance| !matches!(instance.state, State::Stopped | State::Running | State::Pending);
    if let Some(instance) = instances.iter().find(startable) {
        return Err(wrong_state(instance, "started"));
    }
    request.dry_run()?;
    let mut answers = Vec::new();
    let admission = locked(&cloud.ec2.admission);
    for instance in instances {
        let subnet = network::subnet(cloud, &instance.subnet)?;
        let kind =
            Type::of(&instance.kind).ok_or_else(|| AwsError::internal("an instance without a type"))?;
        if instance.state == State::Stopped {
            let wanted = Wanted { name: &instance.kind, kind, subnet: &subnet, count: (1, 1), spot: None };
            admit(cloud, &wanted, &admission)?;
        }
        let before =
            instance::enter(cloud, &instance.id, State::Pending, None, |it| Ok(it.state == State::Stopped))?;
        let now = if before == State::Stopped { State::Pending } else { before };
        if before != now {
            machine::boot(cloud, &instance.id);
        }
        answers.push(changed(&instance.id, before, now));
    }
    Ok(json!({"StartingInstances": answers}))
}

/// What the user data wrote, its last 64 KiB; kept for as long as a terminated instance is visible.
pub fn console(request: &Request) -> Reply {
    let cloud = request.cloud;
    let id = request.text("InstanceId").unwrap_or_default();
    let instance = instance::get(cloud, id)?;
    let context = super::tags::resource_context(cloud, id)?;
    request.admit(&request.arn("instance", id), &context)?;
    let output = match instance.state {
        State::Terminated => instance::kept_console(cloud, id)?,
        // It is being deleted, or was not yet made.
        _ => Folder::of(&cloud.settings.dir, id).console().ok(),
    };
    let output = output.map(|text| BASE64_STANDARD.encode(text));
    Ok(json!({"InstanceId": id, "Output": output, "Timestamp": Timestamp::now().to_string()}))
}
