//! Starts and stops training jobs, and ends them when the server stops.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;

use super::record::{End, Job, STORE, Status, TrialOf, all, arn, change, find};
use super::{layout, run, warm};
use crate::authority::Session;
use crate::call::AwsError;
use crate::sagemaker::resource::{text, words};
use crate::sagemaker::service::SageMaker;
use crate::sagemaker::{quota, tags};

/// The word for training jobs in the names of quotas.
pub const USAGE: &str = "training job";

/// Starts a job with the permissions of the session's role. Its input was checked before. The returned receiver is
/// closed, without a message, once the job has ended.
///
/// # Errors
/// `ResourceLimitExceeded`, `ResourceInUse`, the store's.
pub fn start(
    service: &SageMaker,
    input: &Value,
    session: Session,
    trial: Option<TrialOf>,
) -> Result<oneshot::Receiver<()>, AwsError> {
    let (store, name) = (service.store(), text(input, "TrainingJobName"));
    let arn = arn(service.cloud(), name);
    let kind = text(&input["ResourceConfig"], "InstanceType");
    let jobs = all(store)?;
    let running = jobs.iter().map(|(_, job)| job).filter(|job| !job.status.is_final());
    let used =
        running.filter(|job| job.instance_type() == kind).map(|job| layout::instance_count(&job.input));
    quota::check_instances(store, kind, USAGE, used.sum(), layout::instance_count(input))?;
    let job = Job::new(input.clone(), arn.clone(), trial);
    if !store.insert(STORE, name, &job)? {
        let message = "Job name must be unique within an AWS account and region, and a training job with this name \
                       already exists";
        return Err(AwsError::new(400, "ResourceInUse", format!("{message} ({arn})")));
    }
    tags::add(store, &arn, input)?;
    warm::take(store, name, input)?;
    let platform = Arc::clone(&service.platform);
    Ok(service.training_jobs.start(name, |stop| run::run(platform, name.to_owned(), job, session, stop)))
}

/// Asks a job to stop. For a job that is stopping already, nothing changes.
///
/// # Errors
/// A ValidationException: there is no such job, or it has ended.
pub fn stop(service: &SageMaker, name: &str) -> Result<(), AwsError> {
    let status = find(service.store(), name)?.status;
    if status.is_final() {
        return Err(AwsError::validation(format!(
            "The request was rejected because the training job is in status {}.",
            words(status)
        )));
    }
    let mut begun = false;
    change(service.store(), name, |job| {
        if job.status == Status::InProgress {
            job.status = Status::Stopping;
            job.enter("Stopping", "Stopping the training job");
            begun = true;
        }
    })?;
    if begun {
        service.training_jobs.stop(name);
    }
    Ok(())
}

/// Fails the jobs that were running when the last server died, and kills their remaining processes.
///
/// # Errors
/// The store's.
pub async fn recover(service: &SageMaker) -> Result<(), AwsError> {
    for (name, job) in all(service.store())? {
        if !job.status.is_final() {
            fail_lost(service, &name, "the local cloud ended while the job ran").await?;
        }
    }
    Ok(())
}

/// Ends the running jobs when the server stops.
pub async fn end_all(service: &SageMaker) {
    for name in service.training_jobs.abort_all().await {
        // If this can't be written, the next start of the server does it.
        let _ = fail_lost(service, &name, "the local cloud was stopped while the job ran").await;
    }
}

async fn fail_lost(service: &SageMaker, name: &str, why: &str) -> Result<(), AwsError> {
    run::sweep(&layout::folder(&service.cloud().settings.dir, name)).await;
    let reason = format!("InternalServerError: {why}; start it again under another name");
    change(service.store(), name, |job| {
        if !job.status.is_final() {
            job.end(&End::Failed(reason));
        }
    })
}
