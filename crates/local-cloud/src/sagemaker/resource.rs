//! What the control plane's resources share: ARNs, times, tags, listings, quotas.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::{AwsError, Call, Caller, Reply};
use crate::cloud::Cloud;
use crate::iam::Context;
use crate::store::Store;

const TAGS: &str = "sagemaker.tags";
/// The items that hold another quota than AWS's default.
const QUOTA: &str = "sagemaker.quota";

pub const SERVICE: &str = "sagemaker.amazonaws.com";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tag {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Value")]
    value: String,
}

/// Seconds since 1970, as awsJson tells times.
pub fn seconds(ms: i64) -> Value {
    // No date comes near 2^52 ms.
    #[allow(clippy::cast_precision_loss)]
    let seconds = ms as f64 / 1000.0;
    json!(seconds)
}

pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A string member that validation made sure of.
pub fn text<'a>(input: &'a Value, name: &str) -> &'a str {
    input[name].as_str().unwrap_or_default()
}

/// `sagemaker:OPERATION` on one resource, with the request's tags and more as context.
pub fn authorize(cloud: &Cloud, call: &Call, resource: &str) -> Result<(), AwsError> {
    let mut context = Context::new();
    if let Some(tags) = read_tags(&call.input) {
        for tag in &tags {
            context = context.with(&format!("aws:RequestTag/{}", tag.key), &*tag.value);
        }
        context = context.with_list("aws:TagKeys", tags.into_iter().map(|tag| tag.key));
    }
    if let Some(kind) = call.input["ResourceConfig"]["InstanceType"].as_str() {
        context = context.with_list("sagemaker:InstanceTypes", [kind.to_owned()]);
    }
    cloud.authorize(&call.caller, &format!("sagemaker:{}", call.operation), resource, &context)
}

/// Whether the caller may hand the role to SageMaker, and SageMaker may act as it.
pub fn check_role(
    cloud: &Cloud,
    caller: &Caller,
    role: &str,
    session: &str,
) -> Result<crate::iam::Session, AwsError> {
    cloud.authorize_pass_role(caller, role, SERVICE)?;
    assume(cloud, role, session)
}

/// Credentials of a role, or SageMaker's own words where it may not have them.
pub fn assume(cloud: &Cloud, role: &str, session: &str) -> Result<crate::iam::Session, AwsError> {
    cloud.assume_role(role, SERVICE, session).map_err(|error| match error.code.as_str() {
        "AccessDenied" => AwsError::validation(format!(
            "Could not assume role {role}. Please ensure that the role exists and allows principal '{SERVICE}' to \
             assume the role."
        )),
        _ => error,
    })
}

/// Fails where there is no room for so many instances: AWS's words, which name the quota.
pub fn check_quota(cloud: &Cloud, name: &str, default: u64, used: u64, asked: u64) -> Result<(), AwsError> {
    check_quota_of(cloud, "Instances", name, default, used, asked)
}

/// The same for a quota of other things than instances.
pub fn check_quota_of(
    cloud: &Cloud,
    unit: &str,
    name: &str,
    default: u64,
    used: u64,
    asked: u64,
) -> Result<(), AwsError> {
    let limit: u64 = cloud.store.get(QUOTA, name)?.unwrap_or(default);
    if used.saturating_add(asked) <= limit {
        return Ok(());
    }
    let message = format!(
        "The account-level service limit '{name}' is {limit} {unit}, with current utilization of {used} {unit} and a \
         request delta of {asked} {unit}. Please use AWS Service Quotas to request an increase for this quota."
    );
    Err(AwsError::new(400, "ResourceLimitExceeded", message))
}

/// Sets a quota, under the name that AWS's error tells: `ml.m5.xlarge for training job usage`.
pub fn set_quota(store: &Store, name: &str, limit: u64) -> Result<(), AwsError> {
    store.put(QUOTA, name, &limit)
}

fn read_tags(input: &Value) -> Option<Vec<Tag>> {
    Vec::<Tag>::deserialize(input.get("Tags")?).ok()
}

/// Keeps the tags that a Create call brought.
pub fn put_tags(cloud: &Cloud, arn: &str, input: &Value) -> Result<(), AwsError> {
    let Some(tags) = read_tags(input) else { return Ok(()) };
    let mut kept: Vec<Tag> = cloud.store.get(TAGS, arn)?.unwrap_or_default();
    for tag in tags {
        kept.retain(|old| old.key != tag.key);
        kept.push(tag);
    }
    if kept.len() > 50 {
        return Err(AwsError::validation("A resource can have at most 50 tags"));
    }
    cloud.store.put(TAGS, arn, &kept)
}

pub fn delete_tags_of(cloud: &Cloud, arn: &str) -> Result<(), AwsError> {
    cloud.store.delete(TAGS, arn).map(drop)
}

/// AddTags, ListTags, DeleteTags.
pub fn tags(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let arn = text(&call.input, "ResourceArn");
    authorize(cloud, call, arn)?;
    if !super::exists(cloud, arn)? {
        return Err(AwsError::validation(format!("Could not find resource with ARN {arn}")));
    }
    match call.operation.as_str() {
        "AddTags" => put_tags(cloud, arn, &call.input)?,
        "DeleteTags" => {
            let keys = call.input["TagKeys"].as_array().cloned().unwrap_or_default();
            let mut kept: Vec<Tag> = cloud.store.get(TAGS, arn)?.unwrap_or_default();
            kept.retain(|tag| !keys.iter().any(|key| key == tag.key.as_str()));
            cloud.store.put(TAGS, arn, &kept)?;
            return Ok(json!({}));
        }
        _ => {}
    }
    Ok(json!({"Tags": cloud.store.get::<Vec<Tag>>(TAGS, arn)?.unwrap_or_default()}))
}

/// One entry of a listing: its summary, and what can be filtered and sorted by.
pub struct Entry {
    pub name: String,
    pub created_ms: i64,
    pub modified_ms: i64,
    pub status: String,
    pub summary: Value,
}

/// Any List operation: filters, order, pages.
pub fn list(member: &str, input: &Value, mut entries: Vec<Entry>) -> Reply {
    let time = |name: &str| match &input[name] {
        Value::Number(seconds) => seconds.as_f64().map(|s| s * 1000.0),
        Value::String(text) => text
            .parse::<jiff::Timestamp>()
            .ok()
            .map(|t| t.as_millisecond())
            .or_else(|| text.parse::<f64>().ok().map(|s| (s * 1000.0) as i64))
            .map(|ms| ms as f64),
        _ => None,
    };
    let within = |ms: i64, after: Option<f64>, before: Option<f64>| {
        after.is_none_or(|at| ms as f64 > at) && before.is_none_or(|at| (ms as f64) < at)
    };
    let (created, modified) = (
        (time("CreationTimeAfter"), time("CreationTimeBefore")),
        (time("LastModifiedTimeAfter"), time("LastModifiedTimeBefore")),
    );
    entries.retain(|entry| {
        input["NameContains"]
            .as_str()
            .is_none_or(|part| entry.name.to_lowercase().contains(&part.to_lowercase()))
            && input["StatusEquals"].as_str().is_none_or(|status| entry.status == status)
            && within(entry.created_ms, created.0, created.1)
            && within(entry.modified_ms, modified.0, modified.1)
    });
    match input["SortBy"].as_str() {
        Some("Name") => entries.sort_by(|a, b| a.name.cmp(&b.name)),
        Some("Status") => entries.sort_by(|a, b| a.status.cmp(&b.status).then(a.name.cmp(&b.name))),
        _ => entries.sort_by(|a, b| a.created_ms.cmp(&b.created_ms).then(a.name.cmp(&b.name))),
    }
    if input["SortOrder"].as_str() != Some("Ascending") {
        entries.reverse();
    }
    page(member, input, entries.into_iter().map(|entry| entry.summary).collect())
}

/// The page of a listing that the caller asks for. The token is the number of entries told so far.
pub fn page(member: &str, input: &Value, summaries: Vec<Value>) -> Reply {
    let start = match input["NextToken"].as_str() {
        None => 0,
        Some(token) => token.parse::<usize>().map_err(|_| AwsError::validation("Invalid NextToken"))?,
    };
    let max = input["MaxResults"].as_u64().map_or(10, |max| usize::try_from(max).unwrap_or(100));
    let end = start.saturating_add(max).min(summaries.len());
    let more = end < summaries.len();
    let page: Vec<Value> = summaries.into_iter().skip(start).take(max).collect();
    let mut answer = Map::from_iter([(member.to_owned(), Value::Array(page))]);
    if more {
        answer.insert("NextToken".to_owned(), json!(end.to_string()));
    }
    Ok(Value::Object(answer))
}

/// The members of a Create call that its Describe answers as they came.
pub fn echo(input: &Value, leave_out: &[&str]) -> Map<String, Value> {
    let members = input.as_object().into_iter().flatten();
    members
        .filter(|(name, value)| !leave_out.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
