//! Training jobs: the operations, and what becomes of jobs when the cloud stops or starts.

mod check;
mod cluster;
mod environment;
mod layout;
mod python;
mod record;
mod run;
mod script;

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use super::locked;
use super::resource::{Entry, authorize, check_quota, check_role, delete_tags_of, list, put_tags, text};
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::iam::Session;
pub use check::check;
pub use environment::OBJECTIVE;
use record::{End, JOB, change};
pub use record::{JOB as STORE, Job, Status, TrialOf};

/// A job under way.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// AWS's default for most instance types on an account that has been used; settable.
pub const QUOTA: u64 = 20;

/// The quota's name.
pub fn quota(instance_type: &str) -> String {
    format!("{instance_type} for training job usage")
}

pub async fn call(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    if call.operation == "ListTrainingJobs" {
        authorize(cloud, call, "*")?;
        let jobs: Vec<(String, Job)> = cloud.store.list(JOB)?;
        let entries = jobs.into_iter().map(|(name, job)| Entry {
            name,
            created_ms: job.created_ms,
            modified_ms: job.modified_ms,
            status: json!(job.status).as_str().unwrap_or_default().to_owned(),
            summary: job.summary(),
        });
        return list("TrainingJobSummaries", &call.input, entries.collect());
    }
    let name = text(&call.input, "TrainingJobName");
    let arn = arn(cloud, name);
    authorize(cloud, call, &arn)?;
    match call.operation.as_str() {
        "CreateTrainingJob" => {
            check(&call.input)?;
            let session = check_role(cloud, &call.caller, text(&call.input, "RoleArn"), "SageMaker")?;
            start(cloud, &call.input, session, None)?;
            Ok(json!({"TrainingJobArn": arn}))
        }
        "DescribeTrainingJob" => find(cloud, name)?.describe(),
        "StopTrainingJob" => stop(cloud, name),
        "DeleteTrainingJob" => {
            let status = find(cloud, name)?.status;
            if !status.is_final() {
                return Err(AwsError::new(
                    400,
                    "ResourceInUse",
                    format!(
                        "Training job {arn} is in status {}: only a job in status Completed, Failed or Stopped can be \
                         deleted.",
                        json!(status).as_str().unwrap_or_default()
                    ),
                ));
            }
            cloud.store.delete(JOB, name)?;
            delete_tags_of(cloud, &arn)?;
            Ok(json!({}))
        }
        _ => Err(call.unsupported("SageMaker")),
    }
}

pub fn arn(cloud: &Cloud, name: &str) -> String {
    cloud.arn("sagemaker", &format!("training-job/{name}"))
}

fn find(cloud: &Cloud, name: &str) -> Result<Job, AwsError> {
    cloud.store.get(JOB, name)?.ok_or_else(|| AwsError::validation("Requested resource not found."))
}

/// Starts a job whose input was checked, which acts as the session's role. What is answered is dropped when the job
/// has ended.
///
/// # Errors
/// `ResourceLimitExceeded`, `ResourceInUse`, the store's.
pub fn start(
    cloud: &Arc<Cloud>,
    input: &Value,
    session: Session,
    trial: Option<TrialOf>,
) -> Result<oneshot::Receiver<()>, AwsError> {
    let name = text(input, "TrainingJobName");
    let arn = arn(cloud, name);
    let kind = text(&input["ResourceConfig"], "InstanceType");
    let jobs: Vec<(String, Job)> = cloud.store.list(JOB)?;
    let used = jobs
        .iter()
        .filter(|(_, job)| !job.status.is_final() && job.input["ResourceConfig"]["InstanceType"] == kind)
        .map(|(_, job)| layout::instance_count(&job.input))
        .sum();
    check_quota(cloud, &quota(kind), QUOTA, used, layout::instance_count(input))?;
    let job = Job::new(input.clone(), arn.clone(), trial);
    if !cloud.store.insert(JOB, name, &job)? {
        let message = "Job name must be unique within an AWS account and region, and a training job with this name \
                       already exists";
        return Err(AwsError::new(400, "ResourceInUse", format!("{message} ({arn})")));
    }
    put_tags(cloud, &arn, input)?;
    let (stop, stopped) = watch::channel(false);
    let (ends, ended) = oneshot::channel();
    let (cloud_of_task, name_of_task) = (Arc::clone(cloud), name.to_owned());
    // The lock is held until the job is registered, so that its end finds it there.
    let mut jobs = locked(&cloud.sagemaker.jobs);
    let task = tokio::spawn(async move {
        run::run(Arc::clone(&cloud_of_task), name_of_task.clone(), job, session, stopped).await;
        locked(&cloud_of_task.sagemaker.jobs).remove(&name_of_task);
        drop(ends);
    });
    jobs.insert(name.to_owned(), Running { stop, task });
    Ok(ended)
}

/// StopTrainingJob.
pub fn stop(cloud: &Arc<Cloud>, name: &str) -> Reply {
    let job = find(cloud, name)?;
    match job.status {
        Status::InProgress => {
            let mut begun = false;
            change(cloud, name, |job| {
                if job.status == Status::InProgress {
                    job.status = Status::Stopping;
                    job.enter("Stopping", "Stopping the training job");
                    begun = true;
                }
            })?;
            if begun && let Some(running) = locked(&cloud.sagemaker.jobs).get(name) {
                // The run's end is as good as a stop.
                let _ = running.stop.send(true);
            }
            Ok(json!({}))
        }
        Status::Stopping => Ok(json!({})),
        _ => Err(AwsError::validation(format!(
            "The request was rejected because the training job is in status {}.",
            json!(job.status).as_str().unwrap_or_default()
        ))),
    }
}

/// Whether a job is under way.
pub fn any_running(cloud: &Cloud) -> bool {
    !locked(&cloud.sagemaker.jobs).is_empty()
}

/// Fails the jobs that a server left under way when it died, and kills what is left of them.
pub async fn recover(cloud: &Arc<Cloud>) -> Result<(), AwsError> {
    let jobs: Vec<(String, Job)> = cloud.store.list(JOB)?;
    for (name, job) in jobs {
        if !job.status.is_final() {
            fail_lost(cloud, &name, "the local cloud ended while the job ran").await?;
        }
    }
    Ok(())
}

/// Ends what runs: the cloud stops.
pub async fn end_all(cloud: &Arc<Cloud>) {
    let running: Vec<(String, Running)> = locked(&cloud.sagemaker.jobs).drain().collect();
    for (name, job) in running {
        job.task.abort();
        // Waits until the task is gone, and with it the handle on its child.
        let _ = job.task.await;
        // Not kept, it is found lost at the next start.
        let _ = fail_lost(cloud, &name, "the local cloud was stopped while the job ran").await;
    }
}

async fn fail_lost(cloud: &Cloud, name: &str, why: &str) -> Result<(), AwsError> {
    run::sweep(&layout::folder(&cloud.settings.dir, name)).await;
    let reason = format!("InternalServerError: {why}; start it again under another name");
    change(cloud, name, |job| {
        if !job.status.is_final() {
            job.end(&End::Failed(reason));
        }
    })
}
