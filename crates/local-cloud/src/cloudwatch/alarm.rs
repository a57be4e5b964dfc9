//! Alarms: what is kept of them, the operations on them, and their evaluation at the end of each period.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::judge::{Rule, judge};
use super::query::seconds;
use super::{authorize, items, series, text};
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::iam::Context;

pub const STORE: &str = "cloudwatch.alarm";
/// Entries of an alarm's history; the oldest go.
const HISTORY: usize = 200;
const PAGE: usize = 50;

/// A metric alarm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alarm {
    /// As PutMetricAlarm got it.
    pub input: Value,
    pub state: State,
    reason: String,
    reason_data: Option<String>,
    configured_ms: i64,
    updated_ms: i64,
    transitioned_ms: i64,
    history: Vec<History>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    Ok,
    Alarm,
    InsufficientData,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct History {
    time_ms: i64,
    kind: String,
    summary: String,
    data: String,
}

/// An alarm that is in ALARM asks for an action: once a period as long as it lasts, as AWS does for scaling actions.
#[derive(Clone, Debug, PartialEq)]
pub struct Triggered {
    pub alarm: String,
    pub action: String,
    /// The newest data point.
    pub value: f64,
}

pub fn call(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let input = &call.input;
    let none = Context::new();
    match call.operation.as_str() {
        "PutMetricAlarm" => {
            let name = text(input, "AlarmName");
            authorize(cloud, call, &arn(cloud, name), &none)?;
            check(input)?;
            put(cloud, input.clone())?;
            Ok(json!({}))
        }
        "DeleteAlarms" => {
            let names: Vec<&str> = items(input, "AlarmNames").iter().filter_map(Value::as_str).collect();
            for name in &names {
                authorize(cloud, call, &arn(cloud, name), &none)?;
            }
            for name in &names {
                find(cloud, name)?;
            }
            names.iter().try_for_each(|name| delete(cloud, name))?;
            Ok(json!({}))
        }
        "SetAlarmState" => {
            let name = text(input, "AlarmName");
            authorize(cloud, call, &arn(cloud, name), &none)?;
            find(cloud, name)?;
            let state = State::deserialize(&input["StateValue"])
                .map_err(|error| AwsError::new(400, "ValidationError", error.to_string()))?;
            let data = input["StateReasonData"].as_str().map(str::to_owned);
            let reason = text(input, "StateReason").to_owned();
            cloud.store.update(STORE, name, |alarm: &mut Alarm| {
                alarm.enter(state, reason, data);
                Ok(())
            })?;
            Ok(json!({}))
        }
        "DescribeAlarmHistory" => {
            authorize(cloud, call, &arn(cloud, input["AlarmName"].as_str().unwrap_or("*")), &none)?;
            history(cloud, input)
        }
        "DescribeAlarmsForMetric" => {
            authorize(cloud, call, &arn(cloud, "*"), &none)?;
            let wanted = series(input);
            let all = cloud.store.list::<Alarm>(STORE)?.into_iter();
            let told = all.filter(|(_, alarm)| {
                let watched = series(&alarm.input);
                (&watched.namespace, &watched.name, &watched.dimensions)
                    == (&wanted.namespace, &wanted.name, &wanted.dimensions)
            });
            Ok(
                json!({"MetricAlarms": told.map(|(name, alarm)| alarm.describe(cloud, &name)).collect::<Vec<_>>()}),
            )
        }
        "DescribeAlarms" => {
            authorize(cloud, call, &arn(cloud, "*"), &none)?;
            describe(cloud, input)
        }
        _ => Err(call.unsupported("CloudWatch")),
    }
}

pub fn arn(cloud: &Cloud, name: &str) -> String {
    cloud.arn("cloudwatch", &format!("alarm:{name}"))
}

fn find(cloud: &Cloud, name: &str) -> Result<Alarm, AwsError> {
    let found = cloud.store.get(STORE, name)?;
    found.ok_or_else(|| AwsError::new(404, "ResourceNotFound", format!("Alarm {name} does not exist")))
}

/// What the local cloud's alarms can do.
fn check(input: &Value) -> Result<(), AwsError> {
    for member in
        ["Metrics", "ExtendedStatistic", "ThresholdMetricId", "EvaluationCriteria", "EvaluationInterval"]
    {
        if !input[member].is_null() {
            return Err(AwsError::unsupported("CloudWatch", &format!("{member} in PutMetricAlarm")));
        }
    }
    for member in ["OKActions", "AlarmActions", "InsufficientDataActions"] {
        if !items(input, member).is_empty() {
            return Err(AwsError::unsupported("CloudWatch", &format!("{member} in PutMetricAlarm")));
        }
    }
    for member in [
        "MetricName",
        "Namespace",
        "Statistic",
        "Period",
        "EvaluationPeriods",
        "ComparisonOperator",
        "Threshold",
    ] {
        if input[member].is_null() {
            let message = format!("The parameter {member} is required.");
            return Err(AwsError::new(400, "ValidationError", message));
        }
    }
    Rule::read(input).map(drop)
}

/// Makes or changes an alarm; one that is there keeps its state.
pub fn put(cloud: &Cloud, input: Value) -> Result<(), AwsError> {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let name = text(&input, "AlarmName").to_owned();
    let known: Option<Alarm> = cloud.store.get(STORE, &name)?;
    let what = if known.is_some() { "updated" } else { "created" };
    let mut alarm = known.unwrap_or_else(|| Alarm {
        input: Value::Null,
        state: State::InsufficientData,
        reason: "Unchecked: Initial alarm creation".to_owned(),
        reason_data: None,
        configured_ms: now_ms,
        updated_ms: now_ms,
        transitioned_ms: now_ms,
        history: Vec::new(),
    });
    alarm.note(
        "ConfigurationUpdate",
        format!("Alarm \"{name}\" {what}"),
        json!({"type": "Update", "version": "1.0"}),
    );
    alarm.input = input;
    alarm.configured_ms = now_ms;
    cloud.store.put(STORE, &name, &alarm)
}

/// An alarm that isn't there is as good.
pub fn delete(cloud: &Cloud, name: &str) -> Result<(), AwsError> {
    cloud.store.delete(STORE, name).map(drop)
}

impl Alarm {
    fn note(&mut self, kind: &str, summary: String, data: Value) {
        let time_ms = jiff::Timestamp::now().as_millisecond();
        self.history.push(History { time_ms, kind: kind.to_owned(), summary, data: data.to_string() });
        let over = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..over);
    }

    fn enter(&mut self, state: State, reason: String, data: Option<String>) {
        self.updated_ms = jiff::Timestamp::now().as_millisecond();
        if state != self.state {
            self.transitioned_ms = self.updated_ms;
            let (old, new) = (self.state.name(), state.name());
            let told = |state: &str, reason: &str| json!({"stateValue": state, "stateReason": reason});
            let data = json!({
                "version": "1.0", "oldState": told(old, &self.reason), "newState": told(new, &reason),
            });
            self.note("StateUpdate", format!("Alarm updated from {old} to {new}"), data);
        }
        (self.state, self.reason, self.reason_data) = (state, reason, data);
    }

    fn describe(&self, cloud: &Cloud, name: &str) -> Value {
        let members = self.input.as_object().into_iter().flatten();
        let mut told: Map<String, Value> = members
            .filter(|(member, value)| *member != "Tags" && !value.is_null())
            .map(|(member, value)| (member.clone(), value.clone()))
            .collect();
        for member in ["OKActions", "AlarmActions", "InsufficientDataActions", "Dimensions"] {
            told.entry(member).or_insert(json!([]));
        }
        told.entry("ActionsEnabled").or_insert(json!(true));
        let more = [
            ("AlarmArn", json!(arn(cloud, name))),
            ("AlarmConfigurationUpdatedTimestamp", seconds(self.configured_ms)),
            ("StateValue", json!(self.state.name())),
            ("StateReason", json!(self.reason)),
            ("StateUpdatedTimestamp", seconds(self.updated_ms)),
            ("StateTransitionedTimestamp", seconds(self.transitioned_ms)),
        ];
        told.extend(more.map(|(member, value)| (member.to_owned(), value)));
        if let Some(data) = &self.reason_data {
            told.insert("StateReasonData".to_owned(), json!(data));
        }
        Value::Object(told)
    }
}

fn describe(cloud: &Cloud, input: &Value) -> Reply {
    let names: Vec<&str> = items(input, "AlarmNames").iter().filter_map(Value::as_str).collect();
    let types = items(input, "AlarmTypes");
    if !types.is_empty() && !types.iter().any(|kind| kind == "MetricAlarm") {
        return Ok(json!({"MetricAlarms": [], "CompositeAlarms": []}));
    }
    let all: Vec<(String, Alarm)> = cloud.store.list(STORE)?;
    let told = all.into_iter().filter(|(name, alarm)| {
        (input["AlarmNames"].is_null() || names.contains(&name.as_str()))
            && name.starts_with(text(input, "AlarmNamePrefix"))
            && input["StateValue"].as_str().is_none_or(|state| state == alarm.state.name())
            && input["ActionPrefix"].as_str().is_none_or(|prefix| {
                let mut actions = items(&alarm.input, "AlarmActions").iter().filter_map(Value::as_str);
                actions.any(|action| action.starts_with(prefix))
            })
    });
    let told: Vec<Value> = told.map(|(name, alarm)| alarm.describe(cloud, &name)).collect();
    let mut answer = page("MetricAlarms", input, told)?;
    answer["CompositeAlarms"] = json!([]);
    Ok(answer)
}

fn history(cloud: &Cloud, input: &Value) -> Reply {
    let all: Vec<(String, Alarm)> = cloud.store.list(STORE)?;
    let (from, to) = (super::time_ms(&input["StartDate"]), super::time_ms(&input["EndDate"]));
    let is = |member: &str, value: &str| input[member].as_str().is_none_or(|asked| asked == value);
    let mut entries: Vec<(i64, Value)> = Vec::new();
    for (name, alarm) in all.iter().filter(|(name, _)| is("AlarmName", name)) {
        let asked = alarm.history.iter().filter(|entry| {
            is("HistoryItemType", &entry.kind)
                && from.is_none_or(|from| entry.time_ms >= from)
                && to.is_none_or(|to| entry.time_ms <= to)
        });
        entries.extend(asked.map(|entry| {
            let told = json!({
                "AlarmName": name, "AlarmType": "MetricAlarm", "Timestamp": seconds(entry.time_ms),
                "HistoryItemType": entry.kind, "HistorySummary": entry.summary, "HistoryData": entry.data,
            });
            (entry.time_ms, told)
        }));
    }
    entries.sort_by_key(|(time_ms, _)| *time_ms);
    if text(input, "ScanBy") != "TimestampAscending" {
        entries.reverse();
    }
    page("AlarmHistoryItems", input, entries.into_iter().map(|(_, entry)| entry).collect())
}

/// The token is the number of entries told so far.
fn page(member: &str, input: &Value, entries: Vec<Value>) -> Reply {
    let start = match input["NextToken"].as_str() {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| AwsError::new(400, "InvalidNextToken", "The next token specified is invalid."))?,
    };
    let max = input["MaxRecords"].as_u64().map_or(PAGE, |max| usize::try_from(max).unwrap_or(PAGE));
    let end = start.saturating_add(max).min(entries.len());
    let more = end < entries.len();
    let entries: Vec<Value> = entries.into_iter().skip(start).take(max).collect();
    let mut answer = json!({member: entries});
    if more {
        answer["NextToken"] = json!(end.to_string());
    }
    Ok(answer)
}

/// Evaluates all alarms over the periods that have ended by `end_ms`; says which ask for actions.
pub fn evaluate(cloud: &Cloud, end_ms: i64) -> Result<Vec<Triggered>, AwsError> {
    let mut triggered = Vec::new();
    for (name, alarm) in cloud.store.list::<Alarm>(STORE)? {
        let rule = Rule::read(&alarm.input)?;
        let period = cloud.settings.faster_ms(rule.period * 1000);
        let end = end_ms - end_ms.rem_euclid(period);
        let start = end - i64::from(rule.periods) * period;
        let watched = series(&alarm.input);
        let points = cloud.metrics.periods(&watched, start, end, period)?;
        let values: Vec<Option<f64>> = (0..i64::from(rule.periods))
            .map(|i| points.get(&(start + i * period)).and_then(|point| point.statistic(&rule.statistic)))
            .collect();
        let verdict = judge(&rule, &values, alarm.state);
        if verdict.state != alarm.state {
            let data = json!({
                "version": "1.0", "queryDate": jiff::Timestamp::now().to_string(), "statistic": rule.statistic,
                "period": rule.period, "recentDatapoints": values.iter().flatten().collect::<Vec<_>>(),
                "threshold": rule.threshold,
            });
            // Deleted in between, it is left alone.
            cloud.store.update(STORE, &name, |alarm: &mut Alarm| {
                alarm.enter(verdict.state, verdict.reason, Some(data.to_string()));
                Ok(())
            })?;
        }
        let newest = values.iter().rev().find_map(|value| *value);
        if verdict.state == State::Alarm
            && alarm.input["ActionsEnabled"] != false
            && let Some(value) = newest
        {
            let actions = items(&alarm.input, "AlarmActions").iter().filter_map(Value::as_str);
            triggered.extend(actions.map(|action| Triggered {
                alarm: name.clone(),
                action: action.to_owned(),
                value,
            }));
        }
    }
    Ok(triggered)
}
