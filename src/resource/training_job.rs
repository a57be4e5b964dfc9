//! SageMaker training job.

use std::collections::BTreeMap;

use aws_sdk_sagemaker::types::{
    AlgorithmSpecification, Channel, CheckpointConfig, DataSource, MetricDefinition as SdkMetric,
    OutputDataConfig, ResourceConfig, S3DataDistribution, S3DataSource, S3DataType, StoppingCondition, Tag,
    TrainingInputMode, TrainingInstanceType, TrainingJobStatus,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::objects::{self, Object};
use super::traits::{Bills, Drawn, GONE, Live, Naming, Report, Resource, Status, Tags, facts};
use super::visible::until_visible;
use crate::aws::{Aws, failure, present};
use crate::failure::Outcome;

/// Where training jobs log: <https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html>.
pub(super) const LOG_GROUP: &str = "/aws/sagemaker/TrainingJobs";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingJob {
    pub base: String,
    /// Image URI.
    pub image: String,
    pub role_arn: String,
    pub instance_type: String,
    pub instance_count: i32,
    pub volume_size_gb: i32,
    pub max_runtime_seconds: i32,
    /// S3 URIs by channel.
    pub inputs: BTreeMap<String, String>,
    /// The revision of what lies below each of these URIs, where it is known: other data needs another job.
    #[serde(default)]
    pub contents: BTreeMap<String, String>,
    pub output_path: String,
    pub checkpoint_path: Option<String>,
    pub hyperparameters: BTreeMap<String, String>,
    pub metrics: Vec<MetricDefinition>,
    pub environment: BTreeMap<String, String>,
}

/// A metric that SageMaker finds in the job's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricDefinition {
    pub name: String,
    /// A regular expression whose first group is the value.
    pub regex: String,
}

impl Resource for TrainingJob {
    const TYPE: &'static str = "training-job";
    const ROWS: &'static [&'static str] =
        &["instance_type", "instance_count", "training_seconds", "billable_seconds", "model_uri"];
    const DRAWN: Drawn = Drawn::Box;
    const LEAVES: bool = true;

    fn naming(&self) -> Naming {
        Naming::Timestamp { base: self.base.clone(), max: 63 }
    }

    fn replaces(&self, _old: &Self) -> bool {
        true
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let job = aws.sagemaker.describe_training_job().training_job_name(name).send().await;
        let Some(job) = present(job.map_err(|error| failure("DescribeTrainingJob", error)))? else {
            return Ok(None);
        };
        let reason = || job.failure_reason().unwrap_or("the service gives no reason").to_owned();
        let secondary = job.secondary_status().map_or("InProgress", |status| status.as_str());
        let metrics: BTreeMap<&str, f32> = job
            .final_metric_data_list()
            .iter()
            .filter_map(|metric| Some((metric.metric_name()?, metric.value()?)))
            .collect();
        let status = match job.training_job_status() {
            Some(TrainingJobStatus::Completed) => Status::Ready,
            Some(TrainingJobStatus::Failed) => Status::Failed(reason()),
            Some(TrainingJobStatus::Stopped) => Status::Failed(format!("Stopped: {secondary}")),
            _ => {
                let so_far = metrics.iter().map(|(name, value)| format!(", {name} {value}"));
                Status::Pending(secondary.to_owned() + &so_far.collect::<String>())
            }
        };
        let model = job.model_artifacts().and_then(|model| model.s3_model_artifacts());
        let [revision, gone] = model_facts(aws, model.filter(|_| status == Status::Ready)).await?;
        let metrics = if status == Status::Ready { json!(metrics) } else { json!(null) };
        let seconds = match (job.training_start_time(), job.training_end_time()) {
            (Some(start), Some(end)) => json!(end.secs() - start.secs()),
            _ => json!(null),
        };
        let resources = job.resource_config();
        Ok(Some(Live {
            facts: facts([
                ("arn", json!(job.training_job_arn())),
                ("status", json!(job.training_job_status().map(|status| status.as_str()))),
                ("image", json!(job.algorithm_specification().and_then(|spec| spec.training_image()))),
                ("instance_type", json!(resources.and_then(|r| r.instance_type()).map(|t| t.as_str()))),
                ("instance_count", json!(resources.and_then(|r| r.instance_count()))),
                ("role_arn", json!(job.role_arn())),
                ("training_seconds", seconds),
                ("billable_seconds", json!(job.billable_time_in_seconds())),
                ("model_uri", json!(model)),
                revision,
                gone,
                ("metrics", metrics),
            ]),
            status,
        }))
    }

    async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
        sagemaker_tags(aws, "training-job", name).await
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        until_visible(aws, &self.role_arn, progress, async || {
            let created = aws
                .sagemaker
                .create_training_job()
                .training_job_name(name)
                .role_arn(&self.role_arn)
                .algorithm_specification(
                    AlgorithmSpecification::builder()
                        .training_image(&self.image)
                        .training_input_mode(TrainingInputMode::File)
                        .set_metric_definitions(self.metric_definitions())
                        .build(),
                )
                .set_input_data_config(self.channels())
                .output_data_config(self.output())
                .resource_config(self.resources())
                .stopping_condition(self.stopping())
                .set_checkpoint_config(self.checkpoints())
                .set_hyper_parameters(Some(self.hyperparameters.clone().into_iter().collect()))
                .set_environment(Some(self.environment.clone().into_iter().collect()))
                .set_tags(Some(sdk_tags(tags)))
                .send()
                .await;
            created.map(|_| ()).map_err(|error| failure("CreateTrainingJob", error))
        })
        .await
    }

    fn log(&self, name: &str) -> Option<(String, String)> {
        Some((LOG_GROUP.to_owned(), format!("{name}/")))
    }

    fn bills(&self, facts: &Map<String, Value>) -> Option<Bills> {
        Some(Bills {
            instance_type: self.instance_type.clone(),
            instance_count: self.instance_count,
            seconds: facts.get("billable_seconds").and_then(Value::as_f64),
            until_deleted: false,
        })
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { base: name.to_owned(), ..Self::default() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        delete_training_job(aws, name).await
    }
}

/// Returns the facts of a model: its revision, or that it is gone.
pub(super) async fn model_facts(aws: &Aws, uri: Option<&str>) -> Outcome<[(&'static str, Value); 2]> {
    let (revision, gone) = match uri {
        None => (None, None),
        Some(uri) => match objects::look(aws, uri).await? {
            Object::There(tag) => (Some(tag), None),
            Object::Gone => (None, Some(uri)),
            Object::Unknown => (None, None),
        },
    };
    Ok([("revision", json!(revision)), (GONE, json!(gone))])
}

/// Stops a running job, and deletes it with its log.
pub(super) async fn delete_training_job(aws: &Aws, name: &str) -> Outcome<()> {
    let mut attempt = 0;
    loop {
        let job = aws.sagemaker.describe_training_job().training_job_name(name).send().await;
        let job = present(job.map_err(|error| failure("DescribeTrainingJob", error)))?;
        match job.as_ref().and_then(|job| job.training_job_status()) {
            Some(TrainingJobStatus::InProgress) if attempt == 0 => {
                let stopped = aws.sagemaker.stop_training_job().training_job_name(name).send().await;
                // A job that has ended in the meantime cannot be stopped.
                match stopped.map_err(|error| failure("StopTrainingJob", error)) {
                    Err(failure) if failure.code != "ValidationException" => return Err(failure),
                    _ => {}
                }
            }
            Some(TrainingJobStatus::InProgress | TrainingJobStatus::Stopping) => {
                aws.pause(attempt).await?;
            }
            _ => break,
        }
        attempt += 1;
    }
    let deleted = aws.sagemaker.delete_training_job().training_job_name(name).send().await;
    present(deleted.map_err(|error| failure("DeleteTrainingJob", error)))?;
    delete_log_streams(aws, LOG_GROUP, name).await
}

/// Returns the parts of the request that a training job and the trials of a tuning job have in common.
impl TrainingJob {
    pub(super) fn channels(&self) -> Option<Vec<Channel>> {
        let channels = self.inputs.iter().map(|(channel, uri)| {
            let source = S3DataSource::builder()
                .s3_data_type(S3DataType::S3Prefix)
                .s3_uri(uri)
                .s3_data_distribution_type(S3DataDistribution::FullyReplicated)
                .build();
            Channel::builder()
                .channel_name(channel)
                .data_source(DataSource::builder().s3_data_source(source).build())
                .input_mode(TrainingInputMode::File)
                .build()
        });
        Some(channels.collect::<Vec<_>>()).filter(|channels| !channels.is_empty())
    }

    pub(super) fn metric_definitions(&self) -> Option<Vec<SdkMetric>> {
        let metrics = self.metrics.iter();
        let metrics =
            metrics.map(|metric| SdkMetric::builder().name(&metric.name).regex(&metric.regex).build());
        Some(metrics.collect::<Vec<_>>()).filter(|metrics| !metrics.is_empty())
    }

    pub(super) fn output(&self) -> OutputDataConfig {
        OutputDataConfig::builder().s3_output_path(&self.output_path).build()
    }

    pub(super) fn resources(&self) -> ResourceConfig {
        ResourceConfig::builder()
            .instance_type(TrainingInstanceType::from(self.instance_type.as_str()))
            .instance_count(self.instance_count)
            .volume_size_in_gb(self.volume_size_gb)
            .build()
    }

    pub(super) fn stopping(&self) -> StoppingCondition {
        StoppingCondition::builder().max_runtime_in_seconds(self.max_runtime_seconds).build()
    }

    pub(super) fn checkpoints(&self) -> Option<CheckpointConfig> {
        self.checkpoint_path.as_ref().map(|path| CheckpointConfig::builder().s3_uri(path).build())
    }
}

pub(super) fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// SageMaker's Describe calls return no tags.
pub(super) async fn sagemaker_tags(aws: &Aws, kind: &str, name: &str) -> Outcome<Tags> {
    let arn = format!("arn:aws:sagemaker:{}:{}:{kind}/{name}", aws.region, aws.account);
    let tags = aws.sagemaker.list_tags().resource_arn(arn).send().await;
    let tags = tags.map_err(|error| failure("ListTags", error))?;
    Ok(tags
        .tags()
        .iter()
        .map(|t| (t.key().unwrap_or_default().into(), t.value().unwrap_or_default().into()))
        .collect())
}

/// Deletes the log of a job or endpoint: the streams of a shared group whose names begin with its name.
pub(super) async fn delete_log_streams(aws: &Aws, group: &str, prefix: &str) -> Outcome<()> {
    let streams =
        aws.logs.describe_log_streams().log_group_name(group).log_stream_name_prefix(format!("{prefix}/"));
    let streams = streams.send().await.map_err(|error| failure("DescribeLogStreams", error));
    for stream in present(streams)?.iter().flat_map(|page| page.log_streams()) {
        let name = stream.log_stream_name().unwrap_or_default();
        let deleted = aws.logs.delete_log_stream().log_group_name(group).log_stream_name(name).send().await;
        present(deleted.map_err(|error| failure("DeleteLogStream", error)))?;
    }
    // The group is shared. It is deleted only if it has no streams and no settings.
    let left = aws.logs.describe_log_streams().log_group_name(group).limit(1).send().await;
    let left = present(left.map_err(|error| failure("DescribeLogStreams", error)))?;
    if left.is_none_or(|page| !page.log_streams().is_empty()) {
        return Ok(());
    }
    let groups = aws.logs.describe_log_groups().log_group_name_prefix(group).send().await;
    let groups = groups.map_err(|error| failure("DescribeLogGroups", error))?;
    let plain = |one: &aws_sdk_cloudwatchlogs::types::LogGroup| {
        one.retention_in_days().is_none() && one.kms_key_id().is_none()
    };
    if groups.log_groups().iter().any(|one| one.log_group_name() == Some(group) && plain(one)) {
        let deleted = aws.logs.delete_log_group().log_group_name(group).send().await;
        present(deleted.map_err(|error| failure("DeleteLogGroup", error)))?;
    }
    Ok(())
}
