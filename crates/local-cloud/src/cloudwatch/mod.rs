//! CloudWatch: metrics, their statistics, and the alarms that watch them.
//!
//! [`metrics`] stores the data points, and [`query`] returns statistics of them. [`alarm`] stores alarms, [`judge`]
//! decides the state of one, and [`evaluate`] does so for all at the end of a period. Timestamps and the periods of
//! statistics are real. Alarms are evaluated `Settings::speedup` times faster than on AWS: with a speedup of 60, a
//! period of 60 s takes a second.

mod alarm;
mod alarms;
mod error;
mod evaluate;
mod judge;
mod math;
mod metrics;
mod operations;
mod query;
mod series;
mod service;
mod sink;
mod statistic;

use std::sync::LazyLock;

use serde_json::Value;

use crate::model::Model;
use crate::service::{Operation, Service, on_everything};

pub use alarms::{Alarms, Triggered};
pub use series::Series;
pub use service::CloudWatch;
pub use sink::MetricSink;

static MODEL: LazyLock<Model> =
    LazyLock::new(|| Model::read(include_str!("model.json")).with_members(include_str!("members.txt")));

const OPERATIONS: &[Operation<CloudWatch>] = &[
    Operation::new("PutMetricData", query::on_namespace, query::put_metric_data),
    Operation::new("GetMetricData", on_everything, query::get_metric_data),
    Operation::new("GetMetricStatistics", on_everything, query::get_metric_statistics),
    Operation::new("ListMetrics", on_everything, query::list_metrics),
    Operation::new("PutMetricAlarm", operations::on_alarm, operations::put),
    Operation::new("DescribeAlarms", operations::on_all_alarms, operations::describe),
    Operation::new("DescribeAlarmsForMetric", operations::on_all_alarms, operations::describe_for_metric),
    Operation::new("DescribeAlarmHistory", operations::on_alarm, operations::describe_history),
    Operation::new("DeleteAlarms", operations::on_alarms, operations::delete),
    Operation::new("SetAlarmState", operations::on_alarm, operations::set_state),
];

impl Service for CloudWatch {
    const NAME: &'static str = "monitoring";
    const TITLE: &'static str = "CloudWatch";
    const PREFIX: &'static str = "cloudwatch";

    fn model() -> &'static Model {
        &MODEL
    }

    fn operations() -> &'static [Operation<Self>] {
        OPERATIONS
    }

    async fn stop(self: &std::sync::Arc<Self>) {
        // On a full disk the last period's points are lost.
        let _ = self.metrics.flush();
    }

    /// Metrics don't count, since they are deleted after a time.
    fn is_empty(&self) -> bool {
        self.cloud.store.list::<Value>(alarm::STORE).is_ok_and(|all| all.is_empty())
    }
}
