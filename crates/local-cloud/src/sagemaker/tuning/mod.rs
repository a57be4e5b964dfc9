//! Hyperparameter tuning jobs: the operations. Their trials are training jobs like any other.

mod check;
mod ranges;
mod record;
mod run;
mod search;

use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;

use super::resource::{
    Entry, authorize, check_quota, check_quota_of, check_role, delete_tags_of, list, page, put_tags, text,
};
use super::{locked, training};
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use check::Plan;
pub use record::TUNING as STORE;
use record::{Status, TUNING, Tuning, change};

/// In ARNs.
pub const PATH: &str = "hyper-parameter-tuning-job";

/// AWS's defaults, settable. <https://docs.aws.amazon.com/general/latest/gr/sagemaker.html>
const TUNING_JOBS: u64 = 100;
const PARALLEL: u64 = 10;
const TRIALS: u64 = 750;

/// A tuning job under way.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

pub fn call(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    if call.operation == "ListHyperParameterTuningJobs" {
        authorize(cloud, call, "*")?;
        let all: Vec<(String, Tuning)> = cloud.store.list(TUNING)?;
        let entries = all.into_iter().map(|(name, tuning)| {
            Ok(Entry {
                name,
                created_ms: tuning.created_ms,
                modified_ms: tuning.modified_ms,
                status: words(tuning.status),
                summary: tuning.summary(cloud)?,
            })
        });
        let entries = entries.collect::<Result<_, AwsError>>()?;
        return list("HyperParameterTuningJobSummaries", &call.input, entries);
    }
    let name = text(&call.input, "HyperParameterTuningJobName");
    let arn = cloud.arn("sagemaker", &format!("{PATH}/{name}"));
    authorize(cloud, call, &arn)?;
    match call.operation.as_str() {
        "CreateHyperParameterTuningJob" => create(cloud, call, name, arn),
        "DescribeHyperParameterTuningJob" => find(cloud, name)?.describe(cloud),
        "ListTrainingJobsForHyperParameterTuningJob" => {
            page("TrainingJobSummaries", &call.input, find(cloud, name)?.list(cloud, &call.input)?)
        }
        "StopHyperParameterTuningJob" => stop(cloud, name),
        "DeleteHyperParameterTuningJob" => {
            let status = find(cloud, name)?.status;
            if !status.is_final() {
                return Err(AwsError::validation(format!(
                    "The request was rejected because the hyperparameter tuning job is in status {}.",
                    words(status)
                )));
            }
            cloud.store.delete(TUNING, name)?;
            delete_tags_of(cloud, &arn)?;
            Ok(json!({}))
        }
        _ => Err(call.unsupported("SageMaker")),
    }
}

fn words(status: Status) -> String {
    json!(status).as_str().unwrap_or_default().to_owned()
}

fn find(cloud: &Cloud, name: &str) -> Result<Tuning, AwsError> {
    let missing = || {
        let message = format!("Amazon SageMaker can't find a tuning job with the name {name}.");
        AwsError::new(400, "ResourceNotFound", message)
    };
    cloud.store.get(TUNING, name)?.ok_or_else(missing)
}

fn create(cloud: &Arc<Cloud>, call: &Call, name: &str, arn: String) -> Reply {
    let input = &call.input;
    let plan = Plan::of(input)?;
    let definition = &input["TrainingJobDefinition"];
    check_role(cloud, &call.caller, text(definition, "RoleArn"), "SageMaker")?;
    let all: Vec<(String, Tuning)> = cloud.store.list(TUNING)?;
    let used = all.iter().filter(|(_, tuning)| !tuning.status.is_final()).count() as u64;
    let quota = "Maximum number of concurrent hyperparameter tuning jobs";
    check_quota_of(cloud, "Jobs", quota, TUNING_JOBS, used, 1)?;
    let quota = "Maximum number of parallel training jobs per hyperparameter tuning job";
    check_quota_of(cloud, "Jobs", quota, PARALLEL, 0, plan.parallel as u64)?;
    let quota = "Maximum number of training jobs per hyperparameter tuning job";
    check_quota_of(cloud, "Jobs", quota, TRIALS, 0, plan.jobs as u64)?;
    // Instances that others have come free; those that the quota never grants don't.
    let resources = &definition["ResourceConfig"];
    let instances = resources["InstanceCount"].as_u64().unwrap_or(1).saturating_mul(plan.parallel as u64);
    check_quota(cloud, &training::quota(text(resources, "InstanceType")), training::QUOTA, 0, instances)?;
    let tuning = Tuning::new(input.clone(), arn.clone());
    if !cloud.store.insert(TUNING, name, &tuning)? {
        let message = "Hyperparameter tuning job names must be unique within an AWS account and region, and a tuning \
                       job with this name already exists";
        return Err(AwsError::new(400, "ResourceInUse", format!("{message} ({arn})")));
    }
    put_tags(cloud, &arn, input)?;
    let (stop, stopped) = watch::channel(false);
    let (cloud_of_task, name_of_task) = (Arc::clone(cloud), name.to_owned());
    // The lock is held until the job is registered, so that its end finds it there.
    let mut running = locked(&cloud.sagemaker.tunings);
    let task = tokio::spawn(async move {
        run::run(Arc::clone(&cloud_of_task), name_of_task.clone(), plan, stopped).await;
        locked(&cloud_of_task.sagemaker.tunings).remove(&name_of_task);
    });
    running.insert(name.to_owned(), Running { stop, task });
    Ok(json!({"HyperParameterTuningJobArn": arn}))
}

fn stop(cloud: &Arc<Cloud>, name: &str) -> Reply {
    let status = find(cloud, name)?.status;
    if status.is_final() {
        return Err(AwsError::validation(format!(
            "The request was rejected because the hyperparameter tuning job is in status {}.",
            words(status)
        )));
    }
    change(cloud, name, |tuning| {
        if tuning.status == Status::InProgress {
            tuning.status = Status::Stopping;
        }
    })?;
    if let Some(running) = locked(&cloud.sagemaker.tunings).get(name) {
        // The run's end is as good as a stop.
        let _ = running.stop.send(true);
    }
    Ok(json!({}))
}

/// Whether a tuning job is under way.
pub fn any_running(cloud: &Cloud) -> bool {
    !locked(&cloud.sagemaker.tunings).is_empty()
}

/// Fails the tuning jobs that a server left under way when it died; their trials are training jobs, and fail as such.
pub fn recover(cloud: &Cloud) -> Result<(), AwsError> {
    let all: Vec<(String, Tuning)> = cloud.store.list(TUNING)?;
    for (name, _) in all.iter().filter(|(_, tuning)| !tuning.status.is_final()) {
        fail_lost(cloud, name, "the local cloud ended while the tuning job ran")?;
    }
    Ok(())
}

/// Ends what runs, before the training jobs are ended: the cloud stops.
pub async fn end_all(cloud: &Cloud) {
    let running: Vec<(String, Running)> = locked(&cloud.sagemaker.tunings).drain().collect();
    for (name, tuning) in running {
        tuning.task.abort();
        let _ = tuning.task.await;
        // Not kept, it is found lost at the next start.
        let _ = fail_lost(cloud, &name, "the local cloud was stopped while the tuning job ran");
    }
}

fn fail_lost(cloud: &Cloud, name: &str, why: &str) -> Result<(), AwsError> {
    let reason = format!("InternalServerError: {why}; start it again under another name");
    change(cloud, name, |tuning| {
        if !tuning.status.is_final() {
            tuning.end(Status::Failed, Some(reason));
        }
    })
}
