//! The operations on alarms.

use serde::Deserialize;
use serde_json::{Value, json};

use super::alarm::{Alarm, STORE};
use super::error::{invalid_token, validation};
use super::judge::{Rule, State};
use super::series::Series;
use super::service::{CloudWatch, Request};
use crate::authority::Access;
use crate::call::{AwsError, Reply};
use crate::support::clock::{milliseconds, seconds};
use crate::support::page;
use crate::support::value::texts;

/// The number of alarms, or of entries of their history, on a page without MaxRecords, and the highest with it.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 100;

/// Returns the operation's action on the alarm that the request names, or on all alarms if it names none.
pub fn on_alarm(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    let name = request.optional("AlarmName").unwrap_or("*");
    Ok(vec![request.on(request.service.arn_of_alarm(name))])
}

/// Returns the operation's action on each alarm that the request names.
pub fn on_alarms(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    let names = request.texts("AlarmNames");
    if names.is_empty() {
        return on_all_alarms(request);
    }
    Ok(names.into_iter().map(|name| request.on(request.service.arn_of_alarm(name))).collect())
}

/// Returns the operation's action on all alarms.
pub fn on_all_alarms(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.service.arn_of_alarm("*"))])
}

pub fn put(request: &Request<'_>) -> Reply {
    check(request)?;
    request.service.store_alarm(request.input().clone())?;
    Ok(json!({}))
}

/// Refuses settings that the local cloud's alarms don't support.
fn check(request: &Request<'_>) -> Result<(), AwsError> {
    for member in ["Metrics", "ThresholdMetricId", "EvaluationCriteria", "EvaluationInterval"] {
        if !request.input()[member].is_null() {
            return Err(request.unsupported(&format!("{member} in PutMetricAlarm")));
        }
    }
    match request.optional("EvaluateLowSampleCountPercentile") {
        None | Some("evaluate") => {}
        Some("ignore") => {
            return Err(request.unsupported("EvaluateLowSampleCountPercentile ignore in PutMetricAlarm"));
        }
        Some(other) => {
            return Err(validation(format!(
                "Option {other} is not supported. Supported options for parameter EvaluateLowSampleCountPercentile are \
                 evaluate and ignore."
            )));
        }
    }
    // Only Application Auto Scaling acts here, and only on ALARM.
    let is_policy =
        |action: &&str| action.starts_with("arn:aws:autoscaling:") && action.contains(":scalingPolicy:");
    if let Some(other) = request.texts("AlarmActions").into_iter().find(|action| !is_policy(action)) {
        return Err(request.unsupported(&format!("the alarm action {other} in PutMetricAlarm")));
    }
    for member in ["OKActions", "InsufficientDataActions"] {
        if !request.items(member).is_empty() {
            return Err(request.unsupported(&format!("{member} in PutMetricAlarm")));
        }
    }
    let input = request.input();
    if input["Statistic"].is_null() == input["ExtendedStatistic"].is_null() {
        return Err(validation("Exactly one of Statistic and ExtendedStatistic must be specified."));
    }
    for member in
        ["MetricName", "Namespace", "Period", "EvaluationPeriods", "ComparisonOperator", "Threshold"]
    {
        if request.input()[member].is_null() {
            return Err(validation(format!("The parameter {member} is required.")));
        }
    }
    Rule::read(request.input()).map(drop)
}

pub fn delete(request: &Request<'_>) -> Reply {
    let names = request.texts("AlarmNames");
    names.iter().try_for_each(|name| check_exists(request.service, name))?;
    names.iter().try_for_each(|name| request.service.cloud.store.delete(STORE, name).map(drop))?;
    Ok(json!({}))
}

fn check_exists(service: &CloudWatch, name: &str) -> Result<(), AwsError> {
    let found: Option<Alarm> = service.cloud.store.get(STORE, name)?;
    found.map(drop).ok_or_else(|| no_alarm(name))
}

fn no_alarm(name: &str) -> AwsError {
    AwsError::new(404, "ResourceNotFound", format!("Alarm {name} does not exist"))
}

pub fn set_state(request: &Request<'_>) -> Reply {
    let name = request.text("AlarmName");
    let state =
        State::deserialize(&request.input()["StateValue"]).map_err(|error| validation(error.to_string()))?;
    let data = request.optional("StateReasonData").map(str::to_owned);
    let reason = request.text("StateReason").to_owned();
    let changed = request.service.cloud.store.update(STORE, name, |alarm: &mut Alarm| {
        alarm.enter(state, reason, data);
        Ok(())
    })?;
    changed.map(|()| json!({})).ok_or_else(|| no_alarm(name))
}

pub fn describe(request: &Request<'_>) -> Reply {
    let types = request.texts("AlarmTypes");
    if !types.is_empty() && !types.contains(&"MetricAlarm") {
        return Ok(json!({"MetricAlarms": [], "CompositeAlarms": []}));
    }
    let names = request.input()["AlarmNames"].as_array().map(|_| request.texts("AlarmNames"));
    let alarms = request.service.alarms()?.into_iter().filter(|(name, alarm)| {
        names.as_ref().is_none_or(|names| names.contains(&name.as_str()))
            && name.starts_with(request.text("AlarmNamePrefix"))
            && request.optional("StateValue").is_none_or(|state| state == alarm.state.name())
            && request.optional("ActionPrefix").is_none_or(|prefix| {
                texts(&alarm.input, "AlarmActions").iter().any(|action| action.starts_with(prefix))
            })
    });
    let described = alarms.map(|(name, alarm)| alarm.describe(request.service.arn_of_alarm(&name)));
    let mut answer = page(request, "MetricAlarms", described.collect())?;
    answer["CompositeAlarms"] = json!([]);
    Ok(answer)
}

pub fn describe_for_metric(request: &Request<'_>) -> Reply {
    let wanted = Series::read(request.input());
    let alarms = request.service.alarms()?.into_iter();
    let watching = alarms.filter(|(_, alarm)| Series::read(&alarm.input).is_same_metric(&wanted));
    let described = watching.map(|(name, alarm)| alarm.describe(request.service.arn_of_alarm(&name)));
    Ok(json!({"MetricAlarms": described.collect::<Vec<_>>()}))
}

pub fn describe_history(request: &Request<'_>) -> Reply {
    let input = request.input();
    let (from, to) = (milliseconds(&input["StartDate"]), milliseconds(&input["EndDate"]));
    let is = |member: &str, value: &str| request.optional(member).is_none_or(|asked| asked == value);
    let mut entries: Vec<(i64, Value)> = Vec::new();
    for (name, alarm) in request.service.alarms()?.iter().filter(|(name, _)| is("AlarmName", name)) {
        let asked = alarm.history.iter().filter(|entry| {
            is("HistoryItemType", &entry.kind)
                && from.is_none_or(|from| entry.time_ms >= from)
                && to.is_none_or(|to| entry.time_ms <= to)
        });
        entries.extend(asked.map(|entry| {
            let described = json!({
                "AlarmName": name, "AlarmType": "MetricAlarm", "Timestamp": seconds(entry.time_ms),
                "HistoryItemType": entry.kind, "HistorySummary": entry.summary, "HistoryData": entry.data,
            });
            (entry.time_ms, described)
        }));
    }
    entries.sort_by_key(|(time_ms, _)| *time_ms);
    if request.text("ScanBy") != "TimestampAscending" {
        entries.reverse();
    }
    page(request, "AlarmHistoryItems", entries.into_iter().map(|(_, entry)| entry).collect())
}

fn page(request: &Request<'_>, list: &str, entries: Vec<Value>) -> Reply {
    let size = page::size(&request.input()["MaxRecords"], PAGE, LARGEST_PAGE);
    let page = page::page(entries, request.optional("NextToken"), size);
    Ok(page.ok_or_else(invalid_token)?.answer(list, "NextToken"))
}
