//! The operations on training jobs.

use serde_json::json;

use super::check::check;
use super::record::{STORE, all, arn, find};
use super::{jobs, warm};
use crate::authority::Access;
use crate::call::{AwsError, Reply};
use crate::sagemaker::listing::{self, Entry};
use crate::sagemaker::resource::words;
use crate::sagemaker::service::Request;
use crate::sagemaker::{access, tags};

pub fn on_job(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    access::on(request, arn(request.service.cloud(), name(request)))
}

fn name<'a>(request: &Request<'a>) -> &'a str {
    request.text("TrainingJobName")
}

pub fn create(request: &Request<'_>) -> Reply {
    check(&*request.service.network, request.input())?;
    let session = access::pass_role(request, request.text("RoleArn"))?;
    jobs::start(request.service, request.input(), session, None)?;
    Ok(json!({"TrainingJobArn": arn(request.service.cloud(), name(request))}))
}

pub fn describe(request: &Request<'_>) -> Reply {
    let job = find(request.service.store(), name(request))?;
    Ok(warm::with_status(&job, job.describe()?))
}

pub fn list(request: &Request<'_>) -> Reply {
    let entries = all(request.service.store())?.into_iter().map(|(name, job)| Entry {
        name,
        created_ms: job.created_ms,
        modified_ms: job.modified_ms,
        status: words(job.status),
        summary: warm::with_status(&job, job.summary()),
    });
    listing::list("TrainingJobSummaries", request.input(), entries.collect())
}

pub fn stop(request: &Request<'_>) -> Reply {
    jobs::stop(request.service, name(request))?;
    Ok(json!({}))
}

pub fn delete(request: &Request<'_>) -> Reply {
    let (store, name) = (request.service.store(), name(request));
    let arn = arn(request.service.cloud(), name);
    let status = find(store, name)?.status;
    if !status.is_final() {
        let message = format!(
            "Training job {arn} is in status {}: only a job in status Completed, Failed or Stopped can be deleted.",
            words(status)
        );
        return Err(AwsError::new(400, "ResourceInUse", message));
    }
    store.delete(STORE, name)?;
    tags::clear(store, &arn)?;
    Ok(json!({}))
}
