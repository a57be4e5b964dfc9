//! The evaluation of all alarms at the end of a period, and the alarms of another service.

use serde_json::{Value, json};

use super::alarm::{Alarm, STORE};
use super::alarms::{Alarms, Triggered};
use super::judge::{Rule, State, judge, name_of_statistic};
use super::series::Series;
use super::service::CloudWatch;
use crate::call::AwsError;
use crate::support::clock::now_ms;
use crate::support::value::texts;

impl Alarms for CloudWatch {
    fn alarm_arn(&self, name: &str) -> String {
        self.arn_of_alarm(name)
    }

    fn alarms_with(&self, action: &str) -> Result<Vec<String>, AwsError> {
        let all = self.alarms()?.into_iter();
        let with = all.filter(|(_, alarm)| texts(&alarm.input, "AlarmActions").contains(&action));
        Ok(with.map(|(name, _)| name).collect())
    }

    fn put_alarm(&self, input: Value) -> Result<(), AwsError> {
        self.store_alarm(input)
    }

    fn delete_alarm(&self, name: &str) -> Result<(), AwsError> {
        self.cloud.store.delete(STORE, name).map(drop)
    }

    fn has_data(&self, series: &Series, from: i64, to: i64) -> Result<bool, AwsError> {
        Ok(!self.metrics.periods(series, from, to, (to - from).max(1))?.is_empty())
    }

    fn evaluate(&self, end_ms: i64) -> Result<Vec<Triggered>, AwsError> {
        self.metrics.flush()?;
        let mut triggered = Vec::new();
        for (name, alarm) in self.alarms()? {
            triggered.extend(self.evaluate_alarm(&name, &alarm, end_ms)?);
        }
        // Old points that can't be deleted now are deleted later.
        let _ = self.metrics.prune_if_due(now_ms());
        Ok(triggered)
    }
}

impl CloudWatch {
    fn evaluate_alarm(&self, name: &str, alarm: &Alarm, end_ms: i64) -> Result<Vec<Triggered>, AwsError> {
        let rule = Rule::read(&alarm.input)?;
        let period = self.cloud.settings.faster_ms(rule.period * 1000);
        let end = end_ms - end_ms.rem_euclid(period);
        let start = end - i64::from(rule.periods) * period;
        let series = Series::read(&alarm.input);
        let found = self.metrics.statistic(&rule.statistic, &series, start, end, period)?;
        let values: Vec<Option<f64>> =
            (0..i64::from(rule.periods)).map(|i| found.get(&(start + i * period)).copied()).collect();
        let verdict = judge(&rule, &values, alarm.state);
        if verdict.state != alarm.state {
            let data = json!({
                "version": "1.0", "queryDate": jiff::Timestamp::now().to_string(), "statistic": name_of_statistic(&alarm.input),
                "period": rule.period, "recentDatapoints": values.iter().flatten().collect::<Vec<_>>(),
                "threshold": rule.threshold,
            });
            // An alarm that was deleted meanwhile stays deleted.
            self.cloud.store.update(STORE, name, |alarm: &mut Alarm| {
                alarm.enter(verdict.state, verdict.reason, Some(data.to_string()));
                Ok(())
            })?;
        }
        let enabled = alarm.input["ActionsEnabled"] != false;
        match values.iter().rev().find_map(|value| *value) {
            Some(value) if verdict.state == State::Alarm && enabled => {
                let actions = texts(&alarm.input, "AlarmActions").into_iter();
                let due = |action: &str| Triggered {
                    alarm: name.to_owned(),
                    action: action.to_owned(),
                    value,
                    threshold: rule.threshold,
                };
                Ok(actions.map(due).collect())
            }
            _ => Ok(Vec::new()),
        }
    }
}
