//! Checks CreateHyperParameterTuningJob in addition to AWS's model, and makes the plan for the job.

use serde_json::{Map, Value, json};

use super::ranges::{self, Range, Values};
use super::search::cells;
use crate::call::AwsError;
use crate::ec2::Network;
use crate::sagemaker::resource::text;
use crate::sagemaker::training::{self, OBJECTIVE};

/// The other name of a trial's instances.
const RESOURCES: &str = "HyperParameterTuningResourceConfig";

/// The plan of a tuning job: its settings, checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub strategy: String,
    pub ranges: Vec<Range>,
    /// The number of trials in all.
    pub jobs: usize,
    pub parallel: usize,
    /// The seed of the search. It is random if the request has none.
    pub seed: u64,
}

impl Plan {
    /// Returns the plan of a tuning job.
    ///
    /// # Errors
    /// A ValidationException; `UnknownOperationException` for what the local cloud lacks.
    pub fn of(network: &dyn Network, input: &Value) -> Result<Self, AwsError> {
        refuse_unsupported(input)?;
        let config = &input["HyperParameterTuningJobConfig"];
        let strategy = text(config, "Strategy").to_owned();
        let definition = &input["TrainingJobDefinition"];
        if !definition.is_object() {
            return Err(AwsError::validation(
                "You must provide a TrainingJobDefinition or TrainingJobDefinitions for the hyperparameter tuning job.",
            ));
        }
        check_objective(config, definition)?;
        let ranges = ranges::read(&config["ParameterRanges"])?;
        let statics = &definition["StaticHyperParameters"];
        if let Some(both) = ranges.iter().find(|range| !statics[&range.name].is_null()) {
            return Err(AwsError::validation(format!(
                "The hyperparameter {} is both static and tunable: it must be either.",
                both.name
            )));
        }
        let limits = &config["ResourceLimits"];
        let parallel = limits["MaxParallelTrainingJobs"].as_u64().unwrap_or(1);
        let jobs = jobs(&strategy, &ranges, limits["MaxNumberOfTrainingJobs"].as_u64())?;
        if parallel > jobs {
            return Err(AwsError::validation(format!(
                "MaxParallelTrainingJobs [{parallel}] must be less than or equal to MaxNumberOfTrainingJobs [{jobs}]."
            )));
        }
        let seed = config["RandomSeed"].as_u64().unwrap_or_else(rand::random);
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let plan = Self { strategy, ranges, jobs: count(jobs), parallel: count(parallel), seed };
        // A mistake that would make every trial fail is refused now.
        let middle: Vec<f64> = plan.ranges.iter().map(|_| 0.5).collect();
        training::check(network, &trial_input(input, "trial", &plan.tuned(&middle)))?;
        Ok(plan)
    }

    /// Returns the hyperparameters at a point.
    pub fn tuned(&self, point: &[f64]) -> Map<String, Value> {
        let ranges = self.ranges.iter().zip(point);
        ranges.map(|(range, at)| (range.name.clone(), json!(range.value(*at)))).collect()
    }
}

/// Returns the instances of each trial, by either name.
pub fn resources(definition: &Value) -> &Value {
    if definition[RESOURCES].is_null() { &definition["ResourceConfig"] } else { &definition[RESOURCES] }
}

fn refuse_unsupported(input: &Value) -> Result<(), AwsError> {
    let config = &input["HyperParameterTuningJobConfig"];
    let definition = &input["TrainingJobDefinition"];
    let refuse = |what: &str| {
        Err(AwsError::unsupported("SageMaker", &format!("{what} in CreateHyperParameterTuningJob")))
    };
    if definition[RESOURCES].is_object() && definition["ResourceConfig"].is_object() {
        return Err(AwsError::validation(format!(
            "TrainingJobDefinition has both ResourceConfig and {RESOURCES}: specify one of them."
        )));
    }
    if text(config, "Strategy") == "Hyperband" {
        return refuse("the strategy Hyperband");
    }
    if text(config, "TrainingJobEarlyStoppingType") == "Auto" {
        return refuse("TrainingJobEarlyStoppingType Auto");
    }
    Ok(())
}

fn check_objective(config: &Value, definition: &Value) -> Result<(), AwsError> {
    let metric = text(&config["HyperParameterTuningJobObjective"], "MetricName");
    let defined = definition["AlgorithmSpecification"]["MetricDefinitions"].as_array();
    let names: Vec<&str> = defined.into_iter().flatten().map(|each| text(each, "Name")).collect();
    if names.is_empty() {
        return Err(AwsError::validation(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric \
             definitions.",
        ));
    }
    if metric.is_empty() {
        return Err(AwsError::validation(
            "HyperParameterTuningJobObjective is required: it names the metric that is tuned for.",
        ));
    }
    if !names.contains(&metric) {
        return Err(AwsError::validation(format!(
            "The objective metric for the hyperparameter tuning job, [{metric}], isn't valid. Choose a valid objective \
             metric name from [{}].",
            names.join(", ")
        )));
    }
    match definition["StaticHyperParameters"][OBJECTIVE].as_str() {
        Some(named) if named != metric => Err(AwsError::validation(format!(
            "The hyperparameter {OBJECTIVE} is reserved: it is the objective metric's name, {metric}."
        ))),
        _ => Ok(()),
    }
}

/// Returns the number of trials. `asked` is MaxNumberOfTrainingJobs.
fn jobs(strategy: &str, ranges: &[Range], asked: Option<u64>) -> Result<u64, AwsError> {
    if strategy != "Grid" {
        return asked.ok_or_else(|| {
            AwsError::validation(format!("MaxNumberOfTrainingJobs is required for the strategy {strategy}."))
        });
    }
    if let Some(other) = ranges.iter().find(|range| !matches!(range.values, Values::Categorical(_))) {
        return Err(AwsError::validation(format!(
            "Grid search takes only categorical parameters; the hyperparameter {} is none.",
            other.name
        )));
    }
    let cells = cells(ranges) as u64;
    match asked {
        Some(asked) if asked != cells => Err(AwsError::validation(format!(
            "MaxNumberOfTrainingJobs [{asked}] must be the number of distinct categorical combinations, {cells}, for \
             grid search."
        ))),
        _ => Ok(cells),
    }
}

/// Returns CreateTrainingJob's input for a trial.
pub fn trial_input(input: &Value, name: &str, tuned: &Map<String, Value>) -> Value {
    let definition = &input["TrainingJobDefinition"];
    let mut trial = definition.as_object().cloned().unwrap_or_default();
    trial.remove("DefinitionName");
    // SageMaker's SDK sends the instances by this name. For one type of instance, its members are ResourceConfig's.
    if let Some(resources) = trial.remove(RESOURCES) {
        trial.insert("ResourceConfig".to_owned(), resources);
    }
    let mut parameters = match trial.remove("StaticHyperParameters") {
        Some(Value::Object(statics)) => statics,
        _ => Map::new(),
    };
    parameters.extend(tuned.clone());
    let objective = &input["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"];
    parameters.insert(OBJECTIVE.to_owned(), objective["MetricName"].clone());
    trial.insert("TrainingJobName".to_owned(), json!(name));
    trial.insert("HyperParameters".to_owned(), Value::Object(parameters));
    if !input["Tags"].is_null() {
        trial.insert("Tags".to_owned(), input["Tags"].clone());
    }
    // Each trial has its own folder of checkpoints, so that it doesn't resume from another trial's.
    if let Some(uri) = trial.get("CheckpointConfig").and_then(|config| config["S3Uri"].as_str()) {
        let uri = format!("{}/{name}", uri.trim_end_matches('/'));
        trial["CheckpointConfig"]["S3Uri"] = json!(uri);
    }
    Value::Object(trial)
}
