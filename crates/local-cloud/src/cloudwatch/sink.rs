//! The trait by which other services write metrics.

/// Where services write the metrics of their resources.
pub trait MetricSink: Send + Sync + std::fmt::Debug {
    /// Adds a value at a time (milliseconds since 1970).
    fn put_at(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        value: f64,
        unit: &str,
        time_ms: i64,
    );

    /// Adds a value now: `put("AWS/Lambda", "Invocations", &[("FunctionName", name)], 1.0, "Count")`.
    fn put(&self, namespace: &str, name: &str, dimensions: &[(&str, &str)], value: f64, unit: &str) {
        self.put_at(namespace, name, dimensions, value, unit, crate::support::clock::now_ms());
    }
}
