//! Searches the account for the resources of a stack, by their tags, service by service.
//!
//! Parts of other resources and attachments have no tags of their own, and objects have them in their metadata: they are
//! found through the resource that they belong to.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::Filter;
use aws_smithy_types::DateTime;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream;

use super::bucket::Bucket;
use super::endpoint::Endpoint;
use super::endpoint_config::EndpointConfig;
use super::function::Function;
use super::instance::{Instance, NAME_TAG};
use super::instance_profile::InstanceProfile;
use super::key_pair::KeyPair;
use super::model::Model;
use super::notebook_instance::NotebookInstance;
use super::role::Role;
use super::security_group::SecurityGroup;
use super::training_job::{TrainingJob, sagemaker_tags};
use super::traits::{Resource, STACK_TAG, Tags};
use super::tuning_job::TuningJob;
use crate::aws::{Aws, failure, is_absent};
use crate::failure::Outcome;
use crate::journal::ResourceId;

/// How many calls for tags run at the same time.
const PARALLEL: usize = 8;

/// A resource that some stack has tagged.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub id: ResourceId,
    pub tags: Tags,
}

impl Found {
    pub fn stack(&self) -> &str {
        self.tags.get(STACK_TAG).map_or("", String::as_str)
    }

    /// Returns the tuning job whose trial it is, if it is named as one: `JOB-001-0123abcd`. SageMaker gives a trial the tags
    /// of its tuning job, and it is deleted with it.
    pub fn trial_of(&self) -> Option<ResourceId> {
        let (rest, digest) = self.id.name.rsplit_once('-').filter(|_| self.id.kind == TrainingJob::TYPE)?;
        let (job, number) = rest.rsplit_once('-')?;
        let is_trial = digest.len() == 8
            && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
            && number.len() == 3
            && number.bytes().all(|byte| byte.is_ascii_digit());
        is_trial.then(|| ResourceId { kind: TuningJob::TYPE.into(), name: job.to_owned() })
    }
}

/// Returns the tagged resources that were created at a time or later, in seconds since 1970, and which services could not
/// be searched, each with the reason.
pub async fn search(aws: &Aws, since: i64) -> (Vec<Found>, Vec<String>) {
    let services: Vec<(&str, LocalBoxFuture<'_, Outcome<Vec<Found>>>)> = vec![
        ("training jobs", Box::pin(training_jobs(aws, since))),
        ("tuning jobs", Box::pin(tuning_jobs(aws, since))),
        ("models", Box::pin(models(aws, since))),
        ("endpoint configs", Box::pin(endpoint_configs(aws, since))),
        ("endpoints", Box::pin(endpoints(aws, since))),
        ("notebook instances", Box::pin(notebook_instances(aws, since))),
        ("buckets", Box::pin(buckets(aws, since))),
        ("roles", Box::pin(roles(aws, since))),
        ("instance profiles", Box::pin(instance_profiles(aws, since))),
        ("functions", Box::pin(functions(aws))),
        ("instances", Box::pin(instances(aws))),
        ("key pairs", Box::pin(key_pairs(aws))),
        ("security groups", Box::pin(security_groups(aws))),
    ];
    let mut searched =
        stream::iter(services.into_iter().map(|(what, search)| async move { (what, search.await) }))
            .buffer_unordered(PARALLEL);
    let (mut found, mut unsearched) = (Vec::new(), Vec::new());
    while let Some((what, result)) = searched.next().await {
        match result {
            Ok(some) => found.extend(some.into_iter().filter(|one| one.tags.contains_key(STACK_TAG))),
            Err(failure) => unsearched.push(format!("{what}: {failure}")),
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    let jobs: BTreeSet<ResourceId> = found.iter().map(|one| one.id.clone()).collect();
    found.retain(|one| one.trial_of().is_none_or(|job| !jobs.contains(&job)));
    (found, unsearched)
}

/// Reads the tags of resources by their names.
async fn with_tags<R: Resource>(
    names: Vec<String>,
    tags: impl AsyncFn(String) -> Outcome<Tags>,
) -> Outcome<Vec<Found>> {
    let mut found = Vec::new();
    for name in names {
        match tags(name.clone()).await {
            Ok(tags) => found.push(Found { id: ResourceId { kind: R::TYPE.into(), name }, tags }),
            // It was deleted since it was listed.
            Err(gone) if is_absent(&gone) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}

fn pairs<'a, T: 'a>(
    tags: impl IntoIterator<Item = &'a T>,
    pair: impl Fn(&T) -> (Option<&str>, Option<&str>),
) -> Tags {
    let pairs = tags.into_iter().map(pair);
    pairs
        .map(|(key, value)| (key.unwrap_or_default().to_owned(), value.unwrap_or_default().to_owned()))
        .collect()
}

/// Lists one kind of SageMaker's resources that were created since a time, and reads their tags.
macro_rules! sagemaker {
    ($search:ident, $Type:ident, $arn:literal, $list:ident, $operation:literal, $summaries:ident, $name:ident) => {
        async fn $search(aws: &Aws, since: i64) -> Outcome<Vec<Found>> {
            let pages = aws.sagemaker.$list().creation_time_after(DateTime::from_secs(since));
            let mut pages = pages.into_paginator().send();
            let mut names = Vec::new();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| failure($operation, error))?;
                names.extend(page.$summaries().iter().filter_map(|one| one.$name()).map(str::to_owned));
            }
            with_tags::<$Type>(names, async |name| sagemaker_tags(aws, $arn, &name).await).await
        }
    };
}

sagemaker!(
    training_jobs,
    TrainingJob,
    "training-job",
    list_training_jobs,
    "ListTrainingJobs",
    training_job_summaries,
    training_job_name
);
sagemaker!(
    tuning_jobs,
    TuningJob,
    "hyper-parameter-tuning-job",
    list_hyper_parameter_tuning_jobs,
    "ListHyperParameterTuningJobs",
    hyper_parameter_tuning_job_summaries,
    hyper_parameter_tuning_job_name
);
sagemaker!(models, Model, "model", list_models, "ListModels", models, model_name);
sagemaker!(
    endpoint_configs,
    EndpointConfig,
    "endpoint-config",
    list_endpoint_configs,
    "ListEndpointConfigs",
    endpoint_configs,
    endpoint_config_name
);
sagemaker!(endpoints, Endpoint, "endpoint", list_endpoints, "ListEndpoints", endpoints, endpoint_name);
sagemaker!(
    notebook_instances,
    NotebookInstance,
    "notebook-instance",
    list_notebook_instances,
    "ListNotebookInstances",
    notebook_instances,
    notebook_instance_name
);

async fn buckets(aws: &Aws, since: i64) -> Outcome<Vec<Found>> {
    let listed = aws.s3.list_buckets().send().await;
    let listed = listed.map_err(|error| failure("ListBuckets", error))?;
    let recent =
        listed.buckets().iter().filter(|one| one.creation_date().is_none_or(|at| at.secs() >= since));
    let names = recent.filter_map(|one| one.name()).map(str::to_owned).collect();
    with_tags::<Bucket>(names, async |name| super::bucket::bucket_tags(aws, &name).await).await
}

async fn roles(aws: &Aws, since: i64) -> Outcome<Vec<Found>> {
    let mut pages = aws.iam.list_roles().max_items(1000).into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failure("ListRoles", error))?;
        let recent = page.roles().iter().filter(|one| one.create_date().secs() >= since);
        names.extend(recent.map(|one| one.role_name().to_owned()));
    }
    with_tags::<Role>(names, async |name| super::role::role_tags(aws, &name).await).await
}

async fn instance_profiles(aws: &Aws, since: i64) -> Outcome<Vec<Found>> {
    let mut pages = aws.iam.list_instance_profiles().max_items(1000).into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failure("ListInstanceProfiles", error))?;
        let recent = page.instance_profiles().iter().filter(|one| one.create_date().secs() >= since);
        names.extend(recent.map(|one| one.instance_profile_name().to_owned()));
    }
    let tags = async |name: String| InstanceProfile { role: name.clone() }.tags(aws, &name).await;
    with_tags::<InstanceProfile>(names, tags).await
}

/// Lambda says of a function only when it was last changed.
async fn functions(aws: &Aws) -> Outcome<Vec<Found>> {
    let mut pages = aws.lambda.list_functions().into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failure("ListFunctions", error))?;
        names.extend(page.functions().iter().filter_map(|one| one.function_name()).map(str::to_owned));
    }
    with_tags::<Function>(names, async |name| super::function::function_tags(aws, &name).await).await
}

/// EC2 filters by tags itself.
fn tagged() -> Filter {
    Filter::builder().name("tag-key").values(STACK_TAG).build()
}

async fn instances(aws: &Aws) -> Outcome<Vec<Found>> {
    let living = Filter::builder().name("instance-state-name");
    let living =
        living.set_values(Some(["pending", "running", "stopping", "stopped"].map(str::to_owned).into()));
    let page = aws.ec2.describe_instances().filters(tagged()).filters(living.build()).send().await;
    let page = page.map_err(|error| failure("DescribeInstances", error))?;
    let instances = page.reservations().iter().flat_map(|one| one.instances());
    let found = instances.filter_map(|one| {
        let tags = pairs(one.tags(), |tag| (tag.key(), tag.value()));
        let id = ResourceId { kind: Instance::TYPE.into(), name: tags.get(NAME_TAG)?.clone() };
        Some(Found { id, tags })
    });
    Ok(found.collect())
}

async fn key_pairs(aws: &Aws) -> Outcome<Vec<Found>> {
    let page = aws.ec2.describe_key_pairs().filters(tagged()).send().await;
    let page = page.map_err(|error| failure("DescribeKeyPairs", error))?;
    let found = page.key_pairs().iter().filter_map(|one| {
        let id = ResourceId { kind: KeyPair::TYPE.into(), name: one.key_name()?.to_owned() };
        Some(Found { id, tags: pairs(one.tags(), |tag| (tag.key(), tag.value())) })
    });
    Ok(found.collect())
}

async fn security_groups(aws: &Aws) -> Outcome<Vec<Found>> {
    let page = aws.ec2.describe_security_groups().filters(tagged()).send().await;
    let page = page.map_err(|error| failure("DescribeSecurityGroups", error))?;
    let found = page.security_groups().iter().filter_map(|one| {
        let id = ResourceId { kind: SecurityGroup::TYPE.into(), name: one.group_name()?.to_owned() };
        Some(Found { id, tags: pairs(one.tags(), |tag| (tag.key(), tag.value())) })
    });
    Ok(found.collect())
}
