//! CreateTags, DeleteTags and DescribeTags, on every resource that has an id.

use serde_json::{Value, json};

use super::error::{error, missing};
use super::request::{Filters, Needed, Request};
use super::tags::{self, Tags};
use super::{group, instance, keys, network, spot};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::policy::Context;

/// Returns the kind of the resource that an id names, if there is such a resource.
fn kind_of(cloud: &Cloud, id: &str) -> Result<&'static str, AwsError> {
    match id.split('-').next().unwrap_or_default() {
        "i" => instance::get(cloud, id).map(|_| "instance"),
        "vol" => instance::with_part(cloud, id).map(|()| "volume"),
        "eni" => instance::with_part(cloud, id).map(|()| "network-interface"),
        "key" => keys::by_id(cloud, id).map(|_| "key-pair"),
        "sg" => group::by_id(cloud, id).map(|_| "security-group"),
        "sgr" => group::with_rule(cloud, id).map(|_| "security-group-rule"),
        "sir" => spot::get(cloud, id).map(|_| "spot-instances-request"),
        "vpc" => network::check_vpc(cloud, id).map(|()| "vpc"),
        "subnet" => network::subnet(cloud, id).map(|_| "subnet"),
        _ => Err(error("InvalidID", format!("The ID '{id}' is not valid"))),
    }
}

pub fn create_needs(request: &Request) -> Needed {
    needs(request, &tags::context(&tags::read(&request.input()["Tags"])?))
}

pub fn create(request: &Request) -> Reply {
    let tags = tags::read(&request.input()["Tags"])?;
    request.dry_run()?;
    request.texts("Resources").into_iter().try_for_each(|id| tags::put(request.cloud(), id, &tags))?;
    Ok(Value::Null)
}

pub fn delete_needs(request: &Request) -> Needed {
    needs(request, &Context::new())
}

pub fn delete(request: &Request) -> Reply {
    request.dry_run()?;
    let given = request.input()["Tags"].as_array();
    let delete = |id: &str| {
        let Some(given) = given else { return tags::forget(request.cloud(), id) };
        // A key without a value deletes its tag, whatever the tag's value is.
        let deleted = |key: &str, value: &str| {
            given
                .iter()
                .any(|tag| tag["Key"] == key && tag["Value"].as_str().is_none_or(|given| given == value))
        };
        tags::retain(request.cloud(), id, |key, value| !deleted(key, value))
    };
    request.texts("Resources").into_iter().try_for_each(delete)?;
    Ok(Value::Null)
}

fn needs(request: &Request, context: &Context) -> Needed {
    let ids = request.texts("Resources");
    if ids.is_empty() {
        return Err(missing("ResourceId"));
    }
    let access = |id: &str| {
        let kind = kind_of(request.cloud(), id)?;
        Ok(request.access(request.arn(kind, id), context.clone()))
    };
    ids.into_iter().map(access).collect()
}

const FILTERS: Filters =
    &[("resource-id", "ResourceId"), ("resource-type", "ResourceType"), ("key", "Key"), ("value", "Value")];

pub fn describe(request: &Request) -> Reply {
    request.dry_run()?;
    let mut items = Vec::new();
    for (id, tags) in tags::all(request.cloud())? {
        let Ok(kind) = kind_of(request.cloud(), &id) else { continue };
        items.extend(described(&id, kind, tags));
    }
    request.listed("Tags", items, FILTERS)
}

fn described(id: &str, kind: &str, tags: Tags) -> impl Iterator<Item = Value> {
    tags.into_iter()
        .map(move |(key, value)| json!({"ResourceId": id, "ResourceType": kind, "Key": key, "Value": value}))
}
