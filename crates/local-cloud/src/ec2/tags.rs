//! Tags: on everything that has an id.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::request::{Filters, Request, error};
use super::{groups, instance, keys, network, rules, spot};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::iam::Context;

const TAGS: &str = "ec2.tags";
const LIMIT: usize = 50;

pub type Tags = BTreeMap<String, String>;

/// A resource's tags, as they are described.
pub fn of(cloud: &Cloud, id: &str) -> Result<Value, AwsError> {
    let tags: Tags = cloud.store.get(TAGS, id)?.unwrap_or_default();
    Ok(tags.into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect())
}

/// Adds to a resource's tags.
pub fn put(cloud: &Cloud, id: &str, added: &Tags) -> Result<(), AwsError> {
    if added.is_empty() {
        return Ok(());
    }
    let mut tags: Tags = cloud.store.get(TAGS, id)?.unwrap_or_default();
    tags.extend(added.clone());
    if tags.len() > LIMIT {
        let message = "The maximum number of Tags for a resource has been reached.";
        return Err(error("TagLimitExceeded", message));
    }
    cloud.store.put(TAGS, id, &tags)
}

pub fn forget(cloud: &Cloud, id: &str) -> Result<(), AwsError> {
    cloud.store.delete(TAGS, id).map(drop)
}

/// The tags that a request brings for the resources of a kind (`TagSpecifications`), of which `allowed` are there.
pub fn specified(request: &Request, kind: &str, allowed: &[&str]) -> Result<Tags, AwsError> {
    let mut tags = Tags::new();
    for specification in request.input()["TagSpecifications"].as_array().into_iter().flatten() {
        let of = specification["ResourceType"].as_str().unwrap_or_default();
        if !allowed.contains(&of) {
            let message = format!("'{of}' is not a valid taggable resource type for this operation.");
            return Err(error("InvalidParameterValue", message));
        }
        if of == kind {
            tags.extend(read(&specification["Tags"])?);
        }
    }
    if tags.len() > LIMIT {
        return Err(error("TagLimitExceeded", "The maximum number of Tags for a resource has been reached."));
    }
    Ok(tags)
}

/// `ec2:CreateTags` for what is tagged as it is created.
pub fn authorize_with(request: &Request, resource: &str, tags: &Tags) -> Result<(), AwsError> {
    if tags.is_empty() {
        return Ok(());
    }
    let context = context(tags).with("ec2:CreateAction", &*request.call.operation);
    request.authorize_action("ec2:CreateTags", resource, &context)
}

/// `aws:RequestTag/KEY` and `aws:TagKeys`.
pub fn context(tags: &Tags) -> Context {
    let mut context = Context::new();
    for (key, value) in tags {
        context = context.with(&format!("aws:RequestTag/{key}"), &**value);
    }
    if tags.is_empty() { context } else { context.with_list("aws:TagKeys", tags.keys().cloned()) }
}

/// `aws:ResourceTag/KEY` and EC2's own name for it.
pub fn resource_context(cloud: &Cloud, id: &str) -> Result<Context, AwsError> {
    let mut context = Context::new();
    for (key, value) in cloud.store.get::<Tags>(TAGS, id)?.unwrap_or_default() {
        context = context
            .with(&format!("aws:ResourceTag/{key}"), &*value)
            .with(&format!("ec2:ResourceTag/{key}"), &*value);
    }
    Ok(context)
}

fn read(tags: &Value) -> Result<Tags, AwsError> {
    let mut read = Tags::new();
    for tag in tags.as_array().into_iter().flatten() {
        let text = |name: &str| tag[name].as_str().unwrap_or_default();
        let (key, value) = (text("Key"), text("Value"));
        let refuse = |why: String| Err(error("InvalidParameterValue", why));
        if key.is_empty() || key.chars().count() > 127 {
            return refuse("Tag key is too long or empty; it must have 1 to 127 characters.".to_owned());
        }
        if value.chars().count() > 255 {
            return refuse("Tag value exceeds the maximum length of 255 characters".to_owned());
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return refuse("Tag keys starting with 'aws:' are reserved for internal use".to_owned());
        }
        read.insert(key.to_owned(), value.to_owned());
    }
    Ok(read)
}

/// The kind of the resource that an id names, if it is there.
fn kind_of(cloud: &Cloud, id: &str) -> Result<&'static str, AwsError> {
    match id.split('-').next().unwrap_or_default() {
        "i" => instance::get(cloud, id).map(|_| "instance"),
        "vol" => instance::with_part(cloud, id).map(|()| "volume"),
        "eni" => instance::with_part(cloud, id).map(|()| "network-interface"),
        "key" => keys::by_id(cloud, id).map(|_| "key-pair"),
        "sg" => groups::by_id(cloud, id).map(|_| "security-group"),
        "sgr" => rules::group_of(cloud, id).map(|_| "security-group-rule"),
        "sir" => spot::get(cloud, id).map(|_| "spot-instances-request"),
        "vpc" => network::check_vpc(cloud, id).map(|()| "vpc"),
        "subnet" => network::subnet(cloud, id).map(|_| "subnet"),
        _ => Err(error("InvalidID", format!("The ID '{id}' is not valid"))),
    }
}

pub fn create(request: &Request) -> Reply {
    let tags = read(&request.input()["Tags"])?;
    change(request, &context(&tags), |id| put(request.cloud, id, &tags))
}

pub fn delete(request: &Request) -> Reply {
    let given = request.input()["Tags"].as_array();
    let context = Context::new();
    change(request, &context, |id| {
        let Some(given) = given else { return forget(request.cloud, id) };
        let mut tags: Tags = request.cloud.store.get(TAGS, id)?.unwrap_or_default();
        // A key alone deletes whatever its value is.
        tags.retain(|key, value| {
            !given.iter().any(|tag| {
                tag["Key"] == key.as_str() && tag["Value"].as_str().is_none_or(|given| given == value)
            })
        });
        request.cloud.store.put(TAGS, id, &tags)
    })
}

fn change(request: &Request, context: &Context, change: impl Fn(&str) -> Result<(), AwsError>) -> Reply {
    let ids = request.texts("Resources");
    for id in &ids {
        let kind = kind_of(request.cloud, id)?;
        request.authorize(&request.arn(kind, id), context)?;
    }
    request.dry_run()?;
    ids.into_iter().try_for_each(change)?;
    Ok(Value::Null)
}

const FILTERS: Filters =
    &[("resource-id", "ResourceId"), ("resource-type", "ResourceType"), ("key", "Key"), ("value", "Value")];

pub fn describe(request: &Request) -> Reply {
    request.admit("*", &Context::new())?;
    let mut items = Vec::new();
    for (id, tags) in request.cloud.store.list::<Tags>(TAGS)? {
        let Ok(kind) = kind_of(request.cloud, &id) else { continue };
        items.extend(
            tags.into_iter().map(
                |(key, value)| json!({"ResourceId": id, "ResourceType": kind, "Key": key, "Value": value}),
            ),
        );
    }
    request.listed("Tags", items, FILTERS)
}
