//! The rule of an alarm, and the alarm's state by this rule and the values of its periods.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::invalid;
use super::statistic::Statistic;
use crate::call::AwsError;
use crate::support::value::text;

/// The state of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    Ok,
    Alarm,
    InsufficientData,
}

impl State {
    /// Returns AWS's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// When an alarm goes into ALARM.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub statistic: Statistic,
    /// Seconds, as on AWS.
    pub period: i64,
    /// How many periods are evaluated.
    pub periods: u32,
    /// How many of them must breach.
    to_alarm: u32,
    pub threshold: f64,
    comparison: Comparison,
    missing: Missing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// How a period without data counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    /// As AWS's `missing`.
    Unknown,
    Ignore,
    Breaching,
    NotBreaching,
}

/// Returns the name of the statistic that an alarm watches. An alarm has one of the two members.
pub fn name_of_statistic(input: &Value) -> &str {
    input["ExtendedStatistic"].as_str().unwrap_or_else(|| text(input, "Statistic"))
}

impl Rule {
    /// Reads PutMetricAlarm's input.
    ///
    /// # Errors
    /// `InvalidParameterValue`, and what the local cloud lacks.
    pub fn read(input: &Value) -> Result<Self, AwsError> {
        let whole = |member: &str| input[member].as_i64().filter(|n| *n > 0);
        let needed = |member: &str| {
            whole(member).ok_or_else(|| invalid(format!("The parameter {member} must be positive.")))
        };
        let period = needed("Period")?;
        if ![10, 20, 30].contains(&period) && period % 60 != 0 {
            return Err(invalid(format!(
                "The value {period} for parameter Period is invalid. It must be 10, 20, 30 or a multiple of 60."
            )));
        }
        let periods = u32::try_from(needed("EvaluationPeriods")?).unwrap_or(u32::MAX);
        let to_alarm = whole("DatapointsToAlarm").map_or(periods, |n| u32::try_from(n).unwrap_or(u32::MAX));
        // AWS's limit: an alarm looks back a day, or a week for periods of an hour and more.
        let back = period.saturating_mul(i64::from(periods));
        if back > if period < 3600 { 86_400 } else { 604_800 } {
            return Err(invalid(
                "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).",
            ));
        }
        if to_alarm > periods {
            return Err(invalid("DatapointsToAlarm must be less than or equal to EvaluationPeriods."));
        }
        let comparison = match text(input, "ComparisonOperator") {
            "GreaterThanThreshold" => Comparison::Greater,
            "GreaterThanOrEqualToThreshold" => Comparison::GreaterOrEqual,
            "LessThanThreshold" => Comparison::Less,
            "LessThanOrEqualToThreshold" => Comparison::LessOrEqual,
            other => {
                return Err(AwsError::unsupported("CloudWatch", &format!("the ComparisonOperator {other}")));
            }
        };
        let missing = match input["TreatMissingData"].as_str() {
            None | Some("missing") => Missing::Unknown,
            Some("ignore") => Missing::Ignore,
            Some("breaching") => Missing::Breaching,
            Some("notBreaching") => Missing::NotBreaching,
            Some(other) => {
                return Err(invalid(format!(
                    "The value {other} is not supported for TreatMissingData parameter."
                )));
            }
        };
        let parameter = if input["ExtendedStatistic"].is_null() { "Statistic" } else { "ExtendedStatistic" };
        let statistic = Statistic::parse(name_of_statistic(input), parameter)?;
        let threshold = input["Threshold"]
            .as_f64()
            .ok_or_else(|| invalid("The parameter Threshold must be a number."))?;
        Ok(Self { statistic, period, periods, to_alarm, threshold, comparison, missing })
    }

    fn breaches(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Greater => value > self.threshold,
            Comparison::GreaterOrEqual => value >= self.threshold,
            Comparison::Less => value < self.threshold,
            Comparison::LessOrEqual => value <= self.threshold,
        }
    }

    fn words(&self) -> &'static str {
        match self.comparison {
            Comparison::Greater => "greater than",
            Comparison::GreaterOrEqual => "greater than or equal to",
            Comparison::Less => "less than",
            Comparison::LessOrEqual => "less than or equal to",
        }
    }
}

/// The new state, and the reason in AWS's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub state: State,
    pub reason: String,
}

/// Returns the state after periods with these values, oldest first. None stands for a period without data.
///
/// Periods without data count as the rule says. Where they count as missing, and all values breach but are too few, it
/// is an ALARM only if the oldest value is at least as many periods old as must breach. Otherwise the state stays: that
/// is how AWS avoids premature alarms.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>
pub fn judge(rule: &Rule, values: &[Option<f64>], state: State) -> Verdict {
    let there: Vec<f64> = values.iter().copied().flatten().collect();
    let holes = values.len() - there.len();
    let breaching = there.iter().filter(|value| rule.breaches(**value)).count();
    let enough = usize::try_from(rule.to_alarm).unwrap_or(usize::MAX);
    let filled = breaching + if rule.missing == Missing::Breaching { holes } else { 0 };
    let next = if filled >= enough {
        State::Alarm
    } else if matches!(rule.missing, Missing::Breaching | Missing::NotBreaching) || breaching < there.len() {
        State::Ok
    } else if rule.missing == Missing::Ignore {
        state
    } else if there.is_empty() {
        State::InsufficientData
    } else {
        let oldest = values.iter().position(|value| value.is_some_and(|value| rule.breaches(value)));
        let age = oldest.map_or(0, |at| values.len() - at);
        if age >= enough { State::Alarm } else { state }
    };
    let listed: Vec<String> = there.iter().map(|value| format!("{value:?}")).collect();
    let (count, listed) = (there.len(), listed.join(", "));
    let (words, threshold) = (rule.words(), rule.threshold);
    let plural = if count == 1 { "datapoint was" } else { "datapoints were" };
    let reason = match next {
        _ if there.is_empty() => {
            let noun = if holes == 1 { "datapoint was" } else { "datapoints were" };
            format!("Insufficient Data: {holes} {noun} unknown.")
        }
        State::Alarm => {
            let (n, noun) = (values.len(), plural.split(' ').next().unwrap_or_default());
            format!(
                "Threshold Crossed: {breaching} out of the last {n} {noun} [{listed}] were {words} the threshold \
                 ({threshold:?}) (minimum {enough} datapoints for OK -> ALARM transition)."
            )
        }
        _ => {
            let (noun, verb) = plural.split_once(' ').unwrap_or_default();
            format!(
                "Threshold Crossed: {count} {noun} [{listed}] {verb} not {words} the threshold ({threshold:?})."
            )
        }
    };
    Verdict { state: next, reason }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(more: &[(&str, Value)]) -> Rule {
        let mut input = json!({
            "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 3, "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold",
        });
        for (name, value) in more {
            input[*name] = value.clone();
        }
        Rule::read(&input).unwrap()
    }

    /// `X` breaches, `0` does not, `-` is missing; the newest comes last, as in AWS's table.
    fn values(text: &str) -> Vec<Option<f64>> {
        text.chars().map(|c| (c != '-').then_some(if c == 'X' { 9.0 } else { 5.0 })).collect()
    }

    #[test]
    fn missing_data_counts_as_aws_documents_it() {
        use State::{Alarm, InsufficientData, Ok};
        for (text, missing, ignore, breaching, not_breaching) in [
            ("XXX", Alarm, Alarm, Alarm, Alarm),
            ("0XX", Ok, Ok, Ok, Ok),
            ("0-X", Ok, Ok, Ok, Ok),
            ("--0", Ok, Ok, Ok, Ok),
            ("---", InsufficientData, Ok, Alarm, Ok),
            ("X--", Alarm, Ok, Alarm, Ok),
            // Not yet: the state, here OK, stays.
            ("--X", Ok, Ok, Alarm, Ok),
            ("-XX", Ok, Ok, Alarm, Ok),
        ] {
            for (name, expected) in [
                ("missing", missing),
                ("ignore", ignore),
                ("breaching", breaching),
                ("notBreaching", not_breaching),
            ] {
                let rule = rule(&[("TreatMissingData", json!(name))]);
                assert_eq!(judge(&rule, &values(text), Ok).state, expected, "{text} {name}");
            }
        }
    }

    #[test]
    fn some_of_the_periods_may_be_enough() {
        let rule = rule(&[("DatapointsToAlarm", json!(2))]);
        assert_eq!(judge(&rule, &values("X0X"), State::Ok).state, State::Alarm);
        assert_eq!(judge(&rule, &values("X00"), State::Alarm).state, State::Ok);
    }

    #[test]
    fn reasons_are_worded_as_aws_words_them() {
        let verdict = judge(&rule(&[]), &values("XXX"), State::Ok);
        assert_eq!(
            verdict.reason,
            "Threshold Crossed: 3 out of the last 3 datapoints [9.0, 9.0, 9.0] were greater than the threshold (5.0) \
             (minimum 3 datapoints for OK -> ALARM transition)."
        );
        let low =
            rule(&[("ComparisonOperator", json!("LessThanThreshold")), ("EvaluationPeriods", json!(1))]);
        let verdict = judge(&low, &[Some(5.0)], State::Alarm);
        assert_eq!(
            verdict.reason,
            "Threshold Crossed: 1 datapoint [5.0] was not less than the threshold (5.0)."
        );
        let verdict = judge(&rule(&[]), &[None; 3], State::Ok);
        assert_eq!(verdict.reason, "Insufficient Data: 3 datapoints were unknown.");
    }

    #[test]
    fn senseless_rules_are_refused() {
        let input = |name: &str, value: Value| {
            let mut input = json!({
                "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 3, "Threshold": 5.0,
                "ComparisonOperator": "GreaterThanThreshold",
            });
            input[name] = value;
            Rule::read(&input).unwrap_err().message
        };
        assert!(input("Period", json!(7)).contains("multiple of 60"));
        assert!(input("EvaluationPeriods", json!(2000)).contains("86400"));
        assert!(input("DatapointsToAlarm", json!(4)).contains("DatapointsToAlarm"));
        assert!(input("Statistic", json!("Median")).contains("Median"));
        assert!(input("TreatMissingData", json!("x")).contains("TreatMissingData"));
    }
}
