//! The outputs of a training, on SageMaker or on EC2.

use std::collections::BTreeMap;

use opsml_contract::EpochMetrics;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::S3Uri;
use crate::action::TrainingOutput;
use crate::aws::Aws;
use crate::failure::Outcome;
use crate::resource::objects_revision;

/// Returns the revision of what lies below each of some S3 URIs, where it is known.
pub(super) async fn contents(
    aws: &Aws,
    uris: impl Iterator<Item = &S3Uri>,
) -> Outcome<BTreeMap<String, String>> {
    let mut contents = BTreeMap::new();
    for S3Uri(uri) in uris {
        if let Some(revision) = objects_revision(aws, uri).await? {
            contents.insert(uri.clone(), revision);
        }
    }
    Ok(contents)
}

/// The time and the instances of a training. `compare` reads it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// The instance type that it trained on.
    pub instance_type: String,
    /// How many instances trained.
    pub instance_count: i32,
    /// Billable seconds of each instance. On EC2, those from its launch to its end, and at least 60.
    pub billable_seconds: i64,
    /// Seconds from the start of the process to its first batch, or nothing if the job does not report them.
    pub setup_seconds: Option<f64>,
    /// The mean seconds of training in an epoch.
    pub epoch_seconds: Option<f64>,
    /// Seconds for the test images.
    pub test_seconds: Option<f64>,
}

/// The outputs of a training.
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
    /// Returns the outputs, from the job's files and from what the service reports: the instances, the billable seconds, and
    /// the metrics that it found in the log.
    pub fn new(
        output: TrainingOutput,
        (instance_count, instance_type): (i32, &str),
        billable_seconds: i64,
        mut metrics: BTreeMap<String, f64>,
        model_uri: String,
    ) -> Self {
        // Describe returns 32-bit floats. The job's own metrics have all digits.
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
