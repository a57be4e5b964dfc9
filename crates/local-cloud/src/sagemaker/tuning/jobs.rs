//! Starts and stops tuning jobs, and ends them when the server stops.

use std::sync::Arc;

use serde_json::Value;

use super::check::{Plan, resources};
use super::record::{STORE, Status, Tuning, all, arn, change};
use super::run;
use crate::call::AwsError;
use crate::sagemaker::resource::text;
use crate::sagemaker::service::SageMaker;
use crate::sagemaker::training::jobs::USAGE;
use crate::sagemaker::{quota, tags};
use crate::store::Store;

/// AWS's default quotas, which can be changed. <https://docs.aws.amazon.com/general/latest/gr/sagemaker.html>
const TUNING_JOBS: u64 = 100;
const PARALLEL: u64 = 10;
const TRIALS: u64 = 750;

/// Starts a tuning job, whose role was checked.
///
/// # Errors
/// `ResourceLimitExceeded`, `ResourceInUse`, the store's.
pub fn start(service: &Arc<SageMaker>, name: &str, input: &Value, plan: Plan) -> Result<(), AwsError> {
    let store = service.store();
    check_quotas(store, input, &plan)?;
    let arn = arn(service.cloud(), name);
    if !store.insert(STORE, name, &Tuning::new(input.clone(), arn.clone()))? {
        let message = "Hyperparameter tuning job names must be unique within an AWS account and region, and a tuning \
                       job with this name already exists";
        return Err(AwsError::new(400, "ResourceInUse", format!("{message} ({arn})")));
    }
    tags::add(store, &arn, input)?;
    let of_run = Arc::clone(service);
    // The end of the job isn't waited for.
    drop(service.tuning_jobs.start(name, |stop| run::run(of_run, name.to_owned(), plan, stop)));
    Ok(())
}

fn check_quotas(store: &Store, input: &Value, plan: &Plan) -> Result<(), AwsError> {
    let used = all(store)?.iter().filter(|(_, tuning)| !tuning.status.is_final()).count() as u64;
    let (jobs, parallel) = (plan.jobs as u64, plan.parallel as u64);
    for (quota, default, used, asked) in [
        ("Maximum number of concurrent hyperparameter tuning jobs", TUNING_JOBS, used, 1),
        ("Maximum number of parallel training jobs per hyperparameter tuning job", PARALLEL, 0, parallel),
        ("Maximum number of training jobs per hyperparameter tuning job", TRIALS, 0, jobs),
    ] {
        quota::check(store, "Jobs", quota, default, used, asked)?;
    }
    // Instances that other jobs use become free again. So only more than the whole quota is refused.
    let resources = resources(&input["TrainingJobDefinition"]);
    let instances = resources["InstanceCount"].as_u64().unwrap_or(1).saturating_mul(parallel);
    quota::check_instances(store, text(resources, "InstanceType"), USAGE, 0, instances)
}

/// Asks a tuning job to stop.
///
/// # Errors
/// The store's.
pub fn stop(service: &SageMaker, name: &str) -> Result<(), AwsError> {
    change(service.store(), name, |tuning| {
        if tuning.status == Status::InProgress {
            tuning.status = Status::Stopping;
        }
    })?;
    service.tuning_jobs.stop(name);
    Ok(())
}

/// Fails the tuning jobs that were running when the last server died. Their trials are training jobs, which fail
/// separately.
///
/// # Errors
/// The store's.
pub fn recover(service: &SageMaker) -> Result<(), AwsError> {
    let all = all(service.store())?;
    for (name, _) in all.iter().filter(|(_, tuning)| !tuning.status.is_final()) {
        fail_lost(service.store(), name, "the local cloud ended while the tuning job ran")?;
    }
    Ok(())
}

/// Ends the running tuning jobs when the server stops. The training jobs must be ended after them.
pub async fn end_all(service: &SageMaker) {
    for name in service.tuning_jobs.abort_all().await {
        // If this can't be written, the next start of the server does it.
        let _ = fail_lost(service.store(), &name, "the local cloud was stopped while the tuning job ran");
    }
}

fn fail_lost(store: &Store, name: &str, why: &str) -> Result<(), AwsError> {
    let reason = format!("InternalServerError: {why}; start it again under another name");
    change(store, name, |tuning| {
        if !tuning.status.is_final() {
            tuning.end(Status::Failed, Some(reason));
        }
    })
}
