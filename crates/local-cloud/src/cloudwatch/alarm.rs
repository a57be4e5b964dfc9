//! An alarm and its history, as they are stored.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::judge::State;
use super::service::CloudWatch;
use crate::call::AwsError;
use crate::support::clock::{now_ms, seconds};
use crate::support::value::text;

pub const STORE: &str = "cloudwatch.alarm";
/// The most entries of an alarm's history; the oldest are deleted.
const HISTORY: usize = 200;

/// A metric alarm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alarm {
    /// PutMetricAlarm's input.
    pub input: Value,
    pub state: State,
    reason: String,
    reason_data: Option<String>,
    configured_ms: i64,
    updated_ms: i64,
    transitioned_ms: i64,
    pub history: Vec<Entry>,
}

/// An entry of an alarm's history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub time_ms: i64,
    pub kind: String,
    pub summary: String,
    pub data: String,
}

impl Alarm {
    fn new(now_ms: i64) -> Self {
        Self {
            input: Value::Null,
            state: State::InsufficientData,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            reason_data: None,
            configured_ms: now_ms,
            updated_ms: now_ms,
            transitioned_ms: now_ms,
            history: Vec::new(),
        }
    }

    fn record(&mut self, kind: &str, summary: String, data: &Value) {
        let (kind, data) = (kind.to_owned(), data.to_string());
        self.history.push(Entry { time_ms: now_ms(), kind, summary, data });
        let over = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..over);
    }

    /// Sets the state, and records a change of it in the history.
    pub fn enter(&mut self, state: State, reason: String, data: Option<String>) {
        self.updated_ms = now_ms();
        if state != self.state {
            self.transitioned_ms = self.updated_ms;
            let (old, new) = (self.state.name(), state.name());
            let of = |state: &str, reason: &str| json!({"stateValue": state, "stateReason": reason});
            let data = json!({
                "version": "1.0", "oldState": of(old, &self.reason), "newState": of(new, &reason),
            });
            self.record("StateUpdate", format!("Alarm updated from {old} to {new}"), &data);
        }
        (self.state, self.reason, self.reason_data) = (state, reason, data);
    }

    /// Returns the alarm as DescribeAlarms shows it.
    pub fn describe(&self, arn: String) -> Value {
        let mut described = json!({
            "ActionsEnabled": true,
            "OKActions": [], "AlarmActions": [], "InsufficientDataActions": [], "Dimensions": [],
        });
        for (member, value) in self.input.as_object().into_iter().flatten() {
            if member != "Tags" && !value.is_null() {
                described[member] = value.clone();
            }
        }
        described["AlarmArn"] = json!(arn);
        described["AlarmConfigurationUpdatedTimestamp"] = seconds(self.configured_ms);
        described["StateValue"] = json!(self.state.name());
        described["StateReason"] = json!(self.reason);
        described["StateUpdatedTimestamp"] = seconds(self.updated_ms);
        described["StateTransitionedTimestamp"] = seconds(self.transitioned_ms);
        if let Some(data) = &self.reason_data {
            described["StateReasonData"] = json!(data);
        }
        described
    }
}

impl CloudWatch {
    /// Returns the ARN of an alarm of this name.
    pub(super) fn arn_of_alarm(&self, name: &str) -> String {
        self.cloud.arn("cloudwatch", &format!("alarm:{name}"))
    }

    /// Returns all alarms by name.
    pub(super) fn alarms(&self) -> Result<Vec<(String, Alarm)>, AwsError> {
        self.cloud.store.list(STORE)
    }

    /// Creates or changes an alarm, given as PutMetricAlarm's input. An alarm that exists keeps its state.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn store_alarm(&self, input: Value) -> Result<(), AwsError> {
        let name = text(&input, "AlarmName").to_owned();
        let now_ms = now_ms();
        let known: Option<Alarm> = self.cloud.store.get(STORE, &name)?;
        let verb = if known.is_some() { "updated" } else { "created" };
        let mut alarm = known.unwrap_or_else(|| Alarm::new(now_ms));
        let data = json!({"type": "Update", "version": "1.0"});
        alarm.record("ConfigurationUpdate", format!("Alarm \"{name}\" {verb}"), &data);
        alarm.input = input;
        alarm.configured_ms = now_ms;
        self.cloud.store.put(STORE, &name, &alarm)
    }
}
