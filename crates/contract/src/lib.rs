//! What the engine, the local cloud and the worker agree on, and nothing else.
//!
//! A training job is configured by [`Hyperparameters`], speaks through [`MetricLine`]s, and leaves a
//! [`ModelManifest`] beside its weights. The three crates that meet over these types never import each other's.

mod decision;
mod host;
mod hyperparameters;
mod image_type;
mod manifest;
mod metrics;
mod prices;
mod resources;
mod s3_uri;
mod tested;
mod worded;

pub use decision::{DECISIONS_LOG_GROUP, Decision};
pub use host::names_loopback;
pub use hyperparameters::{
    Arch, Device, FineTune, HyperparameterError, Hyperparameters, Optimizer, Precision, Schedule, Transform,
};
pub use image_type::{IMAGE_TYPES, image_type};
pub use manifest::{
    LOGITS_APART, MODEL_MANIFEST, MODEL_PTH, MODEL_SAFETENSORS, MODULE_INPUT, ModelManifest, ModuleInput,
};
pub use metrics::{EpochMetrics, METRICS_FILE, MetricLine, SetupMetrics, TestMetrics, metric_regex};
pub use prices::{INSTANCES, Instance, Source};
pub use resources::{RESOURCES_FILE, ResourceSample};
pub use s3_uri::bucket_and_prefix;
pub use tested::{MAX_MISTAKES, Mistake, TESTED_FILE, THUMBNAIL_SIDE, Tested};
pub use worded::worded;

/// The name under which every target knows the worker's image.
pub const WORKER_IMAGE: &str = "opsml-worker";

/// The channel that holds `train/`, `valid/` and `test/` in ImageFolder layout (`SM_CHANNEL_TRAINING`).
pub const TRAINING_CHANNEL: &str = "training";

/// The optional channel that holds pretrained weights: one `.safetensors`, `.pth` or `model.tar.gz`.
pub const WEIGHTS_CHANNEL: &str = "weights";

/// The address that `serve` binds, where it is not the container's 0.0.0.0.
pub const BIND_ADDRESS_ENV: &str = "OPSML_BIND_ADDRESS";

/// The port that `serve` binds, as SageMaker's inference toolkit names it; 8080 where it is unset.
pub const BIND_PORT_ENV: &str = "SAGEMAKER_BIND_TO_PORT";

/// The environment variable of an endpoint's container that says from where it may fetch an image: origins, such as
/// `https://images.example.com`, separated by commas. `s3://BUCKET` is the S3 that `AWS_ENDPOINT_URL` names when the
/// container starts, and not an address that a model would keep for ever. Unset or empty: from nowhere.
pub const IMAGE_ORIGINS_ENV: &str = "OPSML_IMAGE_ORIGINS";

/// The name under which `function` knows the Lambda handler that comes with opsml.
pub const HANDLER: &str = "opsml-handler";

/// The environment variable of the Lambda handler that names the endpoint it invokes.
pub const ENDPOINT_NAME_ENV: &str = "ENDPOINT_NAME";
