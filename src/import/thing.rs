//! The objects of SageMaker's SDK that a notebook makes, in versions 2 and 3.

use serde_json::{Map, Value as Json};

use super::draft::Draft;
use super::value::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Session,
    /// `PyTorch`, `Estimator` of version 2.
    Estimator,
    /// `ModelTrainer` of version 3.
    Trainer,
    Tuner,
    /// `PyTorchModel`, `Model`, and `ModelBuilder` of version 3.
    Model,
    Predictor,
    /// The best training of a tuner.
    Best,
    /// Its hyperparameters.
    BestValues,
    /// The training job of an estimator.
    Job,
    /// What only holds its arguments: a range, a channel, a `Compute`.
    Record,
    /// An estimator or model of a framework that opsml has no step for.
    Foreign,
}

/// A class of the SDK.
pub struct ClassInfo {
    pub name: &'static str,
    pub class: Class,
    /// The names of its first parameters, in order.
    pub parameters: &'static [&'static str],
}

const fn info(name: &'static str, class: Class, parameters: &'static [&'static str]) -> ClassInfo {
    ClassInfo { name, class, parameters }
}

/// <https://sagemaker.readthedocs.io/en/v2/> and <https://sagemaker.readthedocs.io/en/stable/>.
const CLASSES: &[ClassInfo] = &[
    info("Session", Class::Session, &[]),
    info("LocalSession", Class::Session, &[]),
    info(
        "PyTorch",
        Class::Estimator,
        &["entry_point", "framework_version", "py_version", "source_dir", "hyperparameters", "image_uri"],
    ),
    info("Estimator", Class::Estimator, &["image_uri", "role", "instance_count", "instance_type"]),
    info("ModelTrainer", Class::Trainer, &[]),
    info(
        "HyperparameterTuner",
        Class::Tuner,
        &[
            "estimator",
            "objective_metric_name",
            "hyperparameter_ranges",
            "metric_definitions",
            "strategy",
            "objective_type",
            "max_jobs",
            "max_parallel_jobs",
        ],
    ),
    info(
        "PyTorchModel",
        Class::Model,
        &[
            "model_data",
            "role",
            "entry_point",
            "framework_version",
            "py_version",
            "image_uri",
            "predictor_cls",
        ],
    ),
    info("Model", Class::Model, &["image_uri", "model_data", "role"]),
    info("ModelBuilder", Class::Model, &["model"]),
    info("Predictor", Class::Predictor, &["endpoint_name"]),
    info("PyTorchPredictor", Class::Predictor, &["endpoint_name"]),
    info("ContinuousParameter", Class::Record, &["min_value", "max_value", "scaling_type"]),
    info("IntegerParameter", Class::Record, &["min_value", "max_value", "scaling_type"]),
    info("CategoricalParameter", Class::Record, &["values"]),
    info("TrainingInput", Class::Record, &["s3_data"]),
    info("s3_input", Class::Record, &["s3_data"]),
    info("InputData", Class::Record, &["channel_name", "data_source"]),
    info("S3DataSource", Class::Record, &["s3_uri"]),
    info("SourceCode", Class::Record, &[]),
    info("Compute", Class::Record, &[]),
    info("StoppingCondition", Class::Record, &[]),
    info("OutputDataConfig", Class::Record, &[]),
    info("CheckpointConfig", Class::Record, &[]),
    info("MetricDefinition", Class::Record, &["name", "regex"]),
    info("TensorFlow", Class::Foreign, &[]),
    info("TensorFlowModel", Class::Foreign, &[]),
    info("HuggingFace", Class::Foreign, &[]),
    info("HuggingFaceModel", Class::Foreign, &[]),
    info("SKLearn", Class::Foreign, &[]),
    info("SKLearnModel", Class::Foreign, &[]),
    info("XGBoost", Class::Foreign, &[]),
    info("XGBoostModel", Class::Foreign, &[]),
    info("MXNet", Class::Foreign, &[]),
    info("KMeans", Class::Foreign, &[]),
    info("LinearLearner", Class::Foreign, &[]),
    info("Processor", Class::Foreign, &[]),
    info("ScriptProcessor", Class::Foreign, &[]),
    info("SKLearnProcessor", Class::Foreign, &[]),
    info("Pipeline", Class::Foreign, &[]),
];

pub fn class(name: &str) -> Option<&'static ClassInfo> {
    CLASSES.iter().find(|info| info.name == name)
}

#[derive(Clone, Debug)]
pub struct Thing {
    pub class: Class,
    /// The name of its class in the SDK.
    pub name: String,
    pub arguments: Vec<(String, Value)>,
    /// The step that came of it: its training, tuning or endpoint.
    pub step: Option<String>,
}

impl Thing {
    /// Returns the first of these arguments that is given and not None.
    pub fn argument(&self, names: &[&str]) -> Option<&Value> {
        let given = |name: &&str| {
            let found = self.arguments.iter().rev().find(|(given, _)| given == *name);
            found.map(|(_, value)| value).filter(|value| !value.is_none())
        };
        names.iter().find_map(given)
    }

    pub fn set(&mut self, name: &str, value: Value) {
        self.arguments.retain(|(given, _)| given != name);
        self.arguments.push((name.to_owned(), value));
    }
}

/// The arguments of a call.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    pub positional: Vec<Value>,
    pub named: Vec<(String, Value)>,
}

impl Arguments {
    /// Returns the arguments by the names of their parameters.
    pub fn bound(self, parameters: &[&str]) -> Vec<(String, Value)> {
        let positional = parameters.iter().map(|name| (*name).to_owned()).zip(self.positional);
        positional.chain(self.named).collect()
    }

    /// Returns the argument with this name, or at this place.
    pub fn get(&self, name: &str, place: usize) -> Option<&Value> {
        let named = self.named.iter().find(|(given, _)| given == name).map(|(_, value)| value);
        named.or(self.positional.get(place)).filter(|value| !value.is_none())
    }
}

/// What has been read so far.
#[derive(Debug, Default)]
pub struct Scene {
    pub draft: Draft,
    pub things: Vec<Thing>,
    /// What was uploaded: each destination as the notebook names it, and the step.
    pub uploads: Vec<(String, String)>,
    /// The file names of the archives that the step `data` reads.
    pub archives: Vec<String>,
    /// Whether the statement that is read has called something of the SDK.
    pub touched: bool,
}

impl Scene {
    pub fn add(&mut self, thing: Thing) -> Value {
        self.things.push(thing);
        Value::Thing(self.things.len() - 1)
    }

    pub fn thing(&self, value: &Value) -> Option<&Thing> {
        match value {
            Value::Thing(index) => self.things.get(*index),
            _ => None,
        }
    }

    /// Returns a field for a value; if it isn't known, a parameter with a default. `what` names it in messages.
    pub fn field(&mut self, value: &Value, name: &str, what: &str, default: &str) -> Json {
        match value.to_field() {
            Ok(field) => field,
            Err(given) => self.draft.param(given.as_deref().unwrap_or(name), what, default),
        }
    }

    /// Writes a field, unless its value isn't known.
    pub fn optional(&mut self, fields: &mut Map<String, Json>, name: &str, value: &Value, what: &str) {
        match value.to_field() {
            Ok(field) => drop(fields.insert(name.to_owned(), field)),
            Err(_) => self.draft.note(format!("{what} is not known, and is left out")),
        }
    }

    /// Returns an argument of a record: `instance_type` of a `Compute`.
    pub fn member(&self, record: Option<&Value>, names: &[&str]) -> Option<Value> {
        self.thing(record?)?.argument(names).cloned()
    }
}
