//! The operations on the tags of scalable targets.

use serde_json::json;

use super::service::Request;
use super::target::{STORE, Target};
use crate::authority::Access;
use crate::call::{AwsError, Reply};

/// Returns the operation's action on the ARN that the request names.
pub fn on_resource(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.text("ResourceARN"))])
}

pub fn list(request: &Request<'_>) -> Reply {
    let (_, target) = find(request)?;
    Ok(json!({"Tags": target.tags}))
}

pub fn tag(request: &Request<'_>) -> Reply {
    change(request, |target| match request.input()["Tags"].as_object() {
        Some(tags) => target.tag(tags),
        None => Ok(()),
    })
}

pub fn untag(request: &Request<'_>) -> Reply {
    let keys = request.texts("TagKeys");
    change(request, |target| {
        target.tags.retain(|key, _| !keys.contains(&key.as_str()));
        Ok(())
    })
}

fn change(request: &Request<'_>, change: impl FnOnce(&mut Target) -> Result<(), AwsError>) -> Reply {
    let (resource, _) = find(request)?;
    let changed = request.service.cloud.store.update(STORE, &resource, change)?;
    changed.map(|()| json!({})).ok_or_else(|| missing(request))
}

fn find(request: &Request<'_>) -> Result<(String, Target), AwsError> {
    let arn = request.text("ResourceARN");
    let found =
        request.service.targets()?.into_iter().find(|(_, target)| request.service.arn_of(target) == arn);
    found.ok_or_else(|| missing(request))
}

fn missing(request: &Request<'_>) -> AwsError {
    let message = format!("The specified resource was not found: {}", request.text("ResourceARN"));
    AwsError::new(400, "ResourceNotFoundException", message)
}
