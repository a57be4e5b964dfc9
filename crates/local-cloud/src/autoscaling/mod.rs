//! Application Auto Scaling for SageMaker's endpoint variants: it changes their number of instances by target tracking.
//!
//! ```text
//! InvokeEndpoint ─ metrics ─ alarms (cloudwatch) ─ [control] ─ [track] decides ─ [activity] ─ the endpoint's capacity
//! ```
//!
//! [`target`] keeps scalable targets, [`policy`] scaling policies and their alarms. The control loop runs
//! `Settings::speedup` times faster than on AWS: metric periods and cooldowns take that much less time, and every scaling
//! activity says so. Timestamps are real.

mod activity;
mod control;
mod policy;
mod target;
mod track;

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::shapes::Shapes;
use target::Key;

pub use control::{Control, start, stop};
pub use target::{deregister_all, is_target, may_deregister};

const SERVICE: &str = "sagemaker";
const DIMENSION: &str = "sagemaker:variant:DesiredInstanceCount";
const PAGE: usize = 50;

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| Shapes::read(include_str!("shapes.json")));

/// Answers one operation.
pub fn call(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    SHAPES.validate(&call.operation, &call.input)?;
    match call.operation.as_str() {
        "RegisterScalableTarget" => target::register(cloud, call),
        "DescribeScalableTargets" => target::describe(cloud, call),
        "DeregisterScalableTarget" => target::deregister(cloud, call),
        "ListTagsForResource" | "TagResource" | "UntagResource" => target::tags(cloud, call),
        "PutScalingPolicy" => policy::put(cloud, call),
        "DescribeScalingPolicies" => policy::describe(cloud, call),
        "DeleteScalingPolicy" => policy::delete(cloud, call),
        "DescribeScalingActivities" => activity::describe(cloud, call),
        _ => Err(call.unsupported("Application Auto Scaling")),
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// Refuses other services and dimensions than those that can be scaled here.
fn check_service(input: &Value) -> Result<(), AwsError> {
    let service = text(input, "ServiceNamespace");
    if service != SERVICE {
        let what = format!("the service namespace {service}");
        return Err(AwsError::unsupported("Application Auto Scaling", &what));
    }
    match input["ScalableDimension"].as_str() {
        None | Some(DIMENSION) => Ok(()),
        Some(other) if other.starts_with("sagemaker:") => {
            let what = format!("the scalable dimension {other}");
            Err(AwsError::unsupported("Application Auto Scaling", &what))
        }
        Some(_) => Err(AwsError::validation(UNSUPPORTED)),
    }
}

const UNSUPPORTED: &str = "Unsupported service namespace, resource type or scalable dimension";

/// The variant that an operation names.
fn key(input: &Value) -> Result<Key, AwsError> {
    check_service(input)?;
    Key::parse(text(input, "ResourceId")).ok_or_else(|| AwsError::validation(UNSUPPORTED))
}

/// The three members that name a target in every answer.
fn named(resource: &str) -> Value {
    json!({"ServiceNamespace": SERVICE, "ResourceId": resource, "ScalableDimension": DIMENSION})
}

fn authorize(cloud: &Cloud, call: &Call, resource: &str) -> Result<(), AwsError> {
    let action = format!("application-autoscaling:{}", call.operation);
    cloud.authorize(&call.caller, &action, resource, &crate::iam::Context::new())
}

/// A part of a listing. The token is the number of entries told so far.
fn page(member: &str, input: &Value, entries: Vec<Value>) -> Reply {
    let start = match input["NextToken"].as_str() {
        None => 0,
        Some(token) => token.parse::<usize>().map_err(|_| {
            AwsError::new(400, "InvalidNextTokenException", "The next token supplied is invalid.")
        })?,
    };
    let max = input["MaxResults"].as_u64().map_or(PAGE, |max| usize::try_from(max).unwrap_or(PAGE).min(PAGE));
    let end = start.saturating_add(max).min(entries.len());
    let more = end < entries.len();
    let entries: Vec<Value> = entries.into_iter().skip(start).take(max).collect();
    let mut answer = json!({member: entries});
    if more {
        answer["NextToken"] = json!(end.to_string());
    }
    Ok(answer)
}

/// A random UUID.
fn uuid() -> String {
    let hex = hex::encode(rand::random::<[u8; 16]>());
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// As awsJson tells times.
fn seconds(ms: i64) -> Value {
    // No date comes near 2^52 ms.
    #[allow(clippy::cast_precision_loss)]
    let seconds = ms as f64 / 1000.0;
    json!(seconds)
}
