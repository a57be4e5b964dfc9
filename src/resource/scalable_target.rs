//! Application Auto Scaling's scalable target: the fewest and the most instances of an endpoint's variant.

use aws_sdk_applicationautoscaling::types::{
    ScalableDimension, ScalableTarget as Described, ServiceNamespace,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::endpoint::Endpoint;
use super::traits::{Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::Outcome;
use crate::journal::ResourceId;

/// The dimension of a variant that is scaled.
pub(super) const DIMENSION: ScalableDimension = ScalableDimension::SageMakerVariantDesiredInstanceCount;

/// Returns Application Auto Scaling's resource id of an endpoint's variant.
pub fn scalable_id(endpoint: &str, variant: &str) -> String {
    format!("endpoint/{endpoint}/variant/{variant}")
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalableTarget {
    pub endpoint_name: String,
    pub variant: String,
    pub min_capacity: i32,
    pub max_capacity: i32,
}

impl Resource for ScalableTarget {
    const TYPE: &'static str = "scalable-target";
    const ROWS: &'static [&'static str] = &["min_capacity", "max_capacity"];

    fn naming(&self) -> Naming {
        Naming::Fixed(scalable_id(&self.endpoint_name, &self.variant))
    }

    fn replaces(&self, old: &Self) -> bool {
        self.naming() != old.naming()
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let Some(target) = find(aws, name).await? else { return Ok(None) };
        Ok(Some(Live {
            status: Status::Ready,
            facts: facts([
                ("arn", json!(target.scalable_target_arn())),
                ("dimension", json!(target.scalable_dimension().as_str())),
                ("min_capacity", json!(target.min_capacity())),
                ("max_capacity", json!(target.max_capacity())),
                ("role", json!(target.role_arn())),
            ]),
        }))
    }

    async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
        tags_of(aws, name).await
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        self.register(aws, name, Some(tags)).await
    }

    /// RegisterScalableTarget accepts tags only for a new target.
    async fn update(&self, aws: &Aws, name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        self.register(aws, name, None).await
    }

    fn attached_to(&self) -> Option<ResourceId> {
        Some(ResourceId { kind: Endpoint::TYPE.into(), name: self.endpoint_name.clone() })
    }

    /// AWS deletes its policies and their alarms with it.
    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let deleted = aws
            .autoscaling
            .deregister_scalable_target()
            .service_namespace(ServiceNamespace::Sagemaker)
            .resource_id(name)
            .scalable_dimension(DIMENSION)
            .send()
            .await;
        present(deleted.map_err(|error| failure("DeregisterScalableTarget", error))).map(|_| ())
    }
}

impl ScalableTarget {
    /// An upsert: <https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html>.
    async fn register(&self, aws: &Aws, name: &str, tags: Option<&Tags>) -> Outcome<()> {
        let registered = aws
            .autoscaling
            .register_scalable_target()
            .service_namespace(ServiceNamespace::Sagemaker)
            .resource_id(name)
            .scalable_dimension(DIMENSION)
            .min_capacity(self.min_capacity)
            .max_capacity(self.max_capacity)
            .set_tags(tags.map(|tags| tags.clone().into_iter().collect()))
            .send()
            .await;
        registered.map(|_| ()).map_err(|error| failure("RegisterScalableTarget", error))
    }
}

async fn find(aws: &Aws, name: &str) -> Outcome<Option<Described>> {
    let targets = aws
        .autoscaling
        .describe_scalable_targets()
        .service_namespace(ServiceNamespace::Sagemaker)
        .resource_ids(name)
        .scalable_dimension(DIMENSION)
        .send()
        .await;
    let targets = targets.map_err(|error| failure("DescribeScalableTargets", error))?;
    Ok(targets.scalable_targets().first().cloned())
}

/// Returns the tags of a scalable target. There are none if the target does not exist.
async fn tags_of(aws: &Aws, name: &str) -> Outcome<Tags> {
    let target = find(aws, name).await?;
    let Some(arn) = target.as_ref().and_then(|target| target.scalable_target_arn()) else {
        return Ok(Tags::new());
    };
    let tags = aws.autoscaling.list_tags_for_resource().resource_arn(arn).send().await;
    let tags = present(tags.map_err(|error| failure("ListTagsForResource", error)))?;
    Ok(tags.and_then(|tags| tags.tags).unwrap_or_default().into_iter().collect())
}
