//! `train`: a SageMaker training job.

use std::collections::BTreeMap;

use opsml_contract::{EpochMetrics, Hyperparameters, WORKER_IMAGE, metric_regex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fields::{RoleArn, S3Uri, TrainingInstance};
use super::{Context, Done, Kind, Problem};
use crate::action::{TrainingOutput, training_output};
use crate::failure::Outcome;
use crate::journal::{Figure, Series};
use crate::price;
use crate::resource::{MetricDefinition, TrainingJob};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// `opsml-worker`, or the URI of another training image.
    #[serde(default = "worker")]
    pub image: String,
    /// ARN of the role that the job reads its data and writes its model with.
    pub role: RoleArn,
    /// What it trains on.
    pub instance_type: TrainingInstance,
    /// How many instances train together.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 20))]
    pub instance_count: i32,
    /// Size of an instance's disk in GB.
    #[serde(default = "thirty")]
    #[schemars(range(min = 1, max = 16384))]
    pub volume_size: i32,
    /// Seconds after which the job is stopped.
    #[serde(default = "an_hour")]
    #[schemars(range(min = 1, max = 2419200))]
    pub max_run: i32,
    /// S3 prefixes by channel; `training` holds train/, valid/ and test/.
    pub inputs: BTreeMap<String, S3Uri>,
    /// Where the model goes: the S3 prefix above `JOB/output/model.tar.gz`.
    pub output_path: S3Uri,
    /// Where checkpoints are kept, so that a job that was killed is gone on with.
    pub checkpoint_s3_uri: Option<S3Uri>,
    /// Hyperparameters by name.
    #[serde(default)]
    pub hyperparameters: Map<String, Value>,
    /// Metrics to find in the log; those of `opsml-worker` are known.
    #[serde(default)]
    pub metric_definitions: Vec<MetricDefinition>,
    /// Environment variables of the container.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

fn worker() -> String {
    WORKER_IMAGE.to_owned()
}

fn one() -> i32 {
    1
}

fn thirty() -> i32 {
    30
}

fn an_hour() -> i32 {
    3600
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    pub job_name: String,
    pub arn: String,
    pub instance_type: String,
    pub instance_count: i32,
    /// Seconds that AWS would bill, on each instance.
    pub billable_seconds: i64,
    /// The last value of each metric, by name.
    pub metrics: BTreeMap<String, f64>,
    /// Metrics of each epoch.
    pub epochs: Vec<EpochMetrics>,
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    /// S3 URI of `model.tar.gz`.
    pub model_uri: String,
}

const METRICS: [&str; 6] =
    ["train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "test_loss", "test_accuracy"];

impl Kind for Train {
    const NAME: &'static str = "train";
    const ABOUT: &'static str = "runs a SageMaker training job";
    const OWNS: bool = true;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.is_worker() {
            if let Err(error) = Hyperparameters::from_values(self.hyperparameters.clone()) {
                let field = error
                    .name
                    .iter()
                    .fold("hyperparameters".to_owned(), |path, name| format!("{path}.{name}"));
                problems.push(Problem::at(field, error.to_string()));
            }
            if !self.inputs.contains_key(opsml_contract::TRAINING_CHANNEL) {
                problems.push(Problem::at(
                    "inputs",
                    "`opsml-worker` trains on the channel `training`, and it is not here",
                ));
            }
        }
        if self.inputs.is_empty() || self.inputs.len() > 20 {
            problems.push(Problem::at("inputs", "a training job has 1 to 20 channels"));
        }
        for metric in &self.metric_definitions {
            if let Err(error) = regex::Regex::new(&metric.regex) {
                problems.push(Problem::at(
                    "metric_definitions",
                    format!("the regex of `{}`: {error}", metric.name),
                ));
            }
        }
        problems
    }

    fn price(&self) -> Option<(f64, String)> {
        let hourly = price::hourly(&self.instance_type.0)?;
        let worst = hourly * f64::from(self.instance_count) * f64::from(self.max_run) / 3600.0;
        let (count, instance) = (self.instance_count, &self.instance_type.0);
        Some((worst, format!("{count} × {instance} at {hourly} USD an hour, {} s at most", self.max_run)))
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let mut metrics = self.metric_definitions.clone();
        if metrics.is_empty() && self.is_worker() {
            metrics =
                METRICS.map(|name| MetricDefinition { name: name.into(), regex: metric_regex(name) }).into();
        }
        let wanted = TrainingJob {
            base: context.base(),
            image: context.aws().image(&self.image),
            role_arn: self.role.0.clone(),
            instance_type: self.instance_type.0.clone(),
            instance_count: self.instance_count,
            volume_size_gb: self.volume_size,
            max_runtime_seconds: self.max_run,
            inputs: self.inputs.iter().map(|(channel, uri)| (channel.clone(), uri.0.clone())).collect(),
            output_path: self.output_path.0.clone(),
            checkpoint_path: self.checkpoint_s3_uri.as_ref().map(|uri| uri.0.clone()),
            hyperparameters: self
                .hyperparameters
                .iter()
                .map(|(name, value)| (name.clone(), plain(value)))
                .collect(),
            metrics,
            environment: self.environment.clone(),
        };
        let held = context.ensure("job", wanted).await?;
        let output = match self.is_worker() {
            true => training_output(context.aws(), &self.output_path.0, &held.name).await?,
            false => TrainingOutput::default(),
        };
        let mut metrics: BTreeMap<String, f64> = held
            .facts
            .get("metrics")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
            .collect();
        // Describe rounds to 32 bits; the job's own line has all of it.
        if let Some(test) = &output.test {
            metrics.insert("test_loss".into(), test.test_loss);
            metrics.insert("test_accuracy".into(), test.test_accuracy);
        }
        let figures = curves(&output.epochs);
        let outputs = Outputs {
            arn: held.text("arn"),
            instance_type: self.instance_type.0.clone(),
            instance_count: self.instance_count,
            billable_seconds: held.facts.get("billable_seconds").and_then(Value::as_i64).unwrap_or_default(),
            metrics,
            classes: output.setup.map(|setup| setup.classes).unwrap_or_default(),
            epochs: output.epochs,
            model_uri: held.text("model_uri"),
            job_name: held.name,
        };
        let metrics: Vec<String> = outputs
            .metrics
            .iter()
            .filter(|(name, _)| name.contains("accuracy"))
            .map(|(name, value)| format!("{name} {value:.4}"))
            .collect();
        let summary = format!("{} {}", outputs.job_name, metrics.join(", "));
        Ok(Done::new(outputs, summary).figures(figures))
    }
}

impl Train {
    fn is_worker(&self) -> bool {
        self.image == WORKER_IMAGE || self.image.contains(&format!("/{WORKER_IMAGE}:"))
    }
}

/// A hyperparameter as SageMaker takes it: text as it is, everything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn curves(epochs: &[EpochMetrics]) -> Vec<Figure> {
    let series = |name: &str, value: fn(&EpochMetrics) -> f64| Series {
        name: name.to_owned(),
        points: epochs.iter().map(|epoch| (f64::from(epoch.epoch), value(epoch))).collect(),
    };
    if epochs.is_empty() {
        return Vec::new();
    }
    vec![
        Figure::Curve {
            caption: "Loss by epoch".into(),
            x: "epoch".into(),
            y: "cross-entropy".into(),
            series: vec![series("train", |e| e.train_loss), series("valid", |e| e.valid_loss)],
        },
        Figure::Curve {
            caption: "Accuracy by epoch".into(),
            x: "epoch".into(),
            y: "accuracy".into(),
            series: vec![series("train", |e| e.train_accuracy), series("valid", |e| e.valid_accuracy)],
        },
    ]
}
