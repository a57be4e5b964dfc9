//! The trials of a tuning job, with what they were given and what they came to.

use serde_json::{Map, Value};

use crate::aws::Aws;
use crate::failure::Outcome;
use crate::resource::trials;

#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    pub job_name: String,
    /// `Completed`, `Failed`, `Stopped`.
    pub status: String,
    /// The objective; `None` where the trial came to none.
    pub value: Option<f64>,
    /// What the tuner chose, each decoded as JSON where it is JSON.
    pub tuned: Map<String, Value>,
    /// From the start of the training to its end.
    pub seconds: Option<i64>,
}

/// In the order in which they were made.
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
                // By its decimal digits: 0.1 is 0.1, and not the nearest float's 0.10000000149.
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
