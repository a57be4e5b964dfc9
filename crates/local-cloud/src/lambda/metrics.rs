//! What a function's invocations leave in CloudWatch, under `AWS/Lambda`.
//!
//! Each value is there for the function (`FunctionName`), for the version or the alias that was named (`Resource` as
//! well), and for all functions together, without a dimension. That of an alias also says which version ran
//! (`ExecutedVersion`). <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>

use std::time::Duration;

use super::admission::Use;
use super::service::Lambda;
use super::target::Target;

const NAMESPACE: &str = "AWS/Lambda";

/// An invocation, at the time when it began (milliseconds since 1970).
pub struct Measured<'a> {
    service: &'a Lambda,
    function: &'a str,
    resource: String,
    /// The version that an alias led to.
    executed: Option<String>,
    at_ms: i64,
}

impl<'a> Measured<'a> {
    /// `executed` is the version that runs if the target names an alias.
    pub fn new(service: &'a Lambda, target: &'a Target, executed: Option<String>, at_ms: i64) -> Self {
        let resource = match &target.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", target.name),
            None => target.name.clone(),
        };
        Self { service, function: &target.name, resource, executed, at_ms }
    }

    /// It was refused, since too many ran.
    pub fn throttled(&self) {
        self.put("Throttles", 1.0, "Count");
    }

    /// It runs. The function's pool and those of all functions have as many running invocations.
    pub fn admitted(&self) {
        let pools = self.service.pools.lock();
        let own = pools.get(self.function).map_or(0, |pool| pool.busy);
        let all = pools.values().map(|pool| pool.busy).sum();
        drop(pools);
        self.put("Throttles", 0.0, "Count");
        let name = "ConcurrentExecutions";
        self.put_with(&[], name, number(all), "Count");
        self.put_with(&[("FunctionName", self.function)], name, number(own), "Count");
        self.put_with(&self.of_resource(), name, number(own), "Count");
    }

    /// Something is provisioned for it.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-concurrency.html>
    pub fn provisioned(&self, provisioned: Use) {
        let Use { busy, ready, spilled } = provisioned;
        let name = if spilled {
            "ProvisionedConcurrencySpilloverInvocations"
        } else {
            "ProvisionedConcurrencyInvocations"
        };
        let [function, resource] = self.of_resource();
        for dimensions in [&[function][..], &[function, resource]] {
            self.put_with(dimensions, name, 1.0, "Count");
            self.put_with(dimensions, "ProvisionedConcurrentExecutions", number(busy), "Count");
        }
        let share = number(busy) / number(ready.max(1));
        self.put_with(&[function, resource], "ProvisionedConcurrencyUtilization", share, "Count");
    }

    /// It has ended, after this time in its handler.
    pub fn ended(&self, is_error: bool, took: Duration) {
        self.put("Invocations", 1.0, "Count");
        self.put("Errors", f64::from(u8::from(is_error)), "Count");
        self.put("Duration", took.as_secs_f64() * 1000.0, "Milliseconds");
    }

    fn of_resource(&self) -> [(&str, &str); 2] {
        [("FunctionName", self.function), ("Resource", &self.resource)]
    }

    fn put(&self, name: &str, value: f64, unit: &str) {
        let [function, resource] = self.of_resource();
        self.put_with(&[], name, value, unit);
        self.put_with(&[function], name, value, unit);
        self.put_with(&[function, resource], name, value, unit);
        if let Some(version) = &self.executed {
            self.put_with(&[function, resource, ("ExecutedVersion", version)], name, value, unit);
        }
    }

    fn put_with(&self, dimensions: &[(&str, &str)], name: &str, value: f64, unit: &str) {
        self.service.metrics.put_at(NAMESPACE, name, dimensions, value, unit, self.at_ms);
    }
}

/// Returns a count of invocations, of which there are never more than 2³².
fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
