//! AddTags, ListTags and DeleteTags, for all kinds of resources.

use serde_json::{Value, json};

use super::catalog::{CONFIGS, MODELS};
use super::service::{Request, SageMaker};
use super::{access, endpoint, notebook, tags, training, tuning};
use crate::authority::Access;
use crate::call::{AwsError, Reply};

/// For each kind of resource with tags: its name in ARNs, and its kind in the store.
const KINDS: [(&str, &str); 6] = [
    (training::PATH, training::STORE),
    (tuning::PATH, tuning::STORE),
    (notebook::PATH, notebook::STORE),
    (MODELS.path, MODELS.store),
    (CONFIGS.path, CONFIGS.store),
    (endpoint::PATH, endpoint::STORE),
];

pub fn on_resource(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    access::on(request, request.text("ResourceArn"))
}

pub fn add(request: &Request<'_>) -> Reply {
    let arn = existing(request)?;
    tags::add(request.service.store(), arn, request.input())?;
    list(request)
}

pub fn list(request: &Request<'_>) -> Reply {
    let arn = existing(request)?;
    Ok(json!({"Tags": tags::of(request.service.store(), arn)?}))
}

pub fn delete(request: &Request<'_>) -> Reply {
    let arn = existing(request)?;
    tags::remove(request.service.store(), arn, &request.texts("TagKeys"))?;
    Ok(json!({}))
}

/// Returns the ARN that the request names.
///
/// # Errors
/// A ValidationException: there is no such resource.
fn existing<'a>(request: &Request<'a>) -> Result<&'a str, AwsError> {
    let arn = request.text("ResourceArn");
    if exists(request.service, arn)? {
        return Ok(arn);
    }
    Err(AwsError::validation(format!("Could not find resource with ARN {arn}")))
}

fn exists(service: &SageMaker, arn: &str) -> Result<bool, AwsError> {
    let prefix = service.cloud().arn("sagemaker", "");
    let Some((path, name)) = arn.strip_prefix(&prefix).and_then(|rest| rest.split_once('/')) else {
        return Ok(false);
    };
    let Some((_, store)) = KINDS.iter().find(|(known, _)| *known == path) else { return Ok(false) };
    // ARNs have the name in lower case, so names are compared in lower case.
    let all = service.store().list::<Value>(store)?;
    Ok(all.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)))
}
