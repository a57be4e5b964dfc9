//! PutMetricData, and the operations that read metrics: GetMetricData, GetMetricStatistics, ListMetrics.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::{invalid, invalid_combination, invalid_token, validation};
use super::math::{Expression, Values};
use super::metrics::Metrics;
use super::series::{Point, Series};
use super::service::Request;
use super::statistic::Statistic;
use crate::authority::Access;
use crate::call::{AwsError, Reply};
use crate::policy::Context;
use crate::support::clock::{milliseconds, now_ms, seconds};
use crate::support::page;
use crate::support::value::{items, text};

/// AWS's limit for the data points in an answer to GetMetricStatistics.
const MOST_POINTS: i64 = 1440;
/// AWS's limit for those in an answer to GetMetricData.
const MOST_DATA: usize = 100_800;
const PAGE: usize = 500;
/// The periods of less than a minute that AWS allows, in seconds.
const FINE: [i64; 5] = [1, 5, 10, 20, 30];

/// Returns the access that PutMetricData needs. It has no resource, but a condition key for the namespace.
pub fn on_namespace(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    let context = Context::new().with("cloudwatch:namespace", request.text("Namespace"));
    Ok(vec![request.on_with("*", context)])
}

pub fn put_metric_data(request: &Request<'_>) -> Reply {
    let namespace = request.text("Namespace");
    if namespace.starts_with("AWS/") {
        return Err(invalid("The value AWS/ for parameter Namespace is invalid."));
    }
    if request.input().get("EntityMetricData").is_some_and(|value| !value.is_null()) {
        return Err(request.unsupported("EntityMetricData in PutMetricData"));
    }
    let now = now_ms();
    let mut put = Vec::new();
    for (at, datum) in request.items("MetricData").iter().enumerate() {
        let at = format!("MetricData.member.{}", at + 1);
        let mut series = Series { namespace: namespace.to_owned(), ..Series::read(datum) };
        if series.unit.is_empty() {
            "None".clone_into(&mut series.unit);
        }
        let time = milliseconds(&datum["Timestamp"]).unwrap_or(now);
        for point in points(datum, &at)? {
            put.push((series.clone(), time, point));
        }
    }
    for (series, time, point) in put {
        request.service.metrics.add(series, time, point);
    }
    Ok(json!({}))
}

/// Reads the values of a datum, which may be given in three ways.
fn points(datum: &Value, at: &str) -> Result<Vec<Point>, AwsError> {
    let number = |value: &Value, name: &str| {
        let found = value[name].as_f64();
        found.ok_or_else(|| invalid(format!("The parameter {at}.{name} must be a number.")))
    };
    for other in ["StatisticValues", "Values"] {
        if !datum["Value"].is_null() && !datum[other].is_null() {
            let message = format!(
                "The parameters {at}.Value and {at}.{other} are mutually exclusive and you have specified both."
            );
            return Err(if other == "Values" { invalid(message) } else { invalid_combination(message) });
        }
    }
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
    if values.is_empty() {
        return Err(AwsError::new(
            400,
            "MissingParameter",
            format!(
                "At least one of the parameters {at}.Value, {at}.StatisticValues and {at}.Values must be specified."
            ),
        ));
    }
    if !counts.is_empty() && counts.len() != values.len() {
        return Err(invalid(format!("The parameters {at}.Values and {at}.Counts must be of the same size.")));
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

pub fn list_metrics(request: &Request<'_>) -> Reply {
    let wanted: Vec<(&str, Option<&str>)> =
        request.items("Dimensions").iter().map(|each| (text(each, "Name"), each["Value"].as_str())).collect();
    let is_asked = |member: &str, value: &str| request.optional(member).is_none_or(|asked| asked == value);
    let metrics = request.service.metrics.list()?.into_iter().filter(|metric| {
        is_asked("Namespace", &metric.namespace)
            && is_asked("MetricName", &metric.name)
            && wanted.iter().all(|(name, value)| {
                metric.dimensions.iter().any(|(n, v)| n == name && value.is_none_or(|value| value == v))
            })
    });
    let described = metrics.map(|metric| metric.describe()).collect();
    let page = page::page(described, request.optional("NextToken"), PAGE);
    Ok(page.ok_or_else(|| invalid("Request parameter NextToken is invalid"))?.answer("Metrics", "NextToken"))
}

/// Start, end and period in milliseconds; the start is a multiple of the period.
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
        let (from, to) = (milliseconds(&input["StartTime"]), milliseconds(&input["EndTime"]));
        let (Some(from), Some(to)) = (from, to) else {
            return Err(invalid("The parameters StartTime and EndTime must be timestamps."));
        };
        if from >= to {
            return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
        }
        let period = seconds.saturating_mul(1000);
        Ok(Self { from: from - from.rem_euclid(period), to, period })
    }

    fn points(&self, metrics: &Metrics, series: &Series) -> Result<BTreeMap<i64, Point>, AwsError> {
        metrics.periods(series, self.from, self.to, self.period)
    }

    fn statistic(
        &self,
        metrics: &Metrics,
        series: &Series,
        statistic: &Statistic,
    ) -> Result<BTreeMap<i64, f64>, AwsError> {
        metrics.statistic(statistic, series, self.from, self.to, self.period)
    }
}

pub fn get_metric_statistics(request: &Request<'_>) -> Reply {
    let metrics = &request.service.metrics;
    let range = Range::read(request.input(), &request.input()["Period"])?;
    let (statistics, extended) = (request.texts("Statistics"), request.texts("ExtendedStatistics"));
    if statistics.is_empty() && extended.is_empty() {
        return Err(invalid_combination("Must specify either Statistics or ExtendedStatistics"));
    }
    let asked = (range.to - range.from) / range.period;
    if asked > MOST_POINTS {
        return Err(invalid_combination(format!(
            "You have requested up to {asked} datapoints, which exceeds the limit of 1,440. You may reduce the \
             datapoints requested by increasing Period, or decreasing the time range."
        )));
    }
    let series = Series::read(request.input());
    let unit = if series.unit.is_empty() { unit_of(metrics, &series)? } else { series.unit.clone() };
    let mut values = Vec::new();
    for name in extended {
        match Statistic::parse(name, "ExtendedStatistics")? {
            Statistic::OfSet(_) => {
                return Err(invalid(format!(
                    "The value {name} for parameter ExtendedStatistics is not supported."
                )));
            }
            statistic => values.push((name, range.statistic(metrics, &series, &statistic)?)),
        }
    }
    let points = range.points(metrics, &series)?.into_iter().map(|(time, point)| {
        let mut datapoint = json!({"Timestamp": seconds(time), "Unit": unit});
        for name in &statistics {
            datapoint[*name] = json!(point.statistic(name));
        }
        for (name, values) in &values {
            if let Some(value) = values.get(&time) {
                datapoint["ExtendedStatistics"][*name] = json!(value);
            }
        }
        datapoint
    });
    Ok(json!({"Label": series.name, "Datapoints": points.collect::<Vec<_>>()}))
}

/// Returns the unit in which a metric was put. AWS's `None`: it was put in several, or it has no data.
fn unit_of(metrics: &Metrics, series: &Series) -> Result<String, AwsError> {
    let units = metrics.units(series)?;
    Ok(match units.as_slice() {
        [unit] => unit.clone(),
        _ => "None".to_owned(),
    })
}

pub fn get_metric_data(request: &Request<'_>) -> Reply {
    let input = request.input();
    if !input["NextToken"].is_null() {
        return Err(invalid_token());
    }
    check_times(input)?;
    let queries = request.items("MetricDataQueries");
    let ascending = request.text("ScanBy") == "TimestampAscending";
    let mut left = page::size(&input["MaxDatapoints"], MOST_DATA, MOST_DATA);
    let mut known: BTreeMap<String, Values> = BTreeMap::new();
    for (at, query) in queries.iter().enumerate().filter(|(_, query)| query["Expression"].is_null()) {
        known.insert(text(query, "Id").to_owned(), measured(request, query, at + 1)?);
    }
    calculate(queries, &mut known)?;
    let mut results = Vec::new();
    for query in queries.iter().filter(|query| query["ReturnData"] != false) {
        let id = text(query, "Id");
        let mut points: Vec<(i64, f64)> =
            known.get(id).into_iter().flatten().map(|(at, value)| (*at, *value)).collect();
        if !ascending {
            points.reverse();
        }
        // A caller who limits the number gets the first points in the requested order, and no second page.
        let status = if points.len() > left { "PartialData" } else { "Complete" };
        points.truncate(left);
        left -= points.len();
        let named = query["MetricStat"]["Metric"]["MetricName"].as_str().unwrap_or(id);
        results.push(json!({
            "Id": id,
            "Label": query["Label"].as_str().unwrap_or(named),
            "Timestamps": points.iter().map(|(time, _)| seconds(*time)).collect::<Vec<_>>(),
            "Values": points.iter().map(|(_, value)| value).collect::<Vec<_>>(),
            "StatusCode": status,
        }));
    }
    Ok(json!({"MetricDataResults": results, "Messages": []}))
}

/// Checks the times of GetMetricData, which it compares by the second.
fn check_times(input: &Value) -> Result<(), AwsError> {
    let second = |member: &str| milliseconds(&input[member]).map(|ms| ms.div_euclid(1000));
    match (second("StartTime"), second("EndTime")) {
        (Some(from), Some(to)) if from == to => {
            Err(validation("The parameter StartTime must not equal parameter EndTime."))
        }
        (Some(from), Some(to)) if from > to => {
            Err(validation("The parameter EndTime must be greater than StartTime."))
        }
        _ => Ok(()),
    }
}

/// Returns the values of a query that names a metric. `at` is its place in the request.
fn measured(request: &Request<'_>, query: &Value, at: usize) -> Result<Values, AwsError> {
    let stat = &query["MetricStat"];
    if stat.is_null() {
        let message = format!("The parameter MetricDataQueries.member.{at}.MetricStat is required.\n");
        return Err(validation(message));
    }
    let series = Series { unit: text(stat, "Unit").to_owned(), ..Series::read(&stat["Metric"]) };
    let worded = |error: AwsError| validation(error.message);
    let parameter = format!("MetricDataQueries.member.{at}.MetricStat.Stat");
    let statistic = Statistic::parse(text(stat, "Stat"), &parameter).map_err(worded)?;
    let range = Range::read(request.input(), &stat["Period"]).map_err(worded)?;
    range.statistic(&request.service.metrics, &series, &statistic)
}

/// Adds the values of the expressions, each after those that it names.
fn calculate(queries: &[Value], known: &mut BTreeMap<String, Values>) -> Result<(), AwsError> {
    let mut left: Vec<(&str, Expression)> = Vec::new();
    for query in queries.iter().filter(|query| !query["Expression"].is_null()) {
        left.push((text(query, "Id"), Expression::parse(text(query, "Expression"))?));
    }
    while !left.is_empty() {
        let ready = |(_, expression): &(&str, Expression)| {
            expression.names().iter().all(|name| known.contains_key(*name))
        };
        let Some(at) = left.iter().position(ready) else {
            let ids: Vec<&str> = left.iter().map(|(id, _)| *id).collect();
            let message =
                format!("The expressions {} name what the request lacks, or each other.", ids.join(", "));
            return Err(validation(message));
        };
        let (id, expression) = left.remove(at);
        let values = expression.values(known)?;
        known.insert(id.to_owned(), values);
    }
    Ok(())
}
