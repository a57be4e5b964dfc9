//! The trait by which Application Auto Scaling uses CloudWatch.

use serde_json::Value;

use super::series::Series;
use crate::call::AwsError;

/// An action that is due because its alarm is in ALARM. It is due again after each period in which the alarm stays
/// there, as AWS does it for scaling actions.
#[derive(Clone, Debug, PartialEq)]
pub struct Triggered {
    /// The alarm's name.
    pub alarm: String,
    /// The ARN of the action.
    pub action: String,
    /// The newest data point.
    pub value: f64,
    /// The alarm's threshold.
    pub threshold: f64,
}

/// The alarms that another service keeps, and the evaluation of all alarms.
pub trait Alarms: Send + Sync + std::fmt::Debug {
    /// Returns the ARN of an alarm of this name.
    fn alarm_arn(&self, name: &str) -> String;

    /// Returns the names of the alarms with this action.
    ///
    /// # Errors
    /// The store's.
    fn alarms_with(&self, action: &str) -> Result<Vec<String>, AwsError>;

    /// Creates or changes an alarm, given as PutMetricAlarm's input. An alarm that exists keeps its state.
    ///
    /// # Errors
    /// The store's.
    fn put_alarm(&self, input: Value) -> Result<(), AwsError>;

    /// Deletes an alarm. It is no error if there is none.
    ///
    /// # Errors
    /// The store's.
    fn delete_alarm(&self, name: &str) -> Result<(), AwsError>;

    /// Returns whether a metric has data in `from..to` (milliseconds since 1970).
    ///
    /// # Errors
    /// The store's.
    fn has_data(&self, series: &Series, from: i64, to: i64) -> Result<bool, AwsError>;

    /// Writes the data points of the last period, evaluates all alarms over the periods that have ended by `end_ms`,
    /// and returns the actions that are due.
    ///
    /// # Errors
    /// The store's.
    fn evaluate(&self, end_ms: i64) -> Result<Vec<Triggered>, AwsError>;
}
