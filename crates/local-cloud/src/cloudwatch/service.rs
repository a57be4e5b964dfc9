//! The service, and how other services write their metrics.

use std::sync::Arc;

use super::metrics::Metrics;
use super::series::{Point, Series};
use super::sink::MetricSink;
use crate::call::AwsError;
use crate::cloud::Cloud;

/// CloudWatch.
#[derive(Debug)]
pub struct CloudWatch {
    pub(super) cloud: Arc<Cloud>,
    pub(super) metrics: Metrics,
}

pub type Request<'a> = crate::service::Request<'a, CloudWatch>;

impl CloudWatch {
    /// Opens the metrics and alarms of a cloud.
    ///
    /// # Errors
    /// The store's.
    pub fn open(cloud: &Arc<Cloud>) -> Result<Self, AwsError> {
        let metrics = Metrics::open(cloud.store.clone(), cloud.settings.faster_ms(60_000))?;
        Ok(Self { cloud: Arc::clone(cloud), metrics })
    }
}

impl MetricSink for CloudWatch {
    fn put_at(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        value: f64,
        unit: &str,
        time_ms: i64,
    ) {
        let series = Series::new(namespace, name, dimensions, unit);
        self.metrics.add(series, time_ms, Point::of(value));
    }
}
