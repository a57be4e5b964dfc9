//! SageMaker hyperparameter tuning job. Its trials are training jobs, which are deleted with it.

use std::collections::BTreeMap;

use aws_sdk_sagemaker::operation::describe_hyper_parameter_tuning_job::DescribeHyperParameterTuningJobOutput;
use aws_sdk_sagemaker::types::{
    CategoricalParameterRange, ContinuousParameterRange, HyperParameterAlgorithmSpecification,
    HyperParameterScalingType, HyperParameterTrainingJobDefinition, HyperParameterTuningJobConfig,
    HyperParameterTuningJobObjective, HyperParameterTuningJobObjectiveType, HyperParameterTuningJobStatus,
    HyperParameterTuningJobStrategyType, IntegerParameterRange, ParameterRanges, ResourceLimits,
    TrainingInputMode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::training_job::{LOG_GROUP, TrainingJob, delete_training_job, sagemaker_tags, sdk_tags};
use super::traits::{Bills, Drawn, Live, Naming, Report, Resource, Status, Tags, facts};
use super::visible::until_visible;
use crate::aws::{Aws, failure, present};
use crate::failure::Outcome;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TuningJob {
    pub base: String,
    /// The training job of each trial. Its hyperparameters are the static ones.
    pub trial: TrainingJob,
    pub strategy: Strategy,
    pub objective: Objective,
    pub objective_metric: String,
    pub ranges: BTreeMap<String, Range>,
    pub max_jobs: i32,
    pub max_parallel_jobs: i32,
    pub random_seed: Option<i32>,
}

/// The search strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    /// By a model of the results of earlier trials.
    #[default]
    Bayesian,
    Random,
    /// Every combination of categorical values.
    Grid,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Objective {
    #[default]
    Maximize,
    Minimize,
}

/// The values that a hyperparameter may have. Both ends are included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Range {
    Categorical(Vec<String>),
    Integer { min: i64, max: i64, scaling: Scaling },
    Continuous { min: f64, max: f64, scaling: Scaling },
}

/// The scale on which a range is searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scaling {
    #[default]
    Auto,
    Linear,
    Logarithmic,
    ReverseLogarithmic,
}

impl Scaling {
    fn sdk(self) -> HyperParameterScalingType {
        match self {
            Self::Auto => HyperParameterScalingType::Auto,
            Self::Linear => HyperParameterScalingType::Linear,
            Self::Logarithmic => HyperParameterScalingType::Logarithmic,
            Self::ReverseLogarithmic => HyperParameterScalingType::ReverseLogarithmic,
        }
    }
}

impl Resource for TuningJob {
    const TYPE: &'static str = "hyper-parameter-tuning-job";
    const ROWS: &'static [&'static str] =
        &["strategy", "objective", "completed", "failed", "best_training_job"];
    const DRAWN: Drawn = Drawn::Box;

    fn naming(&self) -> Naming {
        Naming::Timestamp { base: self.base.clone(), max: 32 }
    }

    fn replaces(&self, _old: &Self) -> bool {
        true
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let job =
            aws.sagemaker.describe_hyper_parameter_tuning_job().hyper_parameter_tuning_job_name(name).send();
        let job = job.await.map_err(|error| failure("DescribeHyperParameterTuningJob", error));
        let Some(job) = present(job)? else { return Ok(None) };
        let reason = || job.failure_reason().unwrap_or("the service gives no reason").to_owned();
        let status = match job.hyper_parameter_tuning_job_status() {
            Some(HyperParameterTuningJobStatus::Completed) => Status::Ready,
            Some(HyperParameterTuningJobStatus::Failed) => Status::Failed(reason()),
            Some(HyperParameterTuningJobStatus::Stopped) => Status::Failed("Stopped: it was stopped".into()),
            Some(HyperParameterTuningJobStatus::DeleteFailed) => Status::Failed(reason()),
            _ => Status::Pending(self.progress(&job)),
        };
        let best = job.best_training_job();
        let counters = job.training_job_status_counters();
        let count = |of: fn(&aws_sdk_sagemaker::types::TrainingJobStatusCounters) -> Option<i32>| {
            json!(counters.and_then(of))
        };
        let ended = status == Status::Ready;
        let settled = |value| if ended { value } else { json!(null) };
        Ok(Some(Live {
            facts: facts([
                ("arn", json!(job.hyper_parameter_tuning_job_arn())),
                ("status", json!(job.hyper_parameter_tuning_job_status().map(|status| status.as_str()))),
                ("strategy", json!(self.strategy)),
                ("objective", json!(format!("{:?} {}", self.objective, self.objective_metric))),
                ("max_jobs", json!(self.max_jobs)),
                ("max_parallel_jobs", json!(self.max_parallel_jobs)),
                ("completed", settled(count(|c| c.completed()))),
                ("failed", settled(count(|c| c.non_retryable_error()))),
                ("best_training_job", settled(json!(best.and_then(|best| best.training_job_name())))),
            ]),
            status,
        }))
    }

    async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
        sagemaker_tags(aws, Self::TYPE, name).await
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let config = self.config();
        let definition = self.definition();
        until_visible(aws, &self.trial.role_arn, progress, async || {
            let created = aws
                .sagemaker
                .create_hyper_parameter_tuning_job()
                .hyper_parameter_tuning_job_name(name)
                .hyper_parameter_tuning_job_config(config.clone())
                .training_job_definition(definition.clone())
                .set_tags(Some(sdk_tags(tags)))
                .send()
                .await;
            created.map(|_| ()).map_err(|error| failure("CreateHyperParameterTuningJob", error))
        })
        .await
    }

    /// Returns the log of its trials, whose names begin with its name.
    fn log(&self, name: &str) -> Option<(String, String)> {
        Some((LOG_GROUP.to_owned(), format!("{name}-")))
    }

    fn bills(&self, facts: &Map<String, Value>) -> Option<Bills> {
        // The trials of each parallel place follow one another.
        Some(Bills {
            instance_type: self.trial.instance_type.clone(),
            instance_count: self.trial.instance_count * self.max_parallel_jobs,
            seconds: facts.get("billable_seconds").and_then(Value::as_f64),
            until_deleted: false,
        })
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { base: name.to_owned(), ..Self::default() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let mut attempt = 0;
        loop {
            match self.describe(aws, name).await? {
                None => return Ok(()),
                Some(Live { status: Status::Pending(_), .. }) if attempt == 0 => {
                    let stopped = aws.sagemaker.stop_hyper_parameter_tuning_job();
                    let stopped = stopped.hyper_parameter_tuning_job_name(name).send().await;
                    // A job that has ended in the meantime cannot be stopped.
                    match stopped.map_err(|error| failure("StopHyperParameterTuningJob", error)) {
                        Err(failure) if failure.code != "ValidationException" => return Err(failure),
                        _ => {}
                    }
                }
                Some(Live { status: Status::Pending(_), .. }) => {
                    aws.pause(attempt).await?;
                }
                Some(_) => break,
            }
            attempt += 1;
        }
        for trial in trials(aws, name).await? {
            delete_training_job(aws, trial.training_job_name().unwrap_or_default()).await?;
        }
        let deleted = aws.sagemaker.delete_hyper_parameter_tuning_job();
        let deleted = deleted.hyper_parameter_tuning_job_name(name).send().await;
        present(deleted.map_err(|error| failure("DeleteHyperParameterTuningJob", error))).map(|_| ())
    }
}

/// Returns the trials of a tuning job, in the order of their creation.
pub async fn trials(
    aws: &Aws,
    name: &str,
) -> Outcome<Vec<aws_sdk_sagemaker::types::HyperParameterTrainingJobSummary>> {
    let pages = aws.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job();
    let mut pages = pages.hyper_parameter_tuning_job_name(name).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failure("ListTrainingJobsForHyperParameterTuningJob", error))?;
        found.extend_from_slice(page.training_job_summaries());
    }
    found.sort_by_key(|trial| {
        (
            trial.creation_time().map(|at| (at.secs(), at.subsec_nanos())),
            trial.training_job_name().map(str::to_owned),
        )
    });
    Ok(found)
}

impl TuningJob {
    fn progress(&self, job: &DescribeHyperParameterTuningJobOutput) -> String {
        let count = job.training_job_status_counters();
        let done = count.map_or(0, |c| {
            c.completed().unwrap_or(0) + c.non_retryable_error().unwrap_or(0) + c.stopped().unwrap_or(0)
        });
        let running = count.and_then(|c| c.in_progress()).unwrap_or(0);
        let best = job.best_training_job();
        let best = best.and_then(|best| best.final_hyper_parameter_tuning_job_objective_metric()?.value());
        let best = best.map(|value| format!(", best {} {value}", self.objective_metric)).unwrap_or_default();
        {
            let noun = if self.max_jobs == 1 { "trial" } else { "trials" };
            format!("{done} of {} {noun} done, {running} running{best}", self.max_jobs)
        }
    }

    fn config(&self) -> HyperParameterTuningJobConfig {
        let objective = HyperParameterTuningJobObjective::builder()
            .r#type(match self.objective {
                Objective::Maximize => HyperParameterTuningJobObjectiveType::Maximize,
                Objective::Minimize => HyperParameterTuningJobObjectiveType::Minimize,
            })
            .metric_name(&self.objective_metric)
            .build();
        let limits = ResourceLimits::builder()
            .max_number_of_training_jobs(self.max_jobs)
            .max_parallel_training_jobs(self.max_parallel_jobs)
            .build();
        HyperParameterTuningJobConfig::builder()
            .strategy(match self.strategy {
                Strategy::Bayesian => HyperParameterTuningJobStrategyType::Bayesian,
                Strategy::Random => HyperParameterTuningJobStrategyType::Random,
                Strategy::Grid => HyperParameterTuningJobStrategyType::Grid,
            })
            .hyper_parameter_tuning_job_objective(objective)
            .resource_limits(limits)
            .parameter_ranges(self.sdk_ranges())
            .set_random_seed(self.random_seed)
            .build()
    }

    fn sdk_ranges(&self) -> ParameterRanges {
        let mut ranges = ParameterRanges::builder();
        for (name, range) in &self.ranges {
            ranges = match range {
                Range::Categorical(values) => ranges.categorical_parameter_ranges(
                    CategoricalParameterRange::builder().name(name).set_values(Some(values.clone())).build(),
                ),
                Range::Integer { min, max, scaling } => ranges.integer_parameter_ranges(
                    IntegerParameterRange::builder()
                        .name(name)
                        .min_value(min.to_string())
                        .max_value(max.to_string())
                        .scaling_type(scaling.sdk())
                        .build(),
                ),
                Range::Continuous { min, max, scaling } => ranges.continuous_parameter_ranges(
                    ContinuousParameterRange::builder()
                        .name(name)
                        .min_value(min.to_string())
                        .max_value(max.to_string())
                        .scaling_type(scaling.sdk())
                        .build(),
                ),
            };
        }
        ranges.build()
    }

    fn definition(&self) -> HyperParameterTrainingJobDefinition {
        HyperParameterTrainingJobDefinition::builder()
            .role_arn(&self.trial.role_arn)
            .algorithm_specification(
                HyperParameterAlgorithmSpecification::builder()
                    .training_image(&self.trial.image)
                    .training_input_mode(TrainingInputMode::File)
                    .set_metric_definitions(self.trial.metric_definitions())
                    .build(),
            )
            .set_input_data_config(self.trial.channels())
            .output_data_config(self.trial.output())
            .resource_config(self.trial.resources())
            .stopping_condition(self.trial.stopping())
            .set_checkpoint_config(self.trial.checkpoints())
            .set_static_hyper_parameters(Some(self.trial.hyperparameters.clone().into_iter().collect()))
            .set_environment(Some(self.trial.environment.clone().into_iter().collect()))
            .build()
    }
}
