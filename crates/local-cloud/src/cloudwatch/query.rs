//! PutMetricData and the questions about metrics: GetMetricData, GetMetricStatistics, ListMetrics.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Point, Series, authorize, invalid, items, series, text, time_ms};
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::iam::Context;

/// AWS's limit to the data points of one GetMetricStatistics.
const MOST_POINTS: i64 = 1440;
/// AWS's limit to those of one GetMetricData.
const MOST_DATA: usize = 100_800;
const PAGE: usize = 500;
/// Seconds; besides these, all multiples of a minute.
const FINE: [i64; 5] = [1, 5, 10, 20, 30];

pub fn put_metric_data(cloud: &Cloud, call: &Call) -> Reply {
    let namespace = text(&call.input, "Namespace");
    authorize(cloud, call, "*", &Context::new().with("cloudwatch:namespace", namespace))?;
    if namespace.starts_with("AWS/") {
        return Err(invalid("The value AWS/ for parameter Namespace is invalid."));
    }
    if call.input.get("EntityMetricData").is_some_and(|value| !value.is_null()) {
        return Err(AwsError::unsupported("CloudWatch", "EntityMetricData in PutMetricData"));
    }
    let now = jiff::Timestamp::now().as_millisecond();
    let mut put = Vec::new();
    for (at, datum) in items(&call.input, "MetricData").iter().enumerate() {
        let at = format!("MetricData.member.{}", at + 1);
        let mut named = series(datum);
        namespace.clone_into(&mut named.namespace);
        if named.unit.is_empty() {
            "None".clone_into(&mut named.unit);
        }
        let time = time_ms(&datum["Timestamp"]).unwrap_or(now);
        for point in points(datum, &at)? {
            put.push((named.clone(), time, point));
        }
    }
    for (series, time, point) in put {
        cloud.metrics.add(series, time, point);
    }
    Ok(json!({}))
}

/// What a datum says, in one of its three ways.
fn points(datum: &Value, at: &str) -> Result<Vec<Point>, AwsError> {
    let number = |value: &Value, name: &str| {
        let found = value[name].as_f64();
        found.ok_or_else(|| invalid(format!("The parameter {at}.{name} must be a number.")))
    };
    if !datum["Value"].is_null() {
        return Ok(vec![Point::of(number(datum, "Value")?)]);
    }
    let set = &datum["StatisticValues"];
    if !set.is_null() {
        let point = Point {
            count: number(set, "SampleCount")?,
            sum: number(set, "Sum")?,
            min: number(set, "Minimum")?,
            max: number(set, "Maximum")?,
        };
        if point.count <= 0.0 {
            return Err(invalid(format!("The parameter {at}.StatisticValues.SampleCount must be positive.")));
        }
        return Ok(vec![point]);
    }
    let (values, counts) = (items(datum, "Values"), items(datum, "Counts"));
    if values.is_empty() || (!counts.is_empty() && counts.len() != values.len()) {
        return Err(AwsError::new(
            400,
            "MissingParameter",
            format!(
                "At least one of the parameters {at}.Value, {at}.StatisticValues and {at}.Values must be specified, \
                     and {at}.Counts must be as long as {at}.Values."
            ),
        ));
    }
    let each = values.iter().enumerate().map(|(i, value)| {
        let value =
            value.as_f64().ok_or_else(|| invalid(format!("The parameter {at}.Values must be numbers.")))?;
        let count = counts.get(i).map_or(Some(1.0), Value::as_f64).filter(|count| *count > 0.0);
        let count = count.ok_or_else(|| invalid(format!("The parameter {at}.Counts must be positive.")))?;
        Ok(Point { count, sum: value * count, min: value, max: value })
    });
    each.collect()
}

pub fn list_metrics(cloud: &Cloud, call: &Call) -> Reply {
    authorize(cloud, call, "*", &Context::new())?;
    let input = &call.input;
    let wanted: Vec<(&str, Option<&str>)> =
        items(input, "Dimensions").iter().map(|each| (text(each, "Name"), each["Value"].as_str())).collect();
    let is_asked = |member: &str, value: &str| input[member].as_str().is_none_or(|asked| asked == value);
    let metrics = cloud.metrics.list()?.into_iter().filter(|metric| {
        is_asked("Namespace", &metric.namespace)
            && is_asked("MetricName", &metric.name)
            && wanted.iter().all(|(name, value)| {
                metric.dimensions.iter().any(|(n, v)| n == name && value.is_none_or(|value| value == v))
            })
    });
    let told: Vec<Value> = metrics.map(|metric| describe(&metric)).collect();
    let start = match input["NextToken"].as_str() {
        None => 0,
        Some(token) => {
            token.parse().map_err(|_| AwsError::new(400, "InvalidParameterValue", "Invalid NextToken"))?
        }
    };
    let mut answer = json!({"Metrics": told.iter().skip(start).take(PAGE).collect::<Vec<_>>()});
    if told.len() > start.saturating_add(PAGE) {
        answer["NextToken"] = json!((start + PAGE).to_string());
    }
    Ok(answer)
}

fn describe(metric: &Series) -> Value {
    let dimensions: Vec<Value> =
        metric.dimensions.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
    json!({"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions})
}

/// Start, end and period, in milliseconds; the start lies at a period's.
struct Range {
    from: i64,
    to: i64,
    period: i64,
}

impl Range {
    fn read(input: &Value, period: &Value) -> Result<Self, AwsError> {
        let seconds = period.as_i64().unwrap_or_default();
        if !FINE.contains(&seconds) && (seconds < 60 || seconds % 60 != 0) {
            return Err(invalid(format!(
                "The value {seconds} for parameter Period is invalid. It must be 1, 5, 10, 20, 30 or a multiple of 60."
            )));
        }
        let (from, to) = (time_ms(&input["StartTime"]), time_ms(&input["EndTime"]));
        let (Some(from), Some(to)) = (from, to) else {
            return Err(invalid("The parameters StartTime and EndTime must be timestamps."));
        };
        if from >= to {
            return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
        }
        let period = seconds.saturating_mul(1000);
        Ok(Self { from: from - from.rem_euclid(period), to, period })
    }

    fn points(&self, cloud: &Cloud, series: &Series) -> Result<BTreeMap<i64, Point>, AwsError> {
        cloud.metrics.periods(series, self.from, self.to, self.period)
    }
}

fn check_statistic(name: &str) -> Result<(), AwsError> {
    match Point::of(0.0).statistic(name) {
        Some(_) => Ok(()),
        None => Err(AwsError::unsupported("CloudWatch", &format!("the statistic {name}"))),
    }
}

pub fn get_metric_statistics(cloud: &Cloud, call: &Call) -> Reply {
    authorize(cloud, call, "*", &Context::new())?;
    let input = &call.input;
    let range = Range::read(input, &input["Period"])?;
    if let Some(extended) = items(input, "ExtendedStatistics").first() {
        check_statistic(extended.as_str().unwrap_or_default())?;
    }
    let statistics: Vec<&str> = items(input, "Statistics").iter().filter_map(Value::as_str).collect();
    if statistics.is_empty() {
        return Err(AwsError::new(
            400,
            "InvalidParameterCombination",
            "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
        ));
    }
    let asked = (range.to - range.from) / range.period;
    if asked > MOST_POINTS {
        return Err(AwsError::new(
            400,
            "InvalidParameterCombination",
            format!(
                "You have requested up to {asked} datapoints, which exceeds the limit of 1,440. You may reduce the \
                 datapoints requested by increasing Period, or decreasing the time range."
            ),
        ));
    }
    let series = series(input);
    let unit = if series.unit.is_empty() { unit_of(cloud, &series)? } else { series.unit.clone() };
    let points = range.points(cloud, &series)?.into_iter().map(|(time, point)| {
        let mut told = Map::new();
        told.insert("Timestamp".to_owned(), seconds(time));
        for name in &statistics {
            told.insert((*name).to_owned(), json!(point.statistic(name)));
        }
        told.insert("Unit".to_owned(), json!(unit));
        Value::Object(told)
    });
    Ok(json!({"Label": series.name, "Datapoints": points.collect::<Vec<_>>()}))
}

/// The unit that a metric is put in; `None` where it has several, or no data.
fn unit_of(cloud: &Cloud, series: &Series) -> Result<String, AwsError> {
    let units = cloud.metrics.units(series)?;
    Ok(match units.as_slice() {
        [unit] => unit.clone(),
        _ => "None".to_owned(),
    })
}

pub fn get_metric_data(cloud: &Cloud, call: &Call) -> Reply {
    authorize(cloud, call, "*", &Context::new())?;
    let input = &call.input;
    if !input["NextToken"].is_null() {
        return Err(AwsError::new(400, "InvalidNextToken", "The next token specified is invalid."));
    }
    let ascending = text(input, "ScanBy") == "TimestampAscending";
    let most =
        input["MaxDatapoints"].as_u64().map_or(MOST_DATA, |most| usize::try_from(most).unwrap_or(MOST_DATA));
    let (mut left, mut results) = (most, Vec::new());
    for query in items(input, "MetricDataQueries") {
        if !query["Expression"].is_null() {
            return Err(AwsError::unsupported("CloudWatch", "Expression in GetMetricData"));
        }
        if query["ReturnData"] == false {
            continue;
        }
        let stat = &query["MetricStat"];
        let series = Series { unit: text(stat, "Unit").to_owned(), ..series(&stat["Metric"]) };
        let name = text(stat, "Stat");
        check_statistic(name)?;
        let range = Range::read(input, &stat["Period"])
            .map_err(|error| AwsError::new(400, "ValidationError", error.message))?;
        let mut points: Vec<(i64, Point)> = range.points(cloud, &series)?.into_iter().collect();
        if !ascending {
            points.reverse();
        }
        // Whoever asks for fewer gets the first ones in the order that he asked for, and no more.
        let status = if points.len() > left { "PartialData" } else { "Complete" };
        points.truncate(left);
        left -= points.len();
        results.push(json!({
            "Id": query["Id"],
            "Label": query["Label"].as_str().unwrap_or(&series.name),
            "Timestamps": points.iter().map(|(time, _)| seconds(*time)).collect::<Vec<_>>(),
            "Values": points.iter().filter_map(|(_, point)| point.statistic(name)).collect::<Vec<_>>(),
            "StatusCode": status,
        }));
    }
    Ok(json!({"MetricDataResults": results, "Messages": []}))
}

/// As awsJson tells times.
pub fn seconds(ms: i64) -> Value {
    // No date comes near 2^52 ms.
    #[allow(clippy::cast_precision_loss)]
    let seconds = ms as f64 / 1000.0;
    json!(seconds)
}
