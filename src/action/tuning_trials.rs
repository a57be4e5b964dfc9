//! The trials of a tuning job, with their hyperparameters and results.

use serde_json::{Map, Value};

use crate::aws::Aws;
use crate::failure::Outcome;
use crate::resource::trials;

#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    pub job_name: String,
    /// `Completed`, `Failed`, `Stopped`.
    pub status: String,
    /// The value of the objective metric, if the trial has one.
    pub value: Option<f64>,
    /// The hyperparameters that the tuner chose, decoded if they are JSON.
    pub tuned: Map<String, Value>,
    /// The seconds from the start of the training to its end.
    pub seconds: Option<i64>,
}

/// Returns the trials in the order of their creation.
pub async fn tuning_trials(aws: &Aws, job: &str) -> Outcome<Vec<Trial>> {
    let found = trials(aws, job).await?;
    Ok(found
        .into_iter()
        .map(|trial| Trial {
            job_name: trial.training_job_name().unwrap_or_default().to_owned(),
            status: trial.training_job_status().map_or("", |status| status.as_str()).to_owned(),
            value: trial
                .final_hyper_parameter_tuning_job_objective_metric()
                .and_then(|metric| metric.value())
                // Converts by decimal digits: as f64, the f32 0.1 would be 0.10000000149.
                .and_then(|value| value.to_string().parse().ok()),
            tuned: trial
                .tuned_hyper_parameters()
                .into_iter()
                .flatten()
                .map(|(name, text)| {
                    (name.clone(), serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()))
                })
                .collect(),
            seconds: trial
                .training_start_time()
                .zip(trial.training_end_time())
                .map(|(start, end)| end.secs() - start.secs()),
        })
        .collect())
}
