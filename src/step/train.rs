//! `train`: a SageMaker training job.

use std::collections::BTreeMap;

use opsml_contract::{Hyperparameters, WORKER_IMAGE, metric_regex};
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::context::{Context, Done};
use super::fields::{RoleArn, S3Uri, TrainingInstance};
use super::instance_type::{is_burstable, steady};
use super::kind::{Kind, Local, LocalForm, Price, Problem};
use super::trained::{Trained, contents};
use super::training_figures::training_figures;
use crate::action::{TrainingOutput, training_output};
use crate::archive;
use crate::diagnostic::{Severity, closest};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::resource::{MetricDefinition, Objects, TrainingJob, split_uri};
use crate::written;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// `opsml-worker`, or the URI of another training image. With `entry_point`, the default is AWS's PyTorch image.
    pub image: Option<String>,
    /// Script mode: the Python script to run, below `source_dir`.
    pub entry_point: Option<String>,
    /// Script mode: the folder of the script and its modules.
    pub source_dir: Option<String>,
    /// Script mode: the version of PyTorch in AWS's image, such as `2.5`.
    #[schemars(regex(pattern = r"^\d+\.\d+(\.\d+)?$"), extend("x-rule" = "a version is such as 2.5 or 2.5.1, in quotes"))]
    pub framework_version: Option<String>,
    /// Script mode: the Python in AWS's image, such as `py311`.
    #[schemars(regex(pattern = r"^py\d{2,3}$"), extend("x-rule" = "a Python version is such as py311"))]
    pub py_version: Option<String>,
    /// ARN of the role with which the job reads its data and writes its model.
    pub role: RoleArn,
    /// The instance type.
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
    /// S3 prefixes by channel. `training` contains train/, valid/ and test/. `opsml-worker` starts from pretrained weights if
    /// there is a channel `weights` with one file: `.safetensors` or `.pth` with a state dict in torchvision's layout, as
    /// `resnet18-f37072fd.pth`, or the `model.tar.gz` of an earlier training. A head of other classes is made anew.
    #[schemars(extend("x-hint" = "each channel has a name: {training: s3://BUCKET/PREFIX}"))]
    pub inputs: BTreeMap<String, S3Uri>,
    /// The S3 prefix for the model, which is `JOB/output/model.tar.gz` below it.
    pub output_path: S3Uri,
    /// The S3 prefix for checkpoints, so that an interrupted job can resume.
    pub checkpoint_s3_uri: Option<S3Uri>,
    /// Hyperparameters by name. `opsml explain hyperparameters` says which `opsml-worker` has.
    #[serde(default)]
    #[schemars(extend("x-members" = "hyperparameters"))]
    pub hyperparameters: Map<String, Value>,
    /// Metrics to find in the log. Those of `opsml-worker` need not be given.
    #[serde(default)]
    pub metric_definitions: Vec<MetricDefinition>,
    /// Environment variables of the container.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
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
    /// The training job's name.
    pub job_name: String,
    /// The training job's ARN.
    pub arn: String,
    #[serde(flatten)]
    pub trained: Trained,
}

/// The hyperparameter of `opsml-worker` with the place in S3 where jobs share features.
pub(super) const FEATURES: &str = "features";

const METRICS: [&str; 6] =
    ["train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "test_loss", "test_accuracy"];

impl Kind for Train {
    const NAME: &'static str = "train";
    const ABOUT: &'static str = "runs a SageMaker training job";
    const OWNS: bool = true;
    const BESIDE: bool = true;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(self.script_problems());
        if is_burstable(&self.instance_type.0) {
            let message = format!(
                "`{}` is burstable: once its credits are spent, a training computes with a part of its processors",
                self.instance_type.0
            );
            let problem = Problem::at("instance_type", message);
            let hint = format!("for example `{}` is not", steady(&self.instance_type.0));
            problems.push(Problem { severity: Severity::Warning, ..problem }.hint(hint));
        }
        if self.is_worker() {
            problems.extend(hyperparameter_problems(&self.hyperparameters));
            problems.extend(self.features_among_inputs());
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
        for (index, metric) in self.metric_definitions.iter().enumerate() {
            let wrong = match regex::Regex::new(&metric.regex) {
                Ok(regex) if regex.captures_len() > 1 => continue,
                Ok(_) => "it has no group in parentheses, which is the value: ([0-9.]+)".to_owned(),
                Err(error) => regex_words(&error),
            };
            let message = format!("the regex of `{}`: {wrong}", metric.name);
            problems.push(Problem::at(format!("metric_definitions.{index}.regex"), message));
        }
        problems
    }

    fn price(&self) -> Option<Price> {
        let hours = f64::from(self.max_run) / 3600.0;
        let how_long = format!("{} s at most", self.max_run);
        Some(Price::of_instances(&self.instance_type.0, self.instance_count, hours, &how_long))
    }

    fn locals(fields: &Value) -> Vec<Local> {
        let folder = Local::of(fields, "source_dir", LocalForm::Folder);
        let script = Local::of(fields, "entry_point", LocalForm::File).zip(folder.clone());
        let script = script.map(|(script, folder)| Local {
            path: format!("{}/{}", folder.path.trim_end_matches('/'), script.path),
            ..script
        });
        folder.into_iter().chain(script).collect()
    }

    fn keys(fields: &Value, output: &str) -> Option<Vec<String>> {
        (output == "metrics").then(|| metric_names(fields))?
    }

    fn files(&self) -> Vec<String> {
        self.source_dir.iter().cloned().collect()
    }

    fn offers(outputs: &Value) -> Option<(&'static str, String)> {
        let accuracy = outputs.pointer("/metrics/test_accuracy")?.as_f64()?;
        Some(("Test accuracy", written::percent(accuracy)))
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let wanted = self.job(context).await?;
        let held = context.ensure("job", wanted).await?;
        let output = match self.is_worker() {
            true => training_output(context.aws(), &self.output_path.0, &held.name).await?,
            false => TrainingOutput::default(),
        };
        let metrics: BTreeMap<String, f64> = held
            .facts
            .get("metrics")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
            .collect();
        let figures = training_figures(&output, context)?;
        let billable = held.facts.get("billable_seconds").and_then(Value::as_i64).unwrap_or_default();
        let machines = (self.instance_count, self.instance_type.0.as_str());
        let trained = Trained::new(output, machines, billable, metrics, held.text("model_uri"));
        let outputs = Outputs { arn: held.text("arn"), trained, job_name: held.name };
        let metrics: Vec<String> = outputs
            .trained
            .metrics
            .iter()
            .filter(|(name, _)| name.contains("accuracy"))
            .map(|(name, value)| format!("{name} {value:.4}"))
            .collect();
        let unseen = self.metric_definitions.iter().map(|metric| metric.name.as_str());
        let unseen: Vec<&str> = unseen.filter(|name| !outputs.trained.metrics.contains_key(*name)).collect();
        let mut summary = format!("{} {}", outputs.job_name, metrics.join(", "));
        if !unseen.is_empty() {
            summary.push_str(&format!("; no line of its log (`opsml logs`) has {}", unseen.join(", ")));
        }
        Ok(Done::new(outputs, summary).figures(figures))
    }
}

impl Train {
    pub(super) fn is_worker(&self) -> bool {
        self.image.as_deref().map_or(self.entry_point.is_none(), is_worker_image)
    }

    /// Whether `opsml-worker` trains the head alone in each job.
    pub(super) fn has_frozen_backbone(&self) -> bool {
        let fine_tune = self.hyperparameters.get("fine_tune").and_then(Value::as_str);
        self.is_worker() && fine_tune == Some("head")
    }

    /// Returns the place for the features that jobs share, unless one is given.
    pub(super) fn features_beside_models(&self) -> String {
        format!("{}/features", self.output_path.0.trim_end_matches('/'))
    }

    /// Features that lie among a job's inputs would change these with each job.
    fn features_among_inputs(&self) -> Option<Problem> {
        let below = |uri: &str| format!("{}/", uri.trim_end_matches('/'));
        let place = below(self.hyperparameters.get(FEATURES)?.as_str()?);
        let (channel, _) = self.inputs.iter().find(|(_, input)| place.starts_with(&below(&input.0)))?;
        let message =
            format!("the features would be among the images of the channel `{channel}`: name another place");
        Some(Problem::at(format!("hyperparameters.{FEATURES}"), message))
    }

    fn script_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let Some(entry_point) = &self.entry_point else {
            let needless = [
                ("source_dir", self.source_dir.is_some()),
                ("framework_version", self.framework_version.is_some()),
                ("py_version", self.py_version.is_some()),
            ];
            let needless = needless.into_iter().filter(|(_, given)| *given);
            return needless
                .map(|(field, _)| {
                    Problem::at(field, format!("`{field}` goes with `entry_point`, which is not here"))
                })
                .collect();
        };
        if !entry_point.ends_with(".py") || entry_point.starts_with('/') || entry_point.contains("..") {
            problems.push(Problem::at(
                "entry_point",
                format!("`{entry_point}` is not a Python script below source_dir"),
            ));
        }
        if self.source_dir.is_none() {
            problems.push(Problem::at(
                "entry_point",
                "`entry_point` needs `source_dir`, the folder that it lies in",
            ));
        }
        if self.image.is_none() && (self.framework_version.is_none() || self.py_version.is_none()) {
            let message =
                "AWS's PyTorch image is named by `framework_version` and `py_version`, and one is missing";
            problems.push(Problem::at("entry_point", message));
        }
        problems
    }

    /// Returns the metrics to find in the log.
    pub(super) fn metrics(&self) -> Vec<MetricDefinition> {
        if self.metric_definitions.is_empty() && self.is_worker() {
            return METRICS
                .map(|name| MetricDefinition { name: name.into(), regex: metric_regex(name) })
                .into();
        }
        self.metric_definitions.clone()
    }

    /// Returns the request for the job. In script mode, uploads the script first.
    pub(super) async fn job(&self, context: &mut Context<'_>) -> Outcome<TrainingJob> {
        context.apart(&self.output_path.0, false)?;
        self.checkpoint_s3_uri.iter().try_for_each(|uri| context.apart(&uri.0, false))?;
        if let Some(place) =
            self.hyperparameters.get(FEATURES).and_then(Value::as_str).filter(|_| self.is_worker())
        {
            context.apart(place, false)?;
        }
        let image = match (&self.image, &self.framework_version, &self.py_version) {
            (Some(image), ..) => context.aws().image(image),
            (None, Some(version), Some(python)) => {
                context.aws().pytorch_image(version, python, &self.instance_type.0)
            }
            _ => context.aws().image(WORKER_IMAGE),
        };
        let mut hyperparameters: BTreeMap<String, String> =
            self.hyperparameters.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
        let mut reads: Vec<S3Uri> = self.inputs.values().cloned().collect();
        if let (Some(script), Some(folder)) = (&self.entry_point, &self.source_dir) {
            let uri = self.upload_source(context, folder).await?;
            // Its URI stays the same if the script changes.
            reads.push(S3Uri(uri.clone()));
            // The SageMaker toolkit in the image decodes each value as JSON.
            hyperparameters =
                self.hyperparameters.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
            let toolkit = [
                ("sagemaker_program", Value::from(script.clone())),
                ("sagemaker_submit_directory", Value::from(uri)),
                ("sagemaker_container_log_level", Value::from(20)),
                ("sagemaker_region", Value::from(context.aws().region.clone())),
            ];
            hyperparameters.extend(toolkit.map(|(name, value)| (name.to_owned(), value.to_string())));
        }
        let contents = contents(context.aws(), reads.iter()).await?;
        Ok(TrainingJob {
            base: context.base(),
            contents,
            image,
            role_arn: self.role.0.clone(),
            instance_type: self.instance_type.0.clone(),
            instance_count: self.instance_count,
            volume_size_gb: self.volume_size,
            max_runtime_seconds: self.max_run,
            inputs: self.inputs.iter().map(|(channel, uri)| (channel.clone(), uri.0.clone())).collect(),
            output_path: self.output_path.0.clone(),
            checkpoint_path: self.checkpoint_s3_uri.as_ref().map(|uri| uri.0.clone()),
            hyperparameters,
            metrics: self.metrics(),
            environment: self.environment.clone(),
        })
    }

    /// Packs the script's folder as `sourcedir.tar.gz`, uploads it below the output path, and returns its S3 URI.
    async fn upload_source(&self, context: &mut Context<'_>, folder: &str) -> Outcome<String> {
        let source = context.paths.resolve(folder)?;
        let digest = files::digest(&source)?;
        let cache = context.paths.base.join(&context.paths.cache).join(format!("source-{digest}"));
        let archive = cache.join("sourcedir.tar.gz");
        let packed = archive.clone();
        tokio::task::block_in_place(|| archive::pack(&source, &packed))?;
        let bytes = std::fs::metadata(&archive).map_err(|error| Failure::file(&archive, error))?.len();
        let (bucket, key) = split_uri(&self.output_path.0)?;
        let key = format!("{}/{}/source/", key.trim_end_matches('/'), context.base());
        let objects = Objects {
            bucket,
            prefix: key.trim_start_matches('/').to_owned(),
            folder: cache,
            digest,
            files: 1,
            bytes,
            hidden: false,
        };
        let held = context.ensure("source", objects).await?;
        Ok(format!("{}sourcedir.tar.gz", held.text("uri")))
    }
}

pub(super) fn is_worker_image(image: &str) -> bool {
    image == WORKER_IMAGE || image.contains(&format!("/{WORKER_IMAGE}:"))
}

/// Whether the fields of a `train` step, with templates in them, are those of a training by another program than
/// `opsml-worker`.
pub(super) fn is_foreign(fields: &Value) -> bool {
    match fields.get("image") {
        None | Some(Value::Null) => fields.get("entry_point").is_some_and(Value::is_string),
        Some(image) => image.as_str().is_some_and(|image| !image.contains("{{") && !is_worker_image(image)),
    }
}

/// Returns the names of a training's metrics, if its fields say them.
fn metric_names(fields: &Value) -> Option<Vec<String>> {
    let is_open = |text: &str| text.contains("{{");
    if fields.get("image").and_then(Value::as_str).is_some_and(is_open) {
        return None;
    }
    let (given, foreign) = (fields.get("metric_definitions"), is_foreign(fields));
    let Some(given) = given.filter(|given| !given.is_null()) else {
        // Another image may have metrics of its own, as those of AWS's algorithms.
        return (!foreign).then(|| METRICS.map(str::to_owned).into());
    };
    let names = given.as_array()?.iter().map(|one| one.get("name")?.as_str().map(str::to_owned));
    let mut names: Vec<String> = names.collect::<Option<_>>()?;
    if names.is_empty() || names.iter().any(|name| is_open(name)) {
        return None;
    }
    // The job's own record of the test has these, whatever the log has.
    names.extend(["test_loss", "test_accuracy"].iter().filter(|_| !foreign).map(|name| (*name).to_owned()));
    Some(names)
}

/// Returns what is wrong with a regular expression, without the picture of it that the library draws.
fn regex_words(error: &regex::Error) -> String {
    let said = error.to_string();
    match said.rsplit_once("error: ") {
        Some((_, reason)) => reason.trim().to_owned(),
        None => said,
    }
}

/// Returns a hyperparameter as text, which SageMaker requires: any other value becomes JSON.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the problems that the worker would find in its hyperparameters: first of each, then of their combination.
pub(super) fn hyperparameter_problems(values: &Map<String, Value>) -> Vec<Problem> {
    let known = schema_for!(Hyperparameters).to_value();
    let known = known.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let alone = |(name, value): (&String, &Value)| {
        let one = Map::from_iter([(name.clone(), value.clone())]);
        let error = Hyperparameters::from_values(one).err()?;
        let mut problem = Problem::at(format!("hyperparameters.{name}"), error.to_string());
        if !known.contains_key(name) {
            problem.key = true;
            problem.message = format!("`opsml-worker` has no hyperparameter `{name}`");
            let all = known.keys().map(String::as_str);
            problem.hints.push(match closest(name, all.clone()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known names: {}", all.collect::<Vec<_>>().join(", ")),
            });
        }
        Some(problem)
    };
    let problems: Vec<Problem> = values.iter().filter_map(alone).collect();
    if !problems.is_empty() {
        return problems;
    }
    let together = Hyperparameters::from_values(values.clone()).err();
    together.into_iter().map(|error| Problem::at("hyperparameters", error.to_string())).collect()
}
