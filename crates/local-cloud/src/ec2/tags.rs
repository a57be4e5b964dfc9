//! The tags of resources, which are stored under the resources' ids, and their condition keys.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::error;
use super::request::Request;
use crate::authority::Access;
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::policy::Context;

const TAGS: &str = "ec2.tags";
const LIMIT: usize = 50;

/// Tags: keys with their values.
pub type Tags = BTreeMap<String, String>;

fn get(cloud: &Cloud, id: &str) -> Result<Tags, AwsError> {
    Ok(cloud.store.get(TAGS, id)?.unwrap_or_default())
}

/// Returns a resource's tags as answers describe them.
pub fn of(cloud: &Cloud, id: &str) -> Result<Value, AwsError> {
    Ok(get(cloud, id)?.into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect())
}

/// Returns the ids and the tags of all resources that have tags.
pub fn all(cloud: &Cloud) -> Result<Vec<(String, Tags)>, AwsError> {
    cloud.store.list(TAGS)
}

/// Adds tags to a resource.
pub fn put(cloud: &Cloud, id: &str, added: &Tags) -> Result<(), AwsError> {
    if added.is_empty() {
        return Ok(());
    }
    let mut tags = get(cloud, id)?;
    tags.extend(added.clone());
    check_number(&tags)?;
    cloud.store.put(TAGS, id, &tags)
}

/// Deletes the tags of a resource for which `keep` returns false.
pub fn retain(cloud: &Cloud, id: &str, keep: impl Fn(&str, &str) -> bool) -> Result<(), AwsError> {
    let mut tags = get(cloud, id)?;
    tags.retain(|key, value| keep(key, value));
    cloud.store.put(TAGS, id, &tags)
}

/// Deletes all tags of a resource.
pub fn forget(cloud: &Cloud, id: &str) -> Result<(), AwsError> {
    cloud.store.delete(TAGS, id).map(drop)
}

fn check_number(tags: &Tags) -> Result<(), AwsError> {
    if tags.len() > LIMIT {
        let message = "The maximum number of Tags for a resource has been reached.";
        return Err(error("TagLimitExceeded", message));
    }
    Ok(())
}

/// Reads the tags that a request gives to the resources of a kind (`TagSpecifications`). Refuses kinds that aren't in
/// `allowed`.
pub fn specified(request: &Request, kind: &str, allowed: &[&str]) -> Result<Tags, AwsError> {
    let mut tags = Tags::new();
    for specification in request.items("TagSpecifications") {
        let of = specification["ResourceType"].as_str().unwrap_or_default();
        if !allowed.contains(&of) {
            let message = format!("'{of}' is not a valid taggable resource type for this operation.");
            return Err(error("InvalidParameterValue", message));
        }
        if of == kind {
            tags.extend(read(&specification["Tags"])?);
        }
    }
    check_number(&tags)?;
    Ok(tags)
}

/// Reads a list of tags.
pub fn read(tags: &Value) -> Result<Tags, AwsError> {
    let mut read = Tags::new();
    for tag in tags.as_array().into_iter().flatten() {
        let text = |name: &str| tag[name].as_str().unwrap_or_default();
        let (key, value) = (text("Key"), text("Value"));
        let refuse = |why: &str| Err(error("InvalidParameterValue", why));
        if key.is_empty() || key.chars().count() > 127 {
            return refuse("Tag key is too long or empty; it must have 1 to 127 characters.");
        }
        if value.chars().count() > 255 {
            return refuse("Tag value exceeds the maximum length of 255 characters");
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return refuse("Tag keys starting with 'aws:' are reserved for internal use");
        }
        read.insert(key.to_owned(), value.to_owned());
    }
    Ok(read)
}

/// Returns the access `ec2:CreateTags`, which a request needs that creates a resource with tags. None: there are no
/// tags.
pub fn access_with(request: &Request, resource: &str, tags: &Tags) -> Option<Access> {
    if tags.is_empty() {
        return None;
    }
    let context = context(tags).with("ec2:CreateAction", &*request.call.operation);
    Some(request.implied_access("ec2:CreateTags", resource, context))
}

/// Returns the condition keys for the tags of a request: `aws:RequestTag/KEY` and `aws:TagKeys`.
pub fn context(tags: &Tags) -> Context {
    let mut context = Context::new();
    for (key, value) in tags {
        context = context.with(&format!("aws:RequestTag/{key}"), &**value);
    }
    if tags.is_empty() { context } else { context.with_list("aws:TagKeys", tags.keys().cloned()) }
}

/// Returns the condition keys for the tags of a resource: `aws:ResourceTag/KEY`, and `ec2:ResourceTag/KEY`, EC2's own.
pub fn resource_context(cloud: &Cloud, id: &str) -> Result<Context, AwsError> {
    let mut context = Context::new();
    for (key, value) in get(cloud, id)? {
        context = context
            .with(&format!("aws:ResourceTag/{key}"), &*value)
            .with(&format!("ec2:ResourceTag/{key}"), &*value);
    }
    Ok(context)
}
