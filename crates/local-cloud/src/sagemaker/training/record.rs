//! A training job as it is kept, and the steps that its status may take.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::sagemaker::log::Metric;
use crate::sagemaker::resource::{echo, now_ms, seconds, text};
use crate::sagemaker::transfer::S3Uri;

pub const JOB: &str = "sagemaker.training-job";
/// The name of what the model folder becomes.
pub const MODEL_FILE: &str = "model.tar.gz";
/// Of AWS's FailureReason, in characters.
const MAX_REASON: usize = 1024;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// CreateTrainingJob's.
    pub input: Value,
    pub arn: String,
    pub created_ms: i64,
    pub modified_ms: i64,
    /// TrainingJobStatus.
    pub status: Status,
    /// SecondaryStatus with its history; the last is the present one.
    pub transitions: Vec<Transition>,
    pub started_ms: Option<i64>,
    pub ended_ms: Option<i64>,
    pub failure: Option<String>,
    #[serde(default)]
    pub metrics: Vec<(String, f64, i64)>,
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
    /// By StopTrainingJob.
    Stopped,
    /// By MaxRuntimeInSeconds.
    MaxRuntime,
}

impl Status {
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
            trial,
        };
        job.enter("Starting", "Preparing the instances for training");
        job
    }

    /// The next SecondaryStatus.
    pub fn enter(&mut self, status: &str, message: &str) {
        let now = now_ms();
        if let Some(last) = self.transitions.last_mut() {
            last.end_ms = Some(now);
        }
        let (status, message) = (status.to_owned(), message.to_owned());
        self.transitions.push(Transition { status, message, start_ms: now, end_ms: None });
        self.modified_ms = now;
    }

    /// The last steps of its life.
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

    /// A file of its output in S3.
    pub fn output(&self, file: &str) -> Result<S3Uri, AwsError> {
        let base = S3Uri::parse(text(&self.input["OutputDataConfig"], "S3OutputPath"))?;
        Ok(base.join(&format!("{}/output/{file}", text(&self.input, "TrainingJobName"))))
    }

    /// Whether its containers run.
    pub fn is_training(&self) -> bool {
        !self.status.is_final()
            && self.transitions.iter().any(|step| step.status == "Training" && step.end_ms.is_none())
    }

    fn secondary(&self) -> &str {
        self.transitions.last().map_or("Starting", |last| &last.status)
    }

    /// AWS bills each second begun.
    fn billed_seconds(&self) -> Option<u64> {
        Some(u64::try_from(self.ended_ms? - self.started_ms?).unwrap_or_default().div_ceil(1000))
    }

    pub fn describe(&self) -> Result<Value, AwsError> {
        let mut answer = echo(&self.input, &["Tags"]);
        let mut set = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        set("TrainingJobArn", json!(self.arn));
        set("TrainingJobStatus", json!(self.status));
        set("SecondaryStatus", json!(self.secondary()));
        set("CreationTime", seconds(self.created_ms));
        set("LastModifiedTime", seconds(self.modified_ms));
        // Told from the first on: the model requires it, and its place is known.
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
        let transitions = self.transitions.iter().map(|step| {
            let mut told = json!({
                "Status": step.status, "StartTime": seconds(step.start_ms), "StatusMessage": step.message,
            });
            if let Some(end) = step.end_ms {
                told["EndTime"] = seconds(end);
            }
            told
        });
        set("SecondaryStatusTransitions", transitions.collect());
        if !self.metrics.is_empty() {
            let metrics = self.metrics.iter();
            let told = metrics.map(
                |(name, value, ms)| json!({"MetricName": name, "Value": value, "Timestamp": seconds(*ms)}),
            );
            set("FinalMetricDataList", told.collect());
        }
        for flag in
            ["EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"]
        {
            answer.entry(flag).or_insert(json!(false));
        }
        Ok(Value::Object(answer))
    }

    pub fn summary(&self) -> Value {
        let mut told = json!({
            "TrainingJobName": self.input["TrainingJobName"], "TrainingJobArn": self.arn,
            "CreationTime": seconds(self.created_ms), "LastModifiedTime": seconds(self.modified_ms),
            "TrainingJobStatus": self.status, "SecondaryStatus": self.secondary(),
        });
        if let Some(ms) = self.ended_ms {
            told["TrainingEndTime"] = seconds(ms);
        }
        told
    }
}

/// Changes a job where it is kept.
///
/// # Errors
/// The store's; a job that is gone is as good.
pub fn change(cloud: &Cloud, name: &str, change: impl FnOnce(&mut Job)) -> Result<(), AwsError> {
    let changed = cloud.store.update(JOB, name, |job: &mut Job| {
        change(job);
        Ok(())
    });
    changed.map(drop)
}

/// Keeps the metrics found so far.
pub fn keep_metrics(cloud: &Cloud, name: &str, metrics: &[Metric]) -> Result<(), AwsError> {
    change(cloud, name, |job| {
        job.metrics = metrics.iter().map(|m| (m.name.clone(), m.value, m.time_ms)).collect();
    })
}
