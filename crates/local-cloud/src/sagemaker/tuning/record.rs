//! A tuning job as it is stored, and as Describe and List return it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::sagemaker::resource::{echo, text, words};
use crate::sagemaker::training;
use crate::store::Store;
use crate::support::clock::{now_ms, seconds};

pub const STORE: &str = "sagemaker.tuning-job";
/// The kind's name in ARNs.
pub const PATH: &str = "hyper-parameter-tuning-job";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tuning {
    /// The input of CreateHyperParameterTuningJob.
    pub input: Value,
    pub arn: String,
    pub status: Status,
    pub trials: Vec<Trial>,
    pub failure: Option<String>,
    pub created_ms: i64,
    pub modified_ms: i64,
    pub ended_ms: Option<i64>,
}

/// HyperParameterTuningJobStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    InProgress,
    Completed,
    Failed,
    Stopping,
    Stopped,
}

impl Status {
    /// Returns whether the status never changes again.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::InProgress | Self::Stopping)
    }
}

/// A training job of a tuning job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trial {
    pub name: String,
    /// The hyperparameters that were chosen for it.
    pub tuned: Map<String, Value>,
    /// How it ended. None: it is running, and its training job has the present state.
    pub outcome: Option<Outcome>,
}

/// The data of a training job that its tuning job needs. They are copied, since a training job that has ended can be
/// deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub status: training::Status,
    pub created_ms: i64,
    pub started_ms: Option<i64>,
    pub ended_ms: Option<i64>,
    pub failure: Option<String>,
    /// The last value of the objective metric.
    pub objective: Option<f64>,
}

impl Outcome {
    /// Returns the outcome of a training job. `metric` is the objective metric.
    pub fn of(job: &training::Job, metric: &str) -> Self {
        let objective = job.metrics.iter().find(|(name, ..)| name == metric).map(|(_, value, _)| *value);
        Self {
            status: job.status,
            created_ms: job.created_ms,
            started_ms: job.started_ms,
            ended_ms: job.ended_ms,
            failure: job.failure.clone(),
            objective,
        }
    }

    /// Returns the value of the objective. None: it doesn't count, since the training job failed or is still running.
    pub fn result(&self) -> Option<f64> {
        self.objective
            .filter(|_| matches!(self.status, training::Status::Completed | training::Status::Stopped))
    }

    fn objective_status(&self) -> &'static str {
        match self.result() {
            Some(_) => "Succeeded",
            None if self.status.is_final() => "Failed",
            None => "Pending",
        }
    }
}

/// The objective of a tuning job: the metric's name, and whether a lower value is better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objective {
    pub metric: String,
    pub minimize: bool,
}

impl Objective {
    /// Returns the objective of a tuning job.
    pub fn of(input: &Value) -> Self {
        let objective = &input["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"];
        let metric = text(objective, "MetricName").to_owned();
        Self { metric, minimize: text(objective, "Type") == "Minimize" }
    }

    /// Returns the loss for a value. A lower loss is better.
    pub fn loss(&self, value: f64) -> f64 {
        if self.minimize { value } else { -value }
    }
}

impl Tuning {
    pub fn new(input: Value, arn: String) -> Self {
        let now = now_ms();
        Self {
            input,
            arn,
            status: Status::InProgress,
            trials: Vec::new(),
            failure: None,
            created_ms: now,
            modified_ms: now,
            ended_ms: None,
        }
    }

    pub fn objective(&self) -> Objective {
        Objective::of(&self.input)
    }

    /// Sets how it ended.
    pub fn end(&mut self, status: Status, failure: Option<String>) {
        self.status = status;
        self.failure = failure.map(|reason| reason.chars().take(1024).collect());
        self.ended_ms = Some(now_ms());
    }

    /// Returns every trial and its present state.
    ///
    /// # Errors
    /// The store's.
    pub fn outcomes(&self, cloud: &Cloud) -> Result<Vec<(&Trial, Outcome)>, AwsError> {
        let metric = self.objective().metric;
        let mut found = Vec::new();
        for trial in &self.trials {
            let outcome = match &trial.outcome {
                Some(outcome) => outcome.clone(),
                None => match cloud.store.get(training::STORE, &trial.name)? {
                    Some(job) => Outcome::of(&job, &metric),
                    // Its training job isn't created yet.
                    None => continue,
                },
            };
            found.push((trial, outcome));
        }
        Ok(found)
    }

    /// Returns the summary of a trial's training job.
    fn trial(&self, cloud: &Cloud, trial: &Trial, outcome: &Outcome) -> Value {
        let objective = self.objective();
        let mut summary = json!({
            "TrainingJobName": trial.name,
            "TrainingJobArn": training::arn(cloud, &trial.name),
            "CreationTime": seconds(outcome.created_ms),
            "TrainingJobStatus": outcome.status,
            "TunedHyperParameters": trial.tuned,
            "ObjectiveStatus": outcome.objective_status(),
        });
        let definition = &self.input["TrainingJobDefinition"];
        if let Some(name) = definition["DefinitionName"].as_str() {
            summary["TrainingJobDefinitionName"] = json!(name);
        }
        for (name, time) in [("TrainingStartTime", outcome.started_ms), ("TrainingEndTime", outcome.ended_ms)]
        {
            if let Some(ms) = time {
                summary[name] = seconds(ms);
            }
        }
        if let Some(reason) = &outcome.failure {
            summary["FailureReason"] = json!(reason);
        }
        if let Some(value) = outcome.objective {
            let kind = if objective.minimize { "Minimize" } else { "Maximize" };
            summary["FinalHyperParameterTuningJobObjectiveMetric"] =
                json!({"Type": kind, "MetricName": objective.metric, "Value": value});
        }
        summary
    }

    /// Returns all entries of ListTrainingJobsForHyperParameterTuningJob.
    ///
    /// # Errors
    /// The store's.
    pub fn list(&self, cloud: &Cloud, input: &Value) -> Result<Vec<Value>, AwsError> {
        let mut found = self.outcomes(cloud)?;
        let status = |outcome: &Outcome| words(outcome.status);
        if let Some(wanted) = input["StatusEquals"].as_str() {
            found.retain(|(_, outcome)| status(outcome) == wanted);
        }
        match input["SortBy"].as_str() {
            Some("CreationTime") => {
                found.sort_by_key(|(trial, outcome)| (outcome.created_ms, trial.name.clone()))
            }
            Some("Status") => found.sort_by_key(|(trial, outcome)| (status(outcome), trial.name.clone())),
            Some("FinalObjectiveMetricValue") => {
                found.retain(|(_, outcome)| outcome.objective.is_some());
                let value = |outcome: &Outcome| outcome.objective.unwrap_or_default();
                found.sort_by(|(_, a), (_, b)| value(a).total_cmp(&value(b)));
            }
            _ => found.sort_by_key(|(trial, _)| trial.name.clone()),
        }
        if input["SortOrder"].as_str() == Some("Descending") {
            found.reverse();
        }
        Ok(found.into_iter().map(|(trial, outcome)| self.trial(cloud, trial, &outcome)).collect())
    }

    /// Returns the members that the answers to Describe and List share.
    fn common(&self, outcomes: &[(&Trial, Outcome)]) -> Map<String, Value> {
        let count = |wanted: &[training::Status]| {
            outcomes.iter().filter(|(_, outcome)| wanted.contains(&outcome.status)).count()
        };
        let objectives = |wanted: &str| {
            outcomes.iter().filter(|(_, outcome)| outcome.objective_status() == wanted).count()
        };
        let mut members = Map::new();
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        set("HyperParameterTuningJobName", self.input["HyperParameterTuningJobName"].clone());
        set("HyperParameterTuningJobArn", json!(self.arn));
        set("HyperParameterTuningJobStatus", json!(self.status));
        set("CreationTime", seconds(self.created_ms));
        set("LastModifiedTime", seconds(self.modified_ms));
        if let Some(ms) = self.ended_ms {
            set("HyperParameterTuningEndTime", seconds(ms));
        }
        set(
            "TrainingJobStatusCounters",
            json!({
                "Completed": count(&[training::Status::Completed]), "InProgress": count(&[training::Status::InProgress, training::Status::Stopping]),
                "RetryableError": 0, "NonRetryableError": count(&[training::Status::Failed]), "Stopped": count(&[training::Status::Stopped]),
            }),
        );
        set(
            "ObjectiveStatusCounters",
            json!({
                "Succeeded": objectives("Succeeded"), "Pending": objectives("Pending"), "Failed": objectives("Failed"),
            }),
        );
        members
    }

    /// Returns the answer to DescribeHyperParameterTuningJob.
    ///
    /// # Errors
    /// The store's.
    pub fn describe(&self, cloud: &Cloud) -> Result<Value, AwsError> {
        let outcomes = self.outcomes(cloud)?;
        let mut answer = echo(&self.input, &["Tags"]);
        if let Some(Value::Object(definition)) = answer.get_mut("TrainingJobDefinition") {
            let metric = self.objective().metric;
            let statics = definition.entry("StaticHyperParameters").or_insert(json!({}));
            statics[training::OBJECTIVE] = json!(metric);
        }
        answer.extend(self.common(&outcomes));
        if let Some(reason) = &self.failure {
            answer.insert("FailureReason".to_owned(), json!(reason));
        }
        let end = self.ended_ms.unwrap_or_else(now_ms);
        answer.insert(
            "ConsumedResources".to_owned(),
            json!({"RuntimeInSeconds": (end - self.created_ms).max(0) / 1000}),
        );
        let objective = self.objective();
        let loss = |outcome: &Outcome| outcome.result().map(|value| objective.loss(value));
        let results = outcomes.iter().filter_map(|(trial, outcome)| Some((loss(outcome)?, trial, outcome)));
        // If two trials are equally good, the earlier one is the best.
        if let Some((_, trial, outcome)) = results.min_by(|(a, ..), (b, ..)| a.total_cmp(b)) {
            answer.insert("BestTrainingJob".to_owned(), self.trial(cloud, trial, outcome));
        }
        Ok(Value::Object(answer))
    }

    /// Returns its entry in ListHyperParameterTuningJobs.
    ///
    /// # Errors
    /// The store's.
    pub fn summary(&self, cloud: &Cloud) -> Result<Value, AwsError> {
        let mut summary = self.common(&self.outcomes(cloud)?);
        let config = &self.input["HyperParameterTuningJobConfig"];
        for member in ["Strategy", "ResourceLimits"] {
            summary.insert(member.to_owned(), config[member].clone());
        }
        Ok(Value::Object(summary))
    }
}

pub fn arn(cloud: &Cloud, name: &str) -> String {
    cloud.arn("sagemaker", &format!("{PATH}/{name}"))
}

pub fn all(store: &Store) -> Result<Vec<(String, Tuning)>, AwsError> {
    store.list(STORE)
}

/// # Errors
/// `ResourceNotFound`.
pub fn find(store: &Store, name: &str) -> Result<Tuning, AwsError> {
    let missing = || {
        let message = format!("Amazon SageMaker can't find a tuning job with the name {name}.");
        AwsError::new(400, "ResourceNotFound", message)
    };
    store.get(STORE, name)?.ok_or_else(missing)
}

/// Changes a tuning job in the store. If it was deleted, nothing is changed.
///
/// # Errors
/// The store's.
pub fn change(store: &Store, name: &str, change: impl FnOnce(&mut Tuning)) -> Result<(), AwsError> {
    let changed = store.update(STORE, name, |tuning: &mut Tuning| {
        change(tuning);
        tuning.modified_ms = now_ms();
        Ok(())
    });
    changed.map(drop)
}
