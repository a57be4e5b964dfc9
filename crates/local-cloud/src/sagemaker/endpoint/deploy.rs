//! Starts, replaces and removes the fleets of endpoints. Updates are blue/green: an update starts a second fleet, which
//! replaces the first one as soon as it serves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::fleet::{DRAIN, Fleet};
use super::live::{Live, Serving};
use super::record::{Deployment, Endpoint, STORE, Status, all, arn, change_if, find};
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::sagemaker::service::SageMaker;
use crate::sagemaker::tags;
use crate::support::process;

/// A deployment, and the number of instances and the weight that were set since.
pub struct Capacity {
    pub deployment: Deployment,
    /// None: the deployment's number.
    pub desired: Option<u64>,
    pub weight: Option<f64>,
}

/// Starts a fleet, which then replaces the serving one. If it fails to start, the serving one stays.
pub fn deploy_later(service: &Arc<SageMaker>, name: &str, capacity: Capacity) {
    let (service, name) = (Arc::clone(service), name.to_owned());
    tokio::spawn(async move { deploy(&service, &name, capacity).await });
}

async fn deploy(service: &SageMaker, name: &str, capacity: Capacity) {
    let live = service.endpoints.get_or_add(name);
    let deployment = capacity.deployment.clone();
    let count = capacity.desired.unwrap_or_else(|| deployment.initial());
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let folder = folder(service.cloud(), name);
    match Fleet::start(&service.platform, name, &folder, deployment, count).await {
        Ok(fleet) => replace(service, name, &live, fleet, capacity).await,
        Err(reason) => fail(service, name, &live, &reason),
    }
}

async fn replace(service: &SageMaker, name: &str, live: &Live, fleet: Arc<Fleet>, capacity: Capacity) {
    let old = live.serving.send_replace(Serving::Fleet(Arc::clone(&fleet)));
    let kept = match old {
        // An endpoint that is started again after a restart keeps its record. Its capacity may have been changed
        // already.
        Serving::Starting => find(service.cloud(), name).map(drop),
        _ => change_if(service.store(), name, |endpoint| {
            endpoint.status = Status::InService;
            endpoint.deployment = capacity.deployment;
            (endpoint.desired, endpoint.weight) = (capacity.desired, capacity.weight);
            endpoint.failure = None;
            Ok(())
        }),
    };
    // If the record can't be written, the fleet must not serve.
    if kept.is_err() {
        live.serving.send_replace(Serving::Nothing);
        fleet.retire(Duration::ZERO).await;
    }
    if let Serving::Fleet(old) = old {
        old.retire(DRAIN).await;
    }
}

fn fail(service: &SageMaker, name: &str, live: &Live, reason: &str) {
    live.serving.send_if_modified(|serving| {
        let starting = matches!(serving, Serving::Starting);
        if starting {
            *serving = Serving::Nothing;
        }
        starting
    });
    let serves = live.fleet().is_some();
    // If this can't be written, the next start of the server tries again.
    let _ = change_if(service.store(), name, |endpoint| {
        endpoint.status = if serves { Status::InService } else { Status::Failed };
        endpoint.set_failure(reason);
        Ok(())
    });
}

/// Drains and removes an endpoint that is Deleting.
pub fn delete_later(service: Arc<SageMaker>, name: String) {
    tokio::spawn(async move { delete(&service, &name).await });
}

async fn delete(service: &SageMaker, name: &str) {
    if let Some(fleet) = service.endpoints.remove(name).and_then(|live| live.take()) {
        fleet.retire(DRAIN).await;
    }
    sweep(service.cloud(), name).await;
    // If one of these fails, the endpoint stays Deleting, and is deleted at the next start.
    let _ = tags::clear(service.store(), &arn(service.cloud(), name));
    let _ = service.store().delete(STORE, name);
}

fn folder(cloud: &Cloud, name: &str) -> PathBuf {
    cloud.settings.dir.join("endpoints").join(name)
}

/// Kills the remaining processes of an endpoint's fleets, and removes their folders.
async fn sweep(cloud: &Cloud, name: &str) {
    let folder = folder(cloud, name);
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        process::end(None, &entry.path()).await;
    }
    let _ = std::fs::remove_dir_all(&folder);
}

/// Starts the endpoints again after a restart. It doesn't wait until they serve, but invocations wait.
///
/// # Errors
/// The store's.
pub async fn recover(service: &Arc<SageMaker>) -> Result<(), AwsError> {
    for (name, endpoint) in all(service.store())? {
        sweep(service.cloud(), &name).await;
        let Endpoint { status, deployment, desired, weight, .. } = endpoint;
        let capacity = Capacity { deployment, desired, weight };
        match status {
            Status::Deleting => delete(service, &name).await,
            Status::Failed => {}
            Status::Creating => deploy_later(service, &name, capacity),
            Status::InService | Status::Updating => {
                service.endpoints.get_or_add(&name).serving.send_replace(Serving::Starting);
                change_if(service.store(), &name, |endpoint| {
                    endpoint.status = Status::InService;
                    Ok(())
                })?;
                deploy_later(service, &name, capacity);
            }
        }
    }
    Ok(())
}

/// Ends all fleets. The records stay, so that the next server starts the endpoints again.
pub async fn end_all(service: &SageMaker) {
    let ends = service.endpoints.take_all().into_iter().map(|(name, live)| async move {
        if let Some(fleet) = live.take() {
            // The server has already waited for requests.
            fleet.retire(Duration::ZERO).await;
        }
        sweep(service.cloud(), &name).await;
    });
    join_all(ends).await;
}
