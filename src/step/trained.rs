//! What every training puts out, on SageMaker or on EC2.

use std::collections::BTreeMap;

use opsml_contract::EpochMetrics;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::TrainingOutput;

/// What a training took; `compare` reads it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// What it trained on.
    pub instance_type: String,
    /// How many instances trained.
    pub instance_count: i32,
    /// Seconds that AWS would bill, on each instance: of EC2 those from its launch to its end, and 60 at least.
    pub billable_seconds: i64,
    /// Seconds from the process's start to its first batch; nothing where the job doesn't tell.
    pub setup_seconds: Option<f64>,
    /// Seconds of training an epoch, the mean.
    pub epoch_seconds: Option<f64>,
    /// Seconds that the test images took.
    pub test_seconds: Option<f64>,
}

/// What a training took, and what came of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Trained {
    #[serde(flatten)]
    pub took: Measured,
    /// The last value of each metric, by name.
    pub metrics: BTreeMap<String, f64>,
    /// Metrics of each epoch.
    pub epochs: Vec<EpochMetrics>,
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    /// S3 URI of `model.tar.gz`.
    pub model_uri: String,
}

impl Trained {
    /// Of what a job left, and what the service says: how many instances of which type, the seconds that it bills, and
    /// the metrics that it found in the log.
    pub fn new(
        output: TrainingOutput,
        (instance_count, instance_type): (i32, &str),
        billable_seconds: i64,
        mut metrics: BTreeMap<String, f64>,
        model_uri: String,
    ) -> Self {
        // Describe rounds to 32 bits; the job's own line has all of it.
        if let Some(test) = &output.test {
            metrics.insert("test_loss".into(), test.test_loss);
            metrics.insert("test_accuracy".into(), test.test_accuracy);
        }
        let took = Measured {
            instance_type: instance_type.to_owned(),
            instance_count,
            billable_seconds,
            setup_seconds: output.setup.as_ref().map(|setup| setup.seconds),
            epoch_seconds: output.epoch_seconds(),
            test_seconds: output.test.as_ref().map(|test| test.seconds),
        };
        let classes = output.setup.map(|setup| setup.classes).unwrap_or_default();
        Self { took, metrics, epochs: output.epochs, classes, model_uri }
    }
}
