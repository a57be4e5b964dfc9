//! Writes the metrics of endpoints' requests and instances, and those of training jobs, to CloudWatch.
//! <https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html>

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::call::AwsError;
use crate::cloudwatch::MetricSink;
use crate::support::instance_type::Instance;
use crate::support::lock::locked;
use crate::support::process::{self, Usage};

/// The namespace of the metrics of requests.
const REQUESTS: &str = "AWS/SageMaker";
const INSTANCES: &str = "/aws/sagemaker/Endpoints";
/// The namespace of the metrics of training jobs: those that they define, and those of their instances.
const TRAINING: &str = "/aws/sagemaker/TrainingJobs";
/// The shortest time between two measurements of the processes. Each reads all of /proc.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// Writes the metrics.
#[derive(Debug)]
pub struct Meter {
    metrics: Arc<dyn MetricSink>,
    last: Mutex<Option<Measurement>>,
}

/// The CPU time that each process group had used at a time.
#[derive(Debug)]
struct Measurement {
    time: Instant,
    spent: HashMap<u32, Duration>,
}

/// The instances of an endpoint's variant that are to be measured.
pub struct Measured {
    pub endpoint: String,
    pub variant: String,
    pub instance_type: String,
    /// The leader of each instance's process group.
    pub leaders: Vec<u32>,
}

impl Meter {
    pub fn new(metrics: Arc<dyn MetricSink>) -> Self {
        Self { metrics, last: Mutex::default() }
    }

    /// Counts a request to one of `serving` instances.
    pub fn sent(&self, endpoint: &str, variant: &str, serving: usize) {
        let dimensions = dimensions(endpoint, variant);
        // Nobody has 2^52 instances.
        #[allow(clippy::cast_precision_loss)]
        let share = 1.0 / serving.max(1) as f64;
        self.metrics.put(REQUESTS, "Invocations", &dimensions, 1.0, "None");
        self.metrics.put(REQUESTS, "InvocationsPerInstance", &dimensions, share, "None");
    }

    /// Counts a model's answer with this status. 0: there was no answer in time, which counts as the model's error.
    pub fn answered(&self, endpoint: &str, variant: &str, status: u16, latency: Duration) {
        let dimensions = dimensions(endpoint, variant);
        let is = |class: u16| f64::from(u8::from(status / 100 == class));
        let none = f64::from(u8::from(status == 0));
        let micros = latency.as_secs_f64() * 1e6;
        self.metrics.put(REQUESTS, "Invocation4XXErrors", &dimensions, is(4), "None");
        self.metrics.put(REQUESTS, "Invocation5XXErrors", &dimensions, is(5) + none, "None");
        self.metrics.put(REQUESTS, "ModelLatency", &dimensions, micros, "Microseconds");
    }

    /// Writes zeros for a scalable target that had no request in the period that began at `time_ms`. "If a variant's
    /// traffic becomes zero, SageMaker automatically scales in to the minimum number of instances specified. In this
    /// case, SageMaker emits metrics with a value of zero."
    /// <https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-edit.html>
    pub fn idle(&self, endpoint: &str, variant: &str, time_ms: i64) {
        let dimensions = dimensions(endpoint, variant);
        for name in ["Invocations", "InvocationsPerInstance"] {
            self.metrics.put_at(REQUESTS, name, &dimensions, 0.0, "None", time_ms);
        }
    }

    /// Measures the instances that `find` returns, at most once a second: CPUUtilization (percent of one core, so that
    /// it can be above 100, as on AWS) and MemoryUtilization (percent of the instance's memory).
    ///
    /// # Errors
    /// Those of `find`.
    pub fn measure(&self, find: impl FnOnce() -> Result<Vec<Measured>, AwsError>) -> Result<(), AwsError> {
        let mut last = locked(&self.last);
        if last.as_ref().is_some_and(|last| last.time.elapsed() < MEASURE_EVERY) {
            return Ok(());
        }
        let mut now = Measurement { time: Instant::now(), spent: HashMap::new() };
        for measured in find()? {
            for leader in &measured.leaders {
                self.measure_one(&measured, *leader, last.as_ref(), &mut now);
            }
        }
        *last = Some(now);
        Ok(())
    }

    fn measure_one(
        &self,
        measured: &Measured,
        leader: u32,
        last: Option<&Measurement>,
        now: &mut Measurement,
    ) {
        let dimensions = dimensions(&measured.endpoint, &measured.variant);
        let usage = process::usage(leader);
        if let Some(last) = last
            && let Some(before) = last.spent.get(&leader)
        {
            let percent = cpu_percent(usage.cpu, *before, now.time.duration_since(last.time));
            self.metrics.put(INSTANCES, "CPUUtilization", &dimensions, percent, "Percent");
        }
        if let Some(percent) = memory_percent(&usage, &measured.instance_type) {
            self.metrics.put(INSTANCES, "MemoryUtilization", &dimensions, percent, "Percent");
        }
        now.spent.insert(leader, usage.cpu);
    }
}

/// Writes the metrics of a training job.
#[derive(Clone, Debug)]
pub struct JobMetrics {
    pub sink: Arc<dyn MetricSink>,
    /// The job's name.
    pub job: String,
}

impl JobMetrics {
    /// Writes a value that the job has printed.
    pub fn put(&self, name: &str, value: f64, time_ms: i64) {
        self.sink.put_at(TRAINING, name, &[("TrainingJobName", &self.job)], value, "None", time_ms);
    }
}

/// Measures the instances of a training job, at most once a second.
#[derive(Debug)]
pub struct JobMeter {
    metrics: JobMetrics,
    instance_type: String,
    last: Option<(Instant, Vec<Duration>)>,
}

impl JobMeter {
    pub fn new(metrics: JobMetrics, instance_type: &str) -> Self {
        Self { metrics, instance_type: instance_type.to_owned(), last: None }
    }

    /// Writes what the hosts use, the first one's first. CPUUtilization is in percent of one core.
    pub fn measure(&mut self, hosts: &[Usage]) {
        let now = Instant::now();
        if self.last.as_ref().is_some_and(|(last, _)| now.duration_since(*last) < MEASURE_EVERY) {
            return;
        }
        let before = self.last.replace((now, hosts.iter().map(|host| host.cpu).collect()));
        for (index, usage) in hosts.iter().enumerate() {
            let host = format!("{}/algo-{}", self.metrics.job, index + 1);
            let put = |name: &str, percent: f64| {
                self.metrics.sink.put(TRAINING, name, &[("Host", &host)], percent, "Percent");
            };
            if let Some((last, spent)) = &before
                && let Some(spent) = spent.get(index)
            {
                put("CPUUtilization", cpu_percent(usage.cpu, *spent, now.duration_since(*last)));
            }
            if let Some(percent) = memory_percent(usage, &self.instance_type) {
                put("MemoryUtilization", percent);
            }
        }
    }
}

fn cpu_percent(spent: Duration, before: Duration, time: Duration) -> f64 {
    100.0 * spent.saturating_sub(before).as_secs_f64() / time.as_secs_f64()
}

/// Returns the percentage of an instance's memory. None: the type is unknown.
fn memory_percent(usage: &Usage, instance_type: &str) -> Option<f64> {
    let memory_bytes = Instance::of(instance_type)?.memory_bytes;
    #[allow(clippy::cast_precision_loss)]
    Some(100.0 * usage.memory_bytes as f64 / memory_bytes as f64)
}

/// Returns the dimensions of a variant's metrics.
fn dimensions<'a>(endpoint: &'a str, variant: &'a str) -> [(&'static str, &'a str); 2] {
    [("EndpointName", endpoint), ("VariantName", variant)]
}
