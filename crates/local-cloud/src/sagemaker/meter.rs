//! What SageMaker tells CloudWatch of an endpoint's requests and instances.
//! <https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html>

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::endpoint::capacity;
use super::{locked, process};
use crate::call::AwsError;
use crate::cloud::Cloud;

/// The namespace of the metrics of requests.
pub const REQUESTS: &str = "AWS/SageMaker";
const INSTANCES: &str = "/aws/sagemaker/Endpoints";
/// Between two looks at what the processes use: one reads all of /proc.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The dimensions of a variant's metrics.
fn dimensions<'a>(endpoint: &'a str, variant: &'a str) -> [(&'static str, &'a str); 2] {
    [("EndpointName", endpoint), ("VariantName", variant)]
}

/// A request goes to one of so many instances.
pub fn sent(cloud: &Cloud, endpoint: &str, variant: &str, serving: usize) {
    let dimensions = dimensions(endpoint, variant);
    // Nobody has 2^52 instances.
    #[allow(clippy::cast_precision_loss)]
    let share = 1.0 / serving.max(1) as f64;
    cloud.metrics.put(REQUESTS, "Invocations", &dimensions, 1.0, "None");
    cloud.metrics.put(REQUESTS, "InvocationsPerInstance", &dimensions, share, "None");
}

/// The model answered with this status, or with none in time, which counts as its fault.
pub fn answered(cloud: &Cloud, endpoint: &str, variant: &str, status: u16, latency: Duration) {
    let dimensions = dimensions(endpoint, variant);
    let is = |class: u16| f64::from(u8::from(status / 100 == class));
    let none = f64::from(u8::from(status == 0));
    let micros = latency.as_secs_f64() * 1e6;
    cloud.metrics.put(REQUESTS, "Invocation4XXErrors", &dimensions, is(4), "None");
    cloud.metrics.put(REQUESTS, "Invocation5XXErrors", &dimensions, is(5) + none, "None");
    cloud.metrics.put(REQUESTS, "ModelLatency", &dimensions, micros, "Microseconds");
}

/// No request came: a variant that is a scalable target says so, so that it can be scaled in. "If a variant's traffic
/// becomes zero, SageMaker automatically scales in to the minimum number of instances specified. In this case, SageMaker
/// emits metrics with a value of zero." <https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-edit.html>
pub fn idle(cloud: &Cloud, endpoint: &str, variant: &str, time_ms: i64) {
    let dimensions = dimensions(endpoint, variant);
    for name in ["Invocations", "InvocationsPerInstance"] {
        cloud.metrics.put_at(REQUESTS, name, &dimensions, 0.0, "None", time_ms);
    }
}

/// What the instances used when they were looked at last.
#[derive(Debug, Default)]
pub struct Looks {
    last: Mutex<Option<(Instant, HashMap<u32, Duration>)>>,
}

/// CPUUtilization (percent of one core, so that it can be above 100, as on AWS) and MemoryUtilization (percent of the
/// instance's memory) of all endpoints; at most once a second.
pub fn instances(cloud: &Cloud) -> Result<(), AwsError> {
    let mut last = locked(&cloud.sagemaker.looks.last);
    if last.as_ref().is_some_and(|(at, _)| at.elapsed() < LOOK_EVERY) {
        return Ok(());
    }
    let now = Instant::now();
    let mut spent = HashMap::new();
    for (endpoint, name) in capacity::variants(cloud)? {
        let Some(variant) = capacity::variant(cloud, &endpoint, &name)? else { continue };
        let dimensions = dimensions(&endpoint, &name);
        for leader in capacity::leaders(cloud, &endpoint) {
            let usage = process::usage(leader);
            if let Some((at, before)) = &*last
                && let Some(before) = before.get(&leader)
            {
                let seconds = now.duration_since(*at).as_secs_f64();
                let percent = 100.0 * usage.cpu.saturating_sub(*before).as_secs_f64() / seconds;
                cloud.metrics.put(INSTANCES, "CPUUtilization", &dimensions, percent, "Percent");
            }
            if let Some(hardware) = super::Instance::of(&variant.instance_type) {
                #[allow(clippy::cast_precision_loss)]
                let percent = 100.0 * usage.memory_bytes as f64 / hardware.memory_bytes as f64;
                cloud.metrics.put(INSTANCES, "MemoryUtilization", &dimensions, percent, "Percent");
            }
            spent.insert(leader, usage.cpu);
        }
    }
    *last = Some((now, spent));
    Ok(())
}
