//! The worker's hyperparameters: SageMaker sends them as strings, the worker reads them as types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::s3_uri::bucket_and_prefix;
use crate::worded::worded;

/// A torchvision classifier that the worker can build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    #[default]
    Resnet18,
    Resnet34,
    Resnet50,
}

/// Which weights a training job changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FineTune {
    /// Every weight.
    #[default]
    Full,
    /// The head (`fc`) alone; the backbone is frozen and its batch norm stays in eval mode.
    Head,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    #[default]
    Adam,
    Sgd,
}

/// How the learning rate goes on through the job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// It falls, step by step, along half a cosine to 0 at the job's end.
    Cosine,
}

/// What happens to a training image. Validation and test images are only resized to
/// `image_size` × `image_size`; pixels are scaled to 0…1 and not normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// `RandomResizedCrop(image_size)`, then `RandomHorizontalFlip`, with torchvision's defaults.
    #[default]
    RandomResizedCrop,
    /// `Resize`, then `RandomHorizontalFlip`.
    Flip,
    /// `Resize` alone: no augmentation.
    Resize,
}

/// In which numbers the convolutions of a network are computed, where it learns and where it doesn't. Weights, losses,
/// gradients, batch norm's statistics and the head are float32 always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bfloat16 where a probe at the start finds it faster, and equal but for rounding; float32 otherwise.
    #[default]
    Auto,
    Fp32,
    Bf16,
}

/// On what a training job computes. CUDA was never run by this project, whose machines have no GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The first GPU where libtorch has CUDA and finds one; the processor otherwise.
    #[default]
    Auto,
    Cpu,
    /// The first GPU. Without one, or with a libtorch without CUDA, the job fails at its start.
    Cuda,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Hyperparameters of `opsml-worker train`. What is left out has the default that is documented here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hyperparameters {
    /// The network, in torchvision's layout.
    pub arch: Arch,
    /// Passes over the training split, 1 or more.
    #[schemars(range(min = 1))]
    pub epochs: u32,
    /// Images a step on each instance, 1 or more. The last batch of an epoch may be smaller.
    #[schemars(range(min = 1))]
    pub batch_size: u32,
    /// The optimizer's learning rate, above 0.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub learning_rate: f64,
    /// How the learning rate goes on through the job.
    pub schedule: Schedule,
    /// What changes the weights by their gradients.
    pub optimizer: Optimizer,
    /// SGD's momentum, 0 or more and below 1; Adam ignores it.
    pub momentum: f64,
    /// The L2 penalty on the weights, 0 or more. 0 is none.
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// Which weights the job changes. `head` is for pretrained weights, which the channel `weights` brings.
    pub fine_tune: FineTune,
    /// Width of a hidden layer in the head (`Linear–ReLU–Linear`); 0 makes the head one `Linear`.
    pub head_hidden: u32,
    /// Width and height that images are brought to, in pixels.
    #[schemars(range(min = 32, max = 1024))]
    pub image_size: u32,
    /// What happens to a training image before it is learnt from. Others are only resized.
    pub transform: Transform,
    /// In which numbers the convolutions are computed. Without it, `auto`.
    #[serde(skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// On what the job computes. Without it, `auto`.
    #[serde(skip_serializing_if = "is_default")]
    pub device: Device,
    /// Seeds weights, shuffling and augmentation: the same seed gives the same run on the same machine's processor, in the
    /// same precision. On a GPU, sums are added in no fixed order.
    pub seed: u64,
    /// SHA-256 (hex) that the file in the `weights` channel must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_sha256: Option<String>,
    /// The place in S3, `s3://BUCKET/PREFIX`, where jobs share the features that a frozen backbone computes of images which
    /// are always the same: validation and test images, and training images whose transform is `resize`. A job reads those
    /// that another has computed of the same images with the same weights, image size and precision, and leaves its own
    /// there. Its role needs s3:GetObject and s3:PutObject below it. Without them it computes the features itself, as it
    /// does without this. Where the backbone learns there is nothing to share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<String>,
}

impl Default for Hyperparameters {
    fn default() -> Self {
        Self {
            arch: Arch::default(),
            epochs: 1,
            batch_size: 32,
            learning_rate: 1e-3,
            schedule: Schedule::default(),
            optimizer: Optimizer::default(),
            momentum: 0.9,
            weight_decay: 0.0,
            fine_tune: FineTune::default(),
            head_hidden: 0,
            image_size: 224,
            transform: Transform::default(),
            precision: Precision::default(),
            device: Device::default(),
            seed: 42,
            weights_sha256: None,
            features: None,
        }
    }
}

/// A hyperparameter that the worker cannot take.
#[derive(Debug, PartialEq, Eq)]
pub struct HyperparameterError {
    /// Its name, where one can be blamed.
    pub name: Option<String>,
    pub message: String,
}

impl std::fmt::Display for HyperparameterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "hyperparameter `{name}`: {}", self.message),
            None => write!(f, "hyperparameters: {}", self.message),
        }
    }
}

impl std::error::Error for HyperparameterError {}

impl Hyperparameters {
    /// Reads SageMaker's map of strings. Each value is decoded as JSON where it is JSON, and taken raw otherwise;
    /// the names that belong to SageMaker's own toolkit (`sagemaker_…`) and tuning jobs are passed over.
    pub fn from_strings(map: &BTreeMap<String, String>) -> Result<Self, HyperparameterError> {
        let values = map
            .iter()
            .filter(|(name, _)| !name.starts_with("sagemaker_") && *name != "_tuning_objective_metric")
            .map(|(name, text)| {
                (name.clone(), serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())))
            })
            .collect();
        Self::from_values(values)
    }

    /// Reads values that still have their types, as a runbook gives them.
    pub fn from_values(values: serde_json::Map<String, Value>) -> Result<Self, HyperparameterError> {
        // One at a time, so that a mistake is blamed on its name.
        for (name, value) in &values {
            let one = serde_json::Map::from_iter([(name.clone(), value.clone())]);
            serde_json::from_value::<Self>(Value::Object(one))
                .map_err(|error| HyperparameterError { name: Some(name.clone()), message: worded(&error) })?;
        }
        let read: Self = serde_json::from_value(Value::Object(values))
            .map_err(|error| HyperparameterError { name: None, message: worded(&error) })?;
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<(), HyperparameterError> {
        let rules = [
            ("epochs", self.epochs >= 1, "must be 1 or more"),
            ("batch_size", self.batch_size >= 1, "must be 1 or more"),
            ("learning_rate", self.learning_rate.is_finite() && self.learning_rate > 0.0, "must be above 0"),
            ("momentum", (0.0..1.0).contains(&self.momentum), "must be 0 or more and below 1"),
            ("weight_decay", self.weight_decay.is_finite() && self.weight_decay >= 0.0, "must be 0 or more"),
            ("image_size", (32..=1024).contains(&self.image_size), "must be between 32 and 1024"),
            (
                "weights_sha256",
                self.weights_sha256
                    .as_ref()
                    .is_none_or(|h| h.len() == 64 && h.bytes().all(|b| b.is_ascii_hexdigit())),
                "must be 64 hexadecimal digits",
            ),
            (
                "features",
                self.features.as_ref().is_none_or(|uri| bucket_and_prefix(uri).is_some()),
                "must be a place in S3: s3://BUCKET/PREFIX",
            ),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            None => Ok(()),
            Some((name, _, message)) => {
                Err(HyperparameterError { name: Some(name.to_owned()), message: message.to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn reads_strings_raw_or_as_json() {
        let read = Hyperparameters::from_strings(&strings(&[
            ("arch", "resnet50"),
            ("optimizer", "\"sgd\""),
            ("epochs", "3"),
            ("sagemaker_program", "\"train.py\""),
            ("_tuning_objective_metric", "valid_loss"),
        ]))
        .unwrap();
        assert_eq!((read.arch, read.optimizer, read.epochs), (Arch::Resnet50, Optimizer::Sgd, 3));
        assert_eq!((read.precision, read.device), (Precision::Auto, Device::Auto));
    }

    #[test]
    fn blames_the_name() {
        for (name, value) in [
            ("epochs", "0"),
            ("epochs", "many"),
            ("epoch", "1"),
            ("learning_rate", "-1"),
            ("device", "gpu"),
            ("features", "bucket/features"),
        ] {
            let error = Hyperparameters::from_strings(&strings(&[(name, value)])).unwrap_err();
            assert_eq!(error.name.as_deref(), Some(name), "{error}");
        }
    }
}
