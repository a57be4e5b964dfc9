//! CloudWatch: metrics, their statistics, and the alarms that watch them.
//!
//! [`metrics`] keeps the data points, [`query`] answers questions about them, [`alarm`] keeps alarms, [`judge`] is their verdict.
//! Timestamps and the periods of statistics are real. Alarms are evaluated `Settings::speedup` times faster than on AWS:
//! their period of 60 s takes a second where that is 60.

mod alarm;
mod judge;
mod metrics;
mod query;

use std::sync::{Arc, LazyLock};

use serde_json::Value;

use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::iam::Context;
use crate::shapes::Shapes;

pub(crate) use alarm::{Triggered, arn as alarm_arn, delete as delete_alarm, evaluate, put as put_alarm};
pub use metrics::{Metrics, Point, Series};

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| Shapes::read(include_str!("shapes.json")));

/// Answers one operation.
pub fn call(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    // The query protocol's name for it.
    SHAPES
        .validate(&call.operation, &call.input)
        .map_err(|error| AwsError::new(400, "ValidationError", error.message))?;
    match call.operation.as_str() {
        "PutMetricData" => query::put_metric_data(cloud, call),
        "GetMetricData" => query::get_metric_data(cloud, call),
        "GetMetricStatistics" => query::get_metric_statistics(cloud, call),
        "ListMetrics" => query::list_metrics(cloud, call),
        "PutMetricAlarm"
        | "DescribeAlarms"
        | "DescribeAlarmsForMetric"
        | "DescribeAlarmHistory"
        | "DeleteAlarms"
        | "SetAlarmState" => alarm::call(cloud, call),
        _ => Err(call.unsupported("CloudWatch")),
    }
}

/// Whether no alarm is left that somebody made.
pub fn is_empty(cloud: &Cloud) -> bool {
    cloud.store.list::<Value>(alarm::STORE).is_ok_and(|all| all.is_empty())
}

fn authorize(cloud: &Cloud, call: &Call, resource: &str, context: &Context) -> Result<(), AwsError> {
    cloud.authorize(&call.caller, &format!("cloudwatch:{}", call.operation), resource, context)
}

/// A member as text; empty where it is not there.
fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

fn items<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A time of the input, in milliseconds.
fn time_ms(value: &Value) -> Option<i64> {
    match value {
        // No date comes near 2^52 ms.
        #[allow(clippy::cast_possible_truncation)]
        Value::Number(seconds) => seconds.as_f64().map(|seconds| (seconds * 1000.0) as i64),
        Value::String(text) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
        _ => None,
    }
}

/// The metric that `Namespace`, `MetricName`, `Dimensions` and `Unit` name.
fn series(value: &Value) -> Series {
    let mut dimensions: Vec<(String, String)> = items(value, "Dimensions")
        .iter()
        .map(|each| (text(each, "Name").to_owned(), text(each, "Value").to_owned()))
        .collect();
    dimensions.sort();
    Series {
        namespace: text(value, "Namespace").to_owned(),
        name: text(value, "MetricName").to_owned(),
        dimensions,
        unit: text(value, "Unit").to_owned(),
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterValue", message)
}
