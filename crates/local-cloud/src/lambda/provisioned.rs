//! The operations of provisioned concurrency.

use serde_json::{Value, json};

use super::describe::time;
use super::errors::{invalid, not_found};
use super::quota::check_left;
use super::record::{Function, LATEST, Provisioned, Version, number};
use super::service::{Lambda, Request};
use super::target::{Target, arn};
use crate::call::{AwsError, Reply};
use crate::support::clock::now_ms;

pub const UNPUBLISHED: &str =
    "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";

/// Returns the function, and the version or alias that the request names.
fn target(request: &Request<'_>) -> Result<(Target, String), AwsError> {
    let target = request.target()?;
    let qualifier = target.qualifier.clone().unwrap_or_default();
    Ok((target, qualifier))
}

pub fn put(request: &Request<'_>) -> Reply {
    let service = request.service;
    let (target, qualifier) = target(request)?;
    let requested = request.input()["ProvisionedConcurrentExecutions"].as_u64().unwrap_or_default();
    let function = set(service, &target, &qualifier, requested)?;
    described(service, &function, &qualifier).ok_or_else(|| target.not_found(&service.cloud))
}

/// Sets the provisioned concurrency of a function's version or alias, and starts or ends environments. Returns the function.
///
/// # Errors
/// There is no such version or alias, or it can't have as much.
pub fn set(service: &Lambda, target: &Target, qualifier: &str, requested: u64) -> Result<Function, AwsError> {
    let cloud = &service.cloud;
    let function = target.function(cloud)?;
    if qualifier.is_empty() || qualifier == LATEST {
        return Err(invalid(UNPUBLISHED));
    }
    let version = function.qualified(Some(qualifier)).ok_or_else(|| target.not_found(cloud))?;
    if version.number.is_none() {
        return Err(invalid(UNPUBLISHED));
    }
    if function.aliases.get(qualifier).is_some_and(|alias| alias.weight.is_some()) {
        let what = "provisioned concurrency of an alias with a RoutingConfig";
        return Err(AwsError::unsupported("Lambda", what));
    }
    check_not_twice(&function, qualifier, version)?;
    let others = function.provisioned.iter().filter(|(each, _)| *each != qualifier);
    let total = requested + others.map(|(_, each)| each.requested).sum::<u64>();
    match function.reserved {
        Some(reserved) if total > reserved => {
            return Err(invalid(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
            ));
        }
        Some(_) => {}
        None => check_left(&cloud.store, &target.name, "ConcurrentExecutions", total)?,
    }
    let function = target.change(cloud, |function| {
        function.provisioned.insert(qualifier.to_owned(), Provisioned { requested, modified_ms: now_ms() });
        Ok(function.clone())
    })?;
    service.pools.provision(&target.name, qualifier);
    Ok(function)
}

/// Checks that no other qualifier of the same version has provisioned concurrency.
fn check_not_twice(function: &Function, qualifier: &str, version: &Version) -> Result<(), AwsError> {
    let same = |other: &str| {
        other != qualifier
            && function.qualified(Some(other)).is_some_and(|other| other.number == version.number)
    };
    if !function.provisioned.keys().any(|other| same(other)) {
        return Ok(());
    }
    Err(invalid(if number(qualifier).is_some() {
        "Version is pointed by a Provisioned Concurrency alias"
    } else {
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
    }))
}

pub fn get(request: &Request<'_>) -> Reply {
    let (target, qualifier) = target(request)?;
    let function = target.function(&request.service.cloud)?;
    described(request.service, &function, &qualifier).ok_or_else(|| {
        let mut error = not_found(format!(
            "No Provisioned Concurrency Config found for this function: {}",
            function.name
        ));
        "ProvisionedConcurrencyConfigNotFoundException".clone_into(&mut error.code);
        error
    })
}

pub fn list(request: &Request<'_>) -> Reply {
    let (_, function) = request.found()?;
    let items = function.provisioned.keys().filter_map(|qualifier| {
        let mut item = described(request.service, &function, qualifier)?;
        item["FunctionArn"] = json!(arn(&request.service.cloud, &function.name, Some(qualifier)));
        Some(item)
    });
    request.page("ProvisionedConcurrencyConfigs", items.collect())
}

pub fn delete(request: &Request<'_>) -> Reply {
    let (target, qualifier) = target(request)?;
    end(request.service, &target, &qualifier)?;
    Ok(Value::Null)
}

/// Ends the provisioned concurrency of a version or an alias. As on AWS, it is no error if there is none.
///
/// # Errors
/// There is no such function.
pub fn end(service: &Lambda, target: &Target, qualifier: &str) -> Result<(), AwsError> {
    target.change(&service.cloud, |function| {
        function.provisioned.remove(qualifier);
        Ok(())
    })?;
    service.pools.withdraw(&target.name, qualifier);
    Ok(())
}

/// Returns how many of a qualifier's environments are ready, and why there are fewer than requested, if they can't be started.
pub fn ready(service: &Lambda, function: &str, qualifier: &str) -> (u64, Option<String>) {
    let pools = service.pools.lock();
    let reserve = pools.get(function).and_then(|pool| pool.reserves.get(qualifier));
    reserve.map_or((0, None), |reserve| (reserve.ready, reserve.failure.clone()))
}

/// Returns the provisioned concurrency of a qualifier as answers have it. None: it has none.
fn described(service: &Lambda, function: &Function, qualifier: &str) -> Option<Value> {
    let config = function.provisioned.get(qualifier)?;
    let (ready, failure) = ready(service, &function.name, qualifier);
    let status = match failure {
        Some(_) => "FAILED",
        None if ready >= config.requested => "READY",
        None => "IN_PROGRESS",
    };
    let mut answer = json!({
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AvailableProvisionedConcurrentExecutions": ready,
        "AllocatedProvisionedConcurrentExecutions": ready,
        "Status": status,
        "LastModified": time(config.modified_ms),
    });
    if let Some(failure) = failure {
        answer["StatusReason"] = json!(failure);
    }
    Some(answer)
}
