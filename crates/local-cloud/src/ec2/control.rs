//! TerminateInstances, StopInstances and StartInstances.

use serde_json::{Value, json};

use super::error::{error, missing};
use super::instance::{self, Instance};
use super::placement::{Wanted, admit};
use super::request::{Needed, Request};
use super::state::{End, Reason, State};
use super::types::Type;
use super::{machine, network, tags};
use crate::call::{AwsError, Reply};
use crate::support::lock::locked;

/// Returns the instances that a request names.
fn named(request: &Request) -> Result<Vec<Instance>, AwsError> {
    instance::of_ids(request.cloud(), &request.texts("InstanceIds"))
}

/// Returns the access that these operations need: their action on each instance.
pub fn needs(request: &Request) -> Needed {
    let instances = named(request)?;
    if instances.is_empty() {
        return Err(missing("InstanceId"));
    }
    let access = |instance: &Instance| {
        let context = tags::resource_context(request.cloud(), &instance.id)?
            .with("ec2:InstanceType", &*instance.kind)
            .with("ec2:AvailabilityZone", &*instance.zone);
        Ok(request.access(request.arn("instance", &instance.id), context))
    };
    instances.iter().map(access).collect()
}

/// Returns an entry of these operations' answers.
fn changed(id: &str, from: State, to: State) -> Value {
    json!({"InstanceId": id, "PreviousState": from.described(), "CurrentState": to.described()})
}

pub fn terminate(request: &Request) -> Reply {
    let cloud = request.cloud();
    let instances = named(request)?;
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
            machine::end(request.service, &id, End::Terminate(Reason::User));
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
    let cloud = request.cloud();
    let instances = named(request)?;
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
            machine::end(request.service, &id, End::Stop(Reason::User));
        }
        answers.push(changed(&id, before, now));
    }
    Ok(json!({"StoppingInstances": answers}))
}

/// Starts instances. Each finds its folder as it was, and its user data does not run again.
pub fn start(request: &Request) -> Reply {
    let cloud = request.cloud();
    let instances = named(request)?;
    let refused =
        |instance: &&Instance| !matches!(instance.state, State::Stopped | State::Running | State::Pending);
    if let Some(instance) = instances.iter().find(refused) {
        return Err(wrong_state(instance, "started"));
    }
    request.dry_run()?;
    let mut answers = Vec::new();
    let admission = locked(&request.service.admission);
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
            machine::boot(request.service, &instance.id);
        }
        answers.push(changed(&instance.id, before, now));
    }
    Ok(json!({"StartingInstances": answers}))
}
