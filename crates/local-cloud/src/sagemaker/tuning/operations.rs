//! The operations on hyperparameter tuning jobs.

use serde_json::json;

use super::check::Plan;
use super::jobs;
use super::record::{STORE, Tuning, all, arn, find};
use crate::authority::Access;
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::sagemaker::listing::{self, Entry, paged};
use crate::sagemaker::resource::words;
use crate::sagemaker::service::Request;
use crate::sagemaker::{access, tags};

pub fn on_job(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    access::on(request, arn(request.service.cloud(), name(request)))
}

fn name<'a>(request: &Request<'a>) -> &'a str {
    request.text("HyperParameterTuningJobName")
}

pub fn create(request: &Request<'_>) -> Reply {
    let plan = Plan::of(&*request.service.network, request.input())?;
    let role = request.input()["TrainingJobDefinition"]["RoleArn"].as_str();
    access::pass_role(request, role.unwrap_or_default())?;
    jobs::start(request.service, name(request), request.input(), plan)?;
    Ok(json!({"HyperParameterTuningJobArn": arn(request.service.cloud(), name(request))}))
}

pub fn describe(request: &Request<'_>) -> Reply {
    let cloud = request.service.cloud();
    find(&cloud.store, name(request))?.describe(cloud)
}

pub fn list(request: &Request<'_>) -> Reply {
    let cloud = request.service.cloud();
    let entries = all(&cloud.store)?.into_iter().map(|(name, tuning)| entry(cloud, name, &tuning));
    let entries = entries.collect::<Result<_, AwsError>>()?;
    listing::list("HyperParameterTuningJobSummaries", request.input(), entries)
}

fn entry(cloud: &Cloud, name: String, tuning: &Tuning) -> Result<Entry, AwsError> {
    Ok(Entry {
        name,
        created_ms: tuning.created_ms,
        modified_ms: tuning.modified_ms,
        status: words(tuning.status),
        summary: tuning.summary(cloud)?,
    })
}

pub fn list_trials(request: &Request<'_>) -> Reply {
    let cloud = request.service.cloud();
    let summaries = find(&cloud.store, name(request))?.list(cloud, request.input())?;
    paged("TrainingJobSummaries", request.input(), summaries)
}

pub fn stop(request: &Request<'_>) -> Reply {
    let tuning = find(request.service.store(), name(request))?;
    if tuning.status.is_final() {
        return Err(rejected(&tuning));
    }
    jobs::stop(request.service, name(request))?;
    Ok(json!({}))
}

pub fn delete(request: &Request<'_>) -> Reply {
    let (store, name) = (request.service.store(), name(request));
    let tuning = find(store, name)?;
    if !tuning.status.is_final() {
        return Err(rejected(&tuning));
    }
    store.delete(STORE, name)?;
    tags::clear(store, &arn(request.service.cloud(), name))?;
    Ok(json!({}))
}

fn rejected(tuning: &Tuning) -> AwsError {
    AwsError::validation(format!(
        "The request was rejected because the hyperparameter tuning job is in status {}.",
        words(tuning.status)
    ))
}
