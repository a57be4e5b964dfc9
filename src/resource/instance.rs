//! EC2 instance that runs one job by its user data, writes the result to S3, and terminates itself.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{
    Filter, HttpTokensState, IamInstanceProfileSpecification, Instance as Described,
    InstanceMarketOptionsRequest, InstanceMetadataOptionsRequest, InstanceStateName, InstanceType,
    MarketType, ResourceType, ShutdownBehavior, SpotMarketOptions, Tag, TagSpecification,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use opsml_contract::worded;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::objects::split_uri;
use super::traits::{Bills, Drawn, Live, Naming, Report, Resource, Status, Tags, facts};
use super::visible::until_visible;
use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};

/// How many times a new instance is looked for before it counts as lost.
const ATTEMPTS: u32 = 20;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub base: String,
    pub image: Image,
    pub instance_type: String,
    pub key_name: String,
    pub security_group_id: String,
    pub subnet_id: Option<String>,
    pub instance_profile: String,
    /// A script in which [`NAME`] is replaced by the instance's name.
    pub user_data: String,
    /// The S3 prefix, which ends in `/`, below which the job writes `NAME/result.json`.
    pub results: String,
    /// The revision of what lies below the S3 URI of each channel, where it is known: other data needs another instance.
    #[serde(default)]
    pub contents: BTreeMap<String, String>,
    /// Whether it is a spot instance, and the highest price of an hour in US dollars if there is a limit.
    pub spot: Option<Spot>,
}

/// The tag by which the instance is found. RunInstances sets it when it creates the instance.
pub(super) const NAME_TAG: &str = "opsml:name";

/// The placeholder in the user data for the instance's name, which is generated for the intent.
pub const NAME: &str = "@NAME@";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spot {
    pub max_price: Option<f64>,
}

/// An AMI, by its id, or the newest one when the instance is created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Image {
    /// `ami-…`, or `resolve:ssm:PARAMETER`, which EC2 resolves.
    Id(String),
    /// The newest of an owner's AMIs whose name matches a pattern with `*`.
    Newest { owner: String, name: String },
}

impl Default for Image {
    fn default() -> Self {
        Self::Id(String::new())
    }
}

/// The result that the job writes when it ends: `result.json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct JobResult {
    exit_code: i32,
    /// Seconds since 1970, UTC.
    ended: i64,
}

impl Resource for Instance {
    const TYPE: &'static str = "instance";
    const ROWS: &'static [&'static str] = &["instance_type", "market", "image_id", "seconds", "user_data"];
    const DRAWN: Drawn = Drawn::Box;
    const LEAVES: bool = true;

    /// The name is also the ClientToken, which has at most 64 ASCII characters.
    /// <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html>
    fn naming(&self) -> Naming {
        Naming::Timestamp { base: self.base.clone(), max: 63 }
    }

    fn replaces(&self, _old: &Self) -> bool {
        true
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        // The instance is described first: if the job ends between the two calls, the second one finds its result.
        let instance = find(aws, name).await?;
        let result = self.result(aws, name).await?;
        let state = instance.as_ref().and_then(state);
        let launched = instance.as_ref().and_then(|one| one.launch_time()).map(|at| at.secs());
        let status = match (&result, &state) {
            (Some(result), _) if result.exit_code == 0 => Status::Ready,
            (Some(_), _) => Status::Failed(self.why(aws, name).await?),
            (None, None) => return Ok(None),
            (None, Some(InstanceStateName::Pending | InstanceStateName::Running)) => {
                Status::Pending(state.as_ref().map_or("", |state| state.as_str()).to_owned())
            }
            // EC2 returns a terminated instance for about an hour.
            (None, Some(ended)) => {
                let reason = instance.as_ref().and_then(|one| one.state_reason());
                let code = reason.and_then(|reason| reason.code()).unwrap_or("the service gives no reason");
                let message = reason.and_then(|reason| reason.message()).unwrap_or_default();
                Status::Ended(format!(
                    "InstanceEnded: it is {} before its job was done: {code} {message}",
                    ended.as_str()
                ))
            }
        };
        let one = instance.as_ref();
        let seconds =
            result.as_ref().zip(launched).map(|(result, launched)| (result.ended - launched).max(0));
        Ok(Some(Live {
            status,
            facts: facts([
                ("id", json!(one.and_then(|one| one.instance_id()))),
                ("instance_type", json!(self.instance_type)),
                ("image_id", json!(one.and_then(|one| one.image_id()))),
                ("availability_zone", json!(one.and_then(|one| one.placement()?.availability_zone()))),
                ("market", json!(if self.spot.is_some() { "spot" } else { "on demand" })),
                ("instance_profile", json!(self.instance_profile)),
                ("key_name", json!(self.key_name)),
                ("security_group", json!(self.security_group_id)),
                ("seconds", json!(seconds)),
            ]),
        }))
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let image = self.image.resolve(aws).await?;
        let mut tags = tags.clone();
        tags.insert("Name".into(), name.to_owned());
        tags.insert(NAME_TAG.into(), name.to_owned());
        let script = BASE64_STANDARD.encode(self.user_data.replace(NAME, name));
        until_visible(aws, &self.instance_profile, progress, async || {
            let run = aws
                .ec2
                .run_instances()
                .client_token(name)
                .image_id(&image)
                .instance_type(InstanceType::from(self.instance_type.as_str()))
                .min_count(1)
                .max_count(1)
                .key_name(&self.key_name)
                .security_group_ids(&self.security_group_id)
                .set_subnet_id(self.subnet_id.clone())
                .iam_instance_profile(
                    IamInstanceProfileSpecification::builder().name(&self.instance_profile).build(),
                )
                .user_data(&script)
                .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
                .metadata_options(
                    InstanceMetadataOptionsRequest::builder().http_tokens(HttpTokensState::Required).build(),
                )
                .set_instance_market_options(self.spot.as_ref().map(Spot::sdk))
                .tag_specifications(tag_specification(ResourceType::Instance, &tags))
                .tag_specifications(tag_specification(ResourceType::Volume, &tags))
                .send()
                .await;
            run.map(|_| ()).map_err(|error| failure("RunInstances", error))
        })
        .await?;
        // Describe is eventually consistent: an instance that it does not find yet must not count as gone.
        for attempt in 0..ATTEMPTS {
            if find(aws, name).await?.is_some() {
                return Ok(());
            }
            aws.pause(attempt).await?;
        }
        Err(Failure::new("Gone", format!("EC2 made instance {name}, and doesn't find it")))
    }

    fn bills(&self, facts: &Map<String, Value>) -> Option<Bills> {
        Some(Bills {
            instance_type: self.instance_type.clone(),
            instance_count: 1,
            // At least a minute: <https://aws.amazon.com/ec2/pricing/on-demand/>.
            seconds: facts.get("seconds").and_then(Value::as_f64).map(|seconds| seconds.max(60.0)),
            until_deleted: true,
        })
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { base: name.to_owned(), ..Self::default() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        if let Some(instance) = find(aws, name).await?
            && state(&instance) != Some(InstanceStateName::Terminated)
        {
            let ended = aws.ec2.terminate_instances();
            let ended =
                ended.set_instance_ids(instance.instance_id().map(|id| vec![id.to_owned()])).send().await;
            present(ended.map_err(|error| failure("TerminateInstances", error)))?;
            self.until_terminated(aws, name).await?;
        }
        if self.results.is_empty() {
            return Ok(());
        }
        // Only `result.json`: the model, the metrics and the log stay.
        let (bucket, key) = self.mark(name)?;
        let deleted = aws.s3.delete_object().bucket(bucket).key(key).send().await;
        present(deleted.map_err(|error| failure("DeleteObject", error))).map(|_| ())
    }
}

impl Instance {
    async fn until_terminated(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let mut attempt = 0;
        while let Some(instance) = find(aws, name).await?
            && state(&instance) != Some(InstanceStateName::Terminated)
        {
            aws.pause(attempt).await?;
            attempt += 1;
        }
        Ok(())
    }

    fn mark(&self, name: &str) -> Outcome<(String, String)> {
        split_uri(&format!("{}{name}/result.json", self.results))
    }

    async fn result(&self, aws: &Aws, name: &str) -> Outcome<Option<JobResult>> {
        if self.results.is_empty() {
            return Ok(None);
        }
        let (bucket, key) = self.mark(name)?;
        let Some(text) = read_text(aws, &bucket, &key).await? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            Failure::new("InvalidOutput", format!("s3://{bucket}/{key}: {}", worded(&error)))
        })
    }

    /// Returns why the job failed: the reason that it wrote, or the last lines of its log.
    async fn why(&self, aws: &Aws, name: &str) -> Outcome<String> {
        let (bucket, prefix) = split_uri(&format!("{}{name}/", self.results))?;
        if let Some(reason) = read_text(aws, &bucket, &format!("{prefix}failure")).await?
            && !reason.trim().is_empty()
        {
            return Ok(format!("TrainingFailed: {}", reason.trim()));
        }
        let log = read_text(aws, &bucket, &format!("{prefix}log.txt")).await?.unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(3)..].join(" / ");
        Ok(format!("UserDataFailed: {last}"))
    }
}

impl Image {
    async fn resolve(&self, aws: &Aws) -> Outcome<String> {
        let (owner, pattern) = match self {
            Self::Id(id) => return Ok(id.clone()),
            Self::Newest { owner, name } => (owner, name),
        };
        let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
        let mut pages = aws
            .ec2
            .describe_images()
            .owners(owner)
            .filters(filter("name", pattern))
            .filters(filter("state", "available"))
            .filters(filter("architecture", "x86_64"))
            .into_paginator()
            .send();
        let mut newest: Option<(String, String)> = None;
        while let Some(page) = pages.next().await {
            for image in page.map_err(|error| failure("DescribeImages", error))?.images() {
                let found = (
                    image.creation_date().unwrap_or_default().to_owned(),
                    image.image_id().unwrap_or_default().to_owned(),
                );
                newest = newest.max(Some(found));
            }
        }
        newest.map(|(_, id)| id).ok_or_else(|| {
            Failure::new(
                "InvalidAMIID.NotFound",
                format!("{owner} has no x86_64 AMI named `{pattern}` in {}", aws.region),
            )
            .hint("`*` stands for anything; or give `image_id`, an AMI or resolve:ssm:PARAMETER")
        })
    }
}

impl Spot {
    fn sdk(&self) -> InstanceMarketOptionsRequest {
        let options = SpotMarketOptions::builder().set_max_price(self.max_price.map(|usd| usd.to_string()));
        InstanceMarketOptionsRequest::builder()
            .market_type(MarketType::Spot)
            .spot_options(options.build())
            .build()
    }
}

/// Returns the instance with this name.
async fn find(aws: &Aws, name: &str) -> Outcome<Option<Described>> {
    let by_name = Filter::builder().name(format!("tag:{NAME_TAG}")).values(name).build();
    let found = aws.ec2.describe_instances().filters(by_name).send().await;
    let found = found.map_err(|error| failure("DescribeInstances", error))?;
    Ok(found.reservations().iter().flat_map(|one| one.instances()).next().cloned())
}

fn state(instance: &Described) -> Option<InstanceStateName> {
    instance.state()?.name().cloned()
}

/// Returns an object as text, if it exists.
pub async fn read_text(aws: &Aws, bucket: &str, key: &str) -> Outcome<Option<String>> {
    let object = aws.s3.get_object().bucket(bucket).key(key).send().await;
    let Some(object) = present(object.map_err(|error| failure("GetObject", error)))? else { return Ok(None) };
    let failed = |error| Failure::new("Connection", format!("s3://{bucket}/{key}: {error}"));
    let bytes = object.body.collect().await.map_err(failed)?.into_bytes();
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Returns the tags of a resource that a call to EC2 creates.
pub(super) fn tag_specification(kind: ResourceType, tags: &Tags) -> TagSpecification {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags.collect())).build()
}
