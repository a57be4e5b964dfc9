//! Metrics as a training job reports them: a JSON line each in [`METRICS_FILE`], and the same as a log line
//! that SageMaker's metric regexes match.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lies in `SM_OUTPUT_DATA_DIR`, and so at the top of `output.tar.gz`.
pub const METRICS_FILE: &str = "metrics.jsonl";

/// One line of [`METRICS_FILE`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum MetricLine {
    Setup(SetupMetrics),
    Epoch(EpochMetrics),
    Test(TestMetrics),
}

/// Written once, before the first epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SetupMetrics {
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    pub train_images: u64,
    pub valid_images: u64,
    pub test_images: u64,
    /// Epochs that a checkpoint spared; 0 for a fresh start.
    pub resumed_epochs: u32,
    /// On what the job computes: `cpu` or `cuda`. Empty: an older worker has not said it.
    #[serde(default)]
    pub device: String,
    /// In which numbers the convolutions are computed: `fp32` or `bf16`. Empty: an older worker has not said it.
    #[serde(default)]
    pub precision: String,
    /// How often the backbone computes the features of the training images: `learnt` (it learns itself), `each epoch`, `once`,
    /// or never: `read from s3://…`, where another job has left them. Empty: an older worker has not said it.
    #[serde(default)]
    pub features: String,
    /// Seconds from the process's start to the first epoch.
    pub seconds: f64,
}

/// Written at the end of each epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpochMetrics {
    /// From 1.
    pub epoch: u32,
    /// Mean cross-entropy an image.
    pub train_loss: f64,
    /// Between 0 and 1.
    pub train_accuracy: f64,
    pub valid_loss: f64,
    pub valid_accuracy: f64,
    /// Seconds for the training pass; validation is not in it.
    pub seconds: f64,
    /// Training images a second.
    pub images_per_second: f64,
}

/// Written once, after the last epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestMetrics {
    pub test_loss: f64,
    pub test_accuracy: f64,
    pub seconds: f64,
}

/// The regex that finds the last value of a metric in the worker's log, for `MetricDefinitions`.
pub fn metric_regex(name: &str) -> String {
    format!("(?:^|[ ;]){name}=([0-9.eE+-]+|NaN|inf)")
}

impl fmt::Display for MetricLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(m) => write!(
                f,
                "setup: classes={}; train_images={}; valid_images={}; test_images={}; resumed_epochs={}; device={}; precision={}; features={}; setup_seconds={:.2};",
                m.classes.len(),
                m.train_images,
                m.valid_images,
                m.test_images,
                m.resumed_epochs,
                m.device,
                m.precision,
                m.features.replace(' ', "_"),
                m.seconds
            ),
            Self::Epoch(m) => write!(
                f,
                "epoch: epoch={}; train_loss={:.6}; train_accuracy={:.4}; valid_loss={:.6}; valid_accuracy={:.4}; epoch_seconds={:.2}; images_per_second={:.1};",
                m.epoch,
                m.train_loss,
                m.train_accuracy,
                m.valid_loss,
                m.valid_accuracy,
                m.seconds,
                m.images_per_second
            ),
            Self::Test(m) => write!(
                f,
                "test: test_loss={:.6}; test_accuracy={:.4}; test_seconds={:.2};",
                m.test_loss, m.test_accuracy, m.seconds
            ),
        }
    }
}
