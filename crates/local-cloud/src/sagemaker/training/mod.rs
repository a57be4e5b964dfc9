//! Training jobs: the operations, and what becomes of jobs when the cloud stops or starts.

mod layout;
mod record;
mod run;

use std::sync::Arc;

use regex::Regex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::resource::{Entry, authorize, check_quota, check_role, delete_tags_of, list, put_tags, text};
use super::transfer::S3Uri;
use super::{locked, process};
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
pub use record::JOB as STORE;
use record::JOB;
use record::{End, Job, Status, change};

/// A job under way.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// AWS's default for most instance types on an account that has been used; settable.
const QUOTA: u64 = 20;

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
        "CreateTrainingJob" => create(cloud, call, name, arn),
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

fn create(cloud: &Arc<Cloud>, call: &Call, name: &str, arn: String) -> Reply {
    let input = &call.input;
    check(input)?;
    let session = check_role(cloud, &call.caller, text(input, "RoleArn"), "SageMaker")?;
    let kind = text(&input["ResourceConfig"], "InstanceType");
    let jobs: Vec<(String, Job)> = cloud.store.list(JOB)?;
    let used = jobs
        .iter()
        .filter(|(_, job)| !job.status.is_final() && job.input["ResourceConfig"]["InstanceType"] == kind)
        .count();
    check_quota(cloud, &format!("{kind} for training job usage"), QUOTA, used as u64, 1)?;
    let job = Job::new(input.clone(), arn.clone());
    if !cloud.store.insert(JOB, name, &job)? {
        let message = "Job name must be unique within an AWS account and region, and a training job with this name \
                       already exists";
        return Err(AwsError::new(400, "ResourceInUse", format!("{message} ({arn})")));
    }
    put_tags(cloud, &arn, input)?;
    let (stop, stopped) = watch::channel(false);
    let (cloud_of_task, name_of_task) = (Arc::clone(cloud), name.to_owned());
    // The lock is held until the job is registered, so that its end finds it there.
    let mut jobs = locked(&cloud.sagemaker.jobs);
    let task = tokio::spawn(async move {
        run::run(Arc::clone(&cloud_of_task), name_of_task.clone(), job, session, stopped).await;
        locked(&cloud_of_task.sagemaker.jobs).remove(&name_of_task);
    });
    jobs.insert(name.to_owned(), Running { stop, task });
    Ok(json!({"TrainingJobArn": arn}))
}

/// What the model of AWS allows and this cloud cannot do, or what only sense forbids.
fn check(input: &Value) -> Result<(), AwsError> {
    let unsupported =
        |what: &str| Err(AwsError::unsupported("SageMaker", &format!("{what} in CreateTrainingJob")));
    for member in ["VpcConfig", "ServerlessJobConfig", "EnableManagedSpotTraining", "RetryStrategy"] {
        if !matches!(input[member], Value::Null | Value::Bool(false)) {
            return unsupported(member);
        }
    }
    let resources = &input["ResourceConfig"];
    if text(resources, "InstanceType").is_empty() {
        return Err(AwsError::validation("ResourceConfig.InstanceType is required."));
    }
    match resources["InstanceCount"].as_u64().unwrap_or_default() {
        0 => return Err(AwsError::validation("ResourceConfig.InstanceCount must be 1 or more.")),
        1 => {}
        _ => return unsupported("InstanceCount above 1"),
    }
    let algorithm = &input["AlgorithmSpecification"];
    if text(algorithm, "TrainingImage").is_empty() {
        return Err(AwsError::validation(
            "AlgorithmSpecification requires either TrainingImage or AlgorithmName; the local cloud knows TrainingImage \
             alone.",
        ));
    }
    if text(algorithm, "TrainingInputMode") != "File" {
        return unsupported("TrainingInputMode other than File");
    }
    for definition in algorithm["MetricDefinitions"].as_array().into_iter().flatten() {
        let (name, pattern) = (text(definition, "Name"), text(definition, "Regex"));
        let groups = Regex::new(pattern).map(|regex| regex.captures_len());
        if !groups.is_ok_and(|groups| groups > 1) {
            return Err(AwsError::validation(format!(
                "The regex '{pattern}' of metric '{name}' is not valid: it must have a group that captures the value."
            )));
        }
    }
    let mut names = std::collections::HashSet::new();
    for (name, channel) in layout::channels(input) {
        if !names.insert(name) {
            return Err(AwsError::validation(format!("Duplicate channel name '{name}'.")));
        }
        // They are names of folders.
        if matches!(name, "." | "..") {
            return Err(AwsError::validation(format!("Invalid channel name '{name}'.")));
        }
        let source = &channel["DataSource"]["S3DataSource"];
        if text(source, "S3DataType") != "S3Prefix" {
            return unsupported("a DataSource other than S3Prefix");
        }
        if text(source, "S3DataDistributionType") == "ShardedByS3Key" {
            return unsupported("ShardedByS3Key");
        }
        if !matches!(channel["CompressionType"].as_str(), None | Some("None")) {
            return unsupported("CompressionType");
        }
        if !matches!(channel["InputMode"].as_str(), None | Some("File")) {
            return unsupported("InputMode other than File");
        }
        S3Uri::parse(text(source, "S3Uri"))?;
    }
    S3Uri::parse(text(&input["OutputDataConfig"], "S3OutputPath"))?;
    if let Some(uri) = input["CheckpointConfig"]["S3Uri"].as_str() {
        S3Uri::parse(uri)?;
        let path = input["CheckpointConfig"]["LocalPath"].as_str().unwrap_or("/opt/ml/checkpoints");
        if path.trim_end_matches('/') != "/opt/ml/checkpoints" {
            return unsupported("CheckpointConfig.LocalPath other than /opt/ml/checkpoints");
        }
    }
    Ok(())
}

fn stop(cloud: &Arc<Cloud>, name: &str) -> Reply {
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
    let layout = layout::of_job(&cloud.settings.dir, name);
    process::end(None, &layout.base).await;
    let _ = std::fs::remove_dir_all(&layout.base);
    let reason = format!("InternalServerError: {why}; start it again under another name");
    change(cloud, name, |job| {
        if !job.status.is_final() {
            job.end(&End::Failed(reason));
        }
    })
}
