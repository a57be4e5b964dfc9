//! Provisioned concurrency: environments that are initialised before the first request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use super::concurrency::{check_left, no_config};
use super::environment::{Environment, Spec};
use super::model::{
    FUNCTION, Function, LATEST, Provisioned, Target, Version, arn, invalid, now_ms, number, written,
};
use super::pool::Reserve;
use super::{Request, locked, locked_out};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;

pub const UNPUBLISHED: &str =
    "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
/// How long an initialisation ahead of requests may take, at least: AWS lets a function's own time-out extend it.
const INIT: Duration = Duration::from_secs(130);

/// The last one, of all reserves.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The function, and the version or alias that a call names.
fn target(request: &Request) -> Result<(Target, String), AwsError> {
    let target = Target::read(request.cloud, &request.call.input)?;
    request.authorize(&target.arn(request.cloud))?;
    let qualifier = target.qualifier.clone().unwrap_or_default();
    Ok((target, qualifier))
}

pub fn put(request: &Request) -> Reply {
    let cloud = request.cloud;
    let (target, qualifier) = target(request)?;
    let requested = request.call.input["ProvisionedConcurrentExecutions"].as_u64().unwrap_or_default();
    let function = target.function(cloud)?;
    if qualifier.is_empty() || qualifier == LATEST {
        return Err(invalid(UNPUBLISHED));
    }
    let version = function.qualified(Some(&qualifier)).ok_or_else(|| target.not_found(cloud))?;
    if version.number.is_none() {
        return Err(invalid(UNPUBLISHED));
    }
    if function.aliases.get(&qualifier).is_some_and(|alias| alias.weight.is_some()) {
        return Err(AwsError::unsupported(
            "Lambda",
            "provisioned concurrency of an alias with a RoutingConfig",
        ));
    }
    check_not_twice(&function, &qualifier, version)?;
    let others: u64 = function
        .provisioned
        .iter()
        .filter(|(each, _)| **each != qualifier)
        .map(|(_, each)| each.requested)
        .sum();
    match function.reserved {
        Some(reserved) if others + requested > reserved => {
            return Err(invalid(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
            ));
        }
        Some(_) => {}
        None => check_left(cloud, &target.name, "ConcurrentExecutions", others + requested)?,
    }
    target.change(cloud, |function| {
        function.provisioned.insert(qualifier.clone(), Provisioned { requested, modified_ms: now_ms() });
        Ok(())
    })?;
    provision(cloud, &target.name, &qualifier);
    let function = target.function(cloud)?;
    described(cloud, &function, &qualifier).ok_or_else(|| target.not_found(cloud))
}

/// A version is provisioned by itself or by one alias.
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

pub fn get(request: &Request) -> Reply {
    let (target, qualifier) = target(request)?;
    let function = target.function(request.cloud)?;
    described(request.cloud, &function, &qualifier).ok_or_else(|| no_config(&function.name))
}

pub fn list(request: &Request) -> Reply {
    let target = request.target()?;
    let function = target.function(request.cloud)?;
    let items = function.provisioned.keys().filter_map(|qualifier| {
        let mut item = described(request.cloud, &function, qualifier)?;
        item["FunctionArn"] = json!(arn(request.cloud, &function.name, Some(qualifier)));
        Some(item)
    });
    request.page("ProvisionedConcurrencyConfigs", items.collect())
}

pub fn delete(request: &Request) -> Reply {
    let (target, qualifier) = target(request)?;
    target.change(request.cloud, |function| {
        // As on AWS, one that isn't there is deleted, too.
        function.provisioned.remove(&qualifier);
        Ok(())
    })?;
    withdraw(request.cloud, &target.name, &qualifier);
    Ok(Value::Null)
}

fn described(cloud: &Cloud, function: &Function, qualifier: &str) -> Option<Value> {
    let config = function.provisioned.get(qualifier)?;
    let pools = locked(&cloud.lambda.pools);
    let reserve = pools.get(&function.name).and_then(|pool| pool.reserves.get(qualifier));
    let ready = reserve.map_or(0, |reserve| reserve.ready);
    let failure = reserve.and_then(|reserve| reserve.failure.clone());
    let status = match &failure {
        Some(_) => "FAILED",
        None if ready >= config.requested => "READY",
        None => "IN_PROGRESS",
    };
    let mut answer = json!({
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AvailableProvisionedConcurrentExecutions": ready,
        "AllocatedProvisionedConcurrentExecutions": ready,
        "Status": status,
        "LastModified": written(config.modified_ms),
    });
    if let Some(failure) = failure {
        answer["StatusReason"] = json!(failure);
    }
    Some(answer)
}

/// Starts environments as the function's record wants them; what was there for another version ends.
pub fn provision(cloud: &Arc<Cloud>, name: &str, qualifier: &str) {
    let Ok(Some(function)) = cloud.store.get::<Function>(FUNCTION, name) else { return };
    let Some(version) = function.qualified(Some(qualifier)) else { return };
    let wanted = function.provisioned.get(qualifier).map_or(0, |config| config.requested);
    let (generation, over) = {
        let mut pools = locked(&cloud.lambda.pools);
        let reserve =
            pools.entry(name.to_owned()).or_default().reserves.entry(qualifier.to_owned()).or_default();
        reserve.failure = None;
        let mut over = Vec::new();
        if reserve.revision == version.revision {
            while reserve.ready > wanted {
                let Some(environment) = reserve.idle.pop() else { break };
                reserve.ready -= 1;
                over.push(environment);
            }
        } else {
            let generation = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
            let revision = version.revision.clone();
            over = std::mem::replace(reserve, Reserve { generation, revision, ..Reserve::default() }).idle;
        }
        (reserve.generation, over)
    };
    end(over);
    refill(cloud, name, qualifier, generation);
}

/// Ends what was provisioned.
pub fn withdraw(cloud: &Arc<Cloud>, name: &str, qualifier: &str) {
    let reserve = locked(&cloud.lambda.pools).get_mut(name).and_then(|pool| pool.reserves.remove(qualifier));
    end(reserve.map(|reserve| reserve.idle).unwrap_or_default());
}

fn end(environments: Vec<Environment>) {
    tokio::spawn(async move {
        for environment in environments {
            environment.end().await;
        }
    });
}

/// Starts as many as are missing.
pub fn refill(cloud: &Arc<Cloud>, name: &str, qualifier: &str, generation: u64) {
    let (cloud, name, qualifier) = (Arc::clone(cloud), name.to_owned(), qualifier.to_owned());
    tokio::spawn(async move {
        while let Some((missing, version)) = missing(&cloud, &name, &qualifier, generation) {
            let starts = (0..missing).map(|_| start(&cloud, &name, &version));
            for started in join_all(starts).await {
                took(&cloud, &name, &qualifier, generation, started).await;
            }
        }
    });
}

/// How many environments of what version are to be started, which is then this caller's to do. None: no more.
fn missing(cloud: &Cloud, name: &str, qualifier: &str, generation: u64) -> Option<(u64, Version)> {
    let function: Function = cloud.store.get(FUNCTION, name).ok()??;
    let wanted = function.provisioned.get(qualifier)?.requested;
    let version = function.qualified(Some(qualifier))?;
    let mut pools = locked(&cloud.lambda.pools);
    let reserve = pools.get_mut(name)?.reserves.get_mut(qualifier)?;
    let current = reserve.generation == generation && reserve.failure.is_none();
    let missing = wanted.saturating_sub(reserve.ready + reserve.starting);
    if !current || locked_out(cloud) || missing == 0 {
        return None;
    }
    reserve.starting += missing;
    Some((missing, version.clone()))
}

/// One environment, or why there is none.
async fn start(cloud: &Arc<Cloud>, name: &str, version: &Version) -> Result<Environment, String> {
    // The semaphore is never closed.
    let _turn = cloud.lambda.provisions.acquire().await.map_err(|error| error.to_string())?;
    let spec = Spec { function: name.to_owned(), version: version.clone(), provisioned: true };
    let mut environment = Environment::open(cloud, spec).await.map_err(|error| error.message)?;
    let limit = INIT.max(Duration::from_secs(version.settings.timeout));
    match environment.provision(limit).await {
        Ok(()) => Ok(environment),
        Err(_) => {
            environment.end().await;
            Err("FUNCTION_ERROR_INIT_FAILURE".to_owned())
        }
    }
}

/// Keeps one that was started, if it is still wanted.
async fn took(
    cloud: &Cloud,
    name: &str,
    qualifier: &str,
    generation: u64,
    started: Result<Environment, String>,
) {
    let over = {
        let mut pools = locked(&cloud.lambda.pools);
        let reserve = pools.get_mut(name).and_then(|pool| pool.reserves.get_mut(qualifier));
        match (reserve.filter(|reserve| reserve.generation == generation), started) {
            (Some(reserve), Ok(environment)) => {
                reserve.starting -= 1;
                reserve.idle.push(environment);
                reserve.ready += 1;
                None
            }
            (Some(reserve), Err(why)) => {
                reserve.starting -= 1;
                reserve.failure = Some(why);
                None
            }
            (None, started) => started.ok(),
        }
    };
    if let Some(environment) = over {
        environment.end().await;
    }
}
