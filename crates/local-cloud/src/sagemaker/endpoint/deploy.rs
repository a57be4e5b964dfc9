//! Starts, replaces and removes the fleets of endpoints. Updates are blue/green: an update starts second fleets, which
//! replace the first ones as soon as they serve.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::fleet::{DRAIN, Fleet};
use super::live::{Fleets, Live, Serving};
use super::record::{Changed, Deployment, Endpoint, STORE, Status, all, arn, change_if, find};
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::sagemaker::service::SageMaker;
use crate::sagemaker::tags;
use crate::support::process;

/// A deployment, and what is changed of it.
pub struct Target {
    pub deployment: Deployment,
    pub changed: Changed,
}

/// Starts fleets, which then replace the serving ones. If one fails to start, the serving ones stay.
pub fn deploy_later(service: &Arc<SageMaker>, name: &str, target: Target) {
    let (service, name) = (Arc::clone(service), name.to_owned());
    tokio::spawn(async move { deploy(&service, &name, target).await });
}

async fn deploy(service: &SageMaker, name: &str, target: Target) {
    let live = service.endpoints.get_or_add(name);
    match start(service, name, &target).await {
        Ok(fleets) => replace(service, name, &live, fleets, target).await,
        Err(reason) => fail(service, name, &live, &reason),
    }
}

/// Starts a fleet for each variant.
///
/// # Errors
/// The first reason why one failed. Then none is left.
async fn start(service: &SageMaker, name: &str, target: &Target) -> Result<Fleets, String> {
    let folder = folder(service.cloud(), name);
    let starts = target.deployment.variants.iter().map(|variant| {
        let changed = target.changed.get(variant.name()).and_then(|changed| changed.desired);
        let count = usize::try_from(changed.unwrap_or_else(|| variant.initial())).unwrap_or(usize::MAX);
        Fleet::start(&service.platform, name, &folder, target.deployment.number, variant.clone(), count)
    });
    let (mut started, mut failure) = (Vec::new(), None);
    for outcome in join_all(starts).await {
        match outcome {
            Ok(fleet) => started.push(fleet),
            Err(reason) => failure = failure.or(Some(reason)),
        }
    }
    let Some(reason) = failure else { return Ok(started.into()) };
    retire(&started, Duration::ZERO).await;
    Err(reason)
}

async fn retire(fleets: &[Arc<Fleet>], patience: Duration) {
    join_all(fleets.iter().map(|fleet| fleet.retire(patience))).await;
}

async fn replace(service: &SageMaker, name: &str, live: &Live, fleets: Fleets, target: Target) {
    let old = live.serving.send_replace(Serving::Fleets(Arc::clone(&fleets)));
    let kept = match old {
        // An endpoint that is started again after a restart keeps its record. Its capacity may have been changed
        // already.
        Serving::Starting => find(service.cloud(), name).map(drop),
        _ => change_if(service.store(), name, |endpoint| {
            endpoint.status = Status::InService;
            endpoint.deployment = target.deployment;
            endpoint.changed = target.changed;
            endpoint.failure = None;
            Ok(())
        }),
    };
    // If the record can't be written, the fleets must not serve.
    if kept.is_err() {
        live.serving.send_replace(Serving::Nothing);
        retire(&fleets, Duration::ZERO).await;
    }
    if let Serving::Fleets(old) = old {
        retire(&old, DRAIN).await;
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
    let serves = live.fleets().is_some();
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
    if let Some(fleets) = service.endpoints.remove(name).and_then(|live| live.take()) {
        retire(&fleets, DRAIN).await;
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
        let Endpoint { status, deployment, changed, .. } = endpoint;
        let target = Target { deployment, changed };
        match status {
            Status::Deleting => delete(service, &name).await,
            Status::Failed => {}
            Status::Creating => deploy_later(service, &name, target),
            Status::InService | Status::Updating => {
                service.endpoints.get_or_add(&name).serving.send_replace(Serving::Starting);
                change_if(service.store(), &name, |endpoint| {
                    endpoint.status = Status::InService;
                    Ok(())
                })?;
                deploy_later(service, &name, target);
            }
        }
    }
    Ok(())
}

/// Ends all fleets. The records stay, so that the next server starts the endpoints again.
pub async fn end_all(service: &SageMaker) {
    let ends = service.endpoints.take_all().into_iter().map(|(name, live)| async move {
        if let Some(fleets) = live.take() {
            // The server has already waited for requests.
            retire(&fleets, Duration::ZERO).await;
        }
        sweep(service.cloud(), &name).await;
    });
    join_all(ends).await;
}
