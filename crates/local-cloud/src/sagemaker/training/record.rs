//! A training job as it is stored, and as Describe and List return it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::sagemaker::log::Metric;
use crate::sagemaker::resource::{echo, text};
use crate::sagemaker::transfer::S3Uri;
use crate::store::Store;
use crate::support::clock::{now_ms, seconds};

pub const STORE: &str = "sagemaker.training-job";
/// The kind's name in ARNs.
pub const PATH: &str = "training-job";
/// The name of the archive of the model folder.
pub const MODEL_FILE: &str = "model.tar.gz";
/// AWS's default for MaxRuntimeInSeconds.
pub const DEFAULT_RUNTIME: u64 = 86_400;
/// AWS's limit for a FailureReason, in characters.
const MAX_REASON: usize = 1024;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The input of CreateTrainingJob.
    pub input: Value,
    pub arn: String,
    pub created_ms: i64,
    pub modified_ms: i64,
    pub status: Status,
    /// The history of its SecondaryStatus. The last one is the present one.
    pub transitions: Vec<Transition>,
    pub started_ms: Option<i64>,
    pub ended_ms: Option<i64>,
    pub failure: Option<String>,
    /// The last value of each metric, and its time.
    #[serde(default)]
    pub metrics: Vec<(String, f64, i64)>,
    /// Set if another job has taken over its warm pool.
    #[serde(default)]
    pub reuse: Option<Reuse>,
    /// Set for a trial of a tuning job.
    #[serde(default)]
    pub trial: Option<TrialOf>,
}

/// The tuning job that a trial belongs to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrialOf {
    /// The tuning job's ARN.
    pub tuning: String,
    /// How many trials run at a time.
    pub parallel: usize,
}

/// The job that took over a warm pool, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reuse {
    pub job: String,
    pub ms: i64,
}

/// TrainingJobStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    InProgress,
    Stopping,
    Completed,
    Failed,
    Stopped,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transition {
    pub status: String,
    pub message: String,
    pub start_ms: i64,
    pub end_ms: Option<i64>,
}

/// How a job's run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Completed,
    Failed(String),
    /// It was stopped by StopTrainingJob.
    Stopped,
    /// It was stopped after MaxRuntimeInSeconds.
    MaxRuntime,
    /// It was stopped after MaxWaitTimeInSeconds, which counts from its creation.
    MaxWait,
}

impl Status {
    /// Returns whether the status never changes again.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::InProgress | Self::Stopping)
    }
}

impl Job {
    pub fn new(input: Value, arn: String, trial: Option<TrialOf>) -> Self {
        let now = now_ms();
        let mut job = Self {
            input,
            arn,
            created_ms: now,
            modified_ms: now,
            status: Status::InProgress,
            transitions: Vec::new(),
            started_ms: None,
            ended_ms: None,
            failure: None,
            metrics: Vec::new(),
            reuse: None,
            trial,
        };
        job.enter("Starting", "Preparing the instances for training");
        job
    }

    /// Sets the next SecondaryStatus.
    pub fn enter(&mut self, status: &str, message: &str) {
        let now = now_ms();
        if let Some(last) = self.transitions.last_mut() {
            last.end_ms = Some(now);
        }
        let (status, message) = (status.to_owned(), message.to_owned());
        self.transitions.push(Transition { status, message, start_ms: now, end_ms: None });
        self.modified_ms = now;
    }

    /// Sets how it ended.
    pub fn end(&mut self, end: &End) {
        if self.started_ms.is_some() {
            self.ended_ms = Some(now_ms());
        }
        let (status, secondary, message) = match end {
            End::Completed => (Status::Completed, "Completed", "Training job completed"),
            End::Stopped => (Status::Stopped, "Stopped", "Training job stopped"),
            End::MaxRuntime => (
                Status::Stopped,
                "MaxRuntimeExceeded",
                "Training job runtime exceeded MaxRuntimeInSeconds provided",
            ),
            End::MaxWait => (
                Status::Stopped,
                "MaxWaitTimeExceeded",
                "Training job wait time exceeded MaxWaitTimeInSeconds provided",
            ),
            End::Failed(reason) => {
                self.failure = Some(reason.chars().take(MAX_REASON).collect());
                (Status::Failed, "Failed", "Training job failed")
            }
        };
        self.status = status;
        self.enter(secondary, message);
        if let Some(last) = self.transitions.last_mut() {
            last.end_ms = Some(last.start_ms);
        }
    }

    /// Returns the type of its instances.
    pub fn instance_type(&self) -> &str {
        text(&self.input["ResourceConfig"], "InstanceType")
    }

    /// Returns the S3 URI of a file of its output.
    ///
    /// # Errors
    /// A ValidationException: its S3OutputPath isn't an S3 URI.
    pub fn output(&self, file: &str) -> Result<S3Uri, AwsError> {
        let base = S3Uri::parse(text(&self.input["OutputDataConfig"], "S3OutputPath"))?;
        Ok(base.join(&format!("{}/output/{file}", text(&self.input, "TrainingJobName"))))
    }

    /// Returns whether its containers are running.
    pub fn is_training(&self) -> bool {
        !self.status.is_final()
            && self.transitions.iter().any(|step| step.status == "Training" && step.end_ms.is_none())
    }

    fn secondary(&self) -> &str {
        self.transitions.last().map_or("Starting", |last| &last.status)
    }

    /// Returns the seconds that AWS bills, including the last one that began. Spot instances cost as much as others here,
    /// since there is no market for them.
    fn billed_seconds(&self) -> Option<u64> {
        Some(u64::try_from(self.ended_ms? - self.started_ms?).unwrap_or_default().div_ceil(1000))
    }

    /// Returns the answer to DescribeTrainingJob.
    ///
    /// # Errors
    /// As [`Job::output`].
    pub fn describe(&self) -> Result<Value, AwsError> {
        let mut answer = echo(&self.input, &["Tags"]);
        // AWS returns it empty if there is none; SageMaker's SDK reads it.
        if let Some(output) = answer.get_mut("OutputDataConfig").and_then(Value::as_object_mut) {
            output.entry("KmsKeyId").or_insert(json!(""));
        }
        let mut set = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        set("TrainingJobArn", json!(self.arn));
        set("TrainingJobStatus", json!(self.status));
        set("SecondaryStatus", json!(self.secondary()));
        set("CreationTime", seconds(self.created_ms));
        set("LastModifiedTime", seconds(self.modified_ms));
        // AWS's model requires the URI even before the file exists.
        set("ModelArtifacts", json!({"S3ModelArtifacts": self.output(MODEL_FILE)?.to_string()}));
        if let Some(trial) = &self.trial {
            set("TuningJobArn", json!(trial.tuning));
        }
        if let Some(ms) = self.started_ms {
            set("TrainingStartTime", seconds(ms));
        }
        if let Some(ms) = self.ended_ms {
            set("TrainingEndTime", seconds(ms));
        }
        if let Some(billed) = self.billed_seconds() {
            set("TrainingTimeInSeconds", json!(billed));
            set("BillableTimeInSeconds", json!(billed));
        }
        if let Some(reason) = &self.failure {
            set("FailureReason", json!(reason));
        }
        // No profiler and no rule runs here: these are the statuses that say so.
        if self.input["ProfilerConfig"].is_object() {
            set("ProfilingStatus", json!("Disabled"));
        }
        for (rules, statuses) in [
            ("DebugRuleConfigurations", "DebugRuleEvaluationStatuses"),
            ("ProfilerRuleConfigurations", "ProfilerRuleEvaluationStatuses"),
        ] {
            if let Some(rules) = self.input[rules].as_array() {
                set(statuses, rules.iter().map(|rule| self.unevaluated(rule)).collect());
            }
        }
        let transitions = self.transitions.iter().map(|step| {
            let mut answer = json!({
                "Status": step.status, "StartTime": seconds(step.start_ms), "StatusMessage": step.message,
            });
            if let Some(end) = step.end_ms {
                answer["EndTime"] = seconds(end);
            }
            answer
        });
        set("SecondaryStatusTransitions", transitions.collect());
        if !self.metrics.is_empty() {
            let metrics = self.metrics.iter().map(
                |(name, value, ms)| json!({"MetricName": name, "Value": value, "Timestamp": seconds(*ms)}),
            );
            set("FinalMetricDataList", metrics.collect());
        }
        for flag in
            ["EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"]
        {
            answer.entry(flag).or_insert(json!(false));
        }
        Ok(Value::Object(answer))
    }

    /// Returns the status of a rule that nothing evaluates, since no container of AWS's runs here.
    fn unevaluated(&self, rule: &Value) -> Value {
        json!({
            "RuleConfigurationName": rule["RuleConfigurationName"],
            "RuleEvaluationStatus": "Stopped",
            "StatusDetails": "The local cloud has no container that evaluates rules",
            "LastModifiedTime": seconds(self.created_ms),
        })
    }

    /// Returns its entry in ListTrainingJobs.
    pub fn summary(&self) -> Value {
        let mut summary = json!({
            "TrainingJobName": self.input["TrainingJobName"], "TrainingJobArn": self.arn,
            "CreationTime": seconds(self.created_ms), "LastModifiedTime": seconds(self.modified_ms),
            "TrainingJobStatus": self.status, "SecondaryStatus": self.secondary(),
        });
        if let Some(ms) = self.ended_ms {
            summary["TrainingEndTime"] = seconds(ms);
        }
        summary
    }
}

pub fn arn(cloud: &Cloud, name: &str) -> String {
    cloud.arn("sagemaker", &format!("{PATH}/{name}"))
}

pub fn all(store: &Store) -> Result<Vec<(String, Job)>, AwsError> {
    store.list(STORE)
}

/// # Errors
/// A ValidationException: there is no such job.
pub fn find(store: &Store, name: &str) -> Result<Job, AwsError> {
    store.get(STORE, name)?.ok_or_else(|| AwsError::validation("Requested resource not found."))
}

/// Changes a job in the store. If it was deleted, nothing is changed.
///
/// # Errors
/// The store's.
pub fn change(store: &Store, name: &str, change: impl FnOnce(&mut Job)) -> Result<(), AwsError> {
    let changed = store.update(STORE, name, |job: &mut Job| {
        change(job);
        Ok(())
    });
    changed.map(drop)
}

/// Stores the metrics that were found so far.
///
/// # Errors
/// The store's.
pub fn keep_metrics(store: &Store, name: &str, metrics: &[Metric]) -> Result<(), AwsError> {
    change(store, name, |job| {
        job.metrics = metrics.iter().map(|m| (m.name.clone(), m.value, m.time_ms)).collect();
    })
}
