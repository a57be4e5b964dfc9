//! SageMaker model: an image, a model artifact, and a role.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_sagemaker::types::ContainerDefinition;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::training_job::{model_facts, sagemaker_tags, sdk_tags};
use super::traits::{Live, Naming, Report, Resource, Status, Tags, facts};
use super::visible::until_visible;
use crate::aws::{Aws, failure, present};
use crate::failure::Outcome;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Model {
    pub base: String,
    pub image: String,
    /// S3 URI of `model.tar.gz`.
    pub model_data: String,
    /// The ETag of that object, if it is known: another model may lie at the same URI.
    #[serde(default)]
    pub revision: Option<String>,
    pub role_arn: String,
    pub environment: BTreeMap<String, String>,
}

impl Resource for Model {
    const TYPE: &'static str = "model";
    const ROWS: &'static [&'static str] = &["image", "model_uri"];

    fn naming(&self) -> Naming {
        Naming::Timestamp { base: self.base.clone(), max: 63 }
    }

    fn replaces(&self, _old: &Self) -> bool {
        true
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let model = aws.sagemaker.describe_model().model_name(name).send().await;
        let Some(model) = present(model.map_err(|error| failure("DescribeModel", error)))? else {
            return Ok(None);
        };
        let container = model.primary_container();
        let uri = container.and_then(|container| container.model_data_url());
        let [revision, gone] = model_facts(aws, uri).await?;
        Ok(Some(Live {
            status: Status::Ready,
            facts: facts([
                ("arn", json!(model.model_arn())),
                ("image", json!(container.and_then(|c| c.image()))),
                ("model_uri", json!(container.and_then(|c| c.model_data_url()))),
                ("role_arn", json!(model.execution_role_arn())),
                ("environment", json!(container.and_then(|c| c.environment()).map(sorted))),
                revision,
                gone,
            ]),
        }))
    }

    async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
        sagemaker_tags(aws, "model", name).await
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let container = ContainerDefinition::builder()
            .image(&self.image)
            .model_data_url(&self.model_data)
            .set_environment(Some(self.environment.clone().into_iter().collect()))
            .build();
        until_visible(aws, &self.role_arn, progress, async || {
            let created = aws
                .sagemaker
                .create_model()
                .model_name(name)
                .execution_role_arn(&self.role_arn)
                .primary_container(container.clone())
                .set_tags(Some(sdk_tags(tags)))
                .send()
                .await;
            created.map(|_| ()).map_err(|error| failure("CreateModel", error))
        })
        .await
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { base: name.to_owned(), ..Self::default() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let deleted = aws.sagemaker.delete_model().model_name(name).send().await;
        present(deleted.map_err(|error| failure("DeleteModel", error))).map(|_| ())
    }
}

fn sorted(environment: &HashMap<String, String>) -> BTreeMap<&String, &String> {
    environment.iter().collect()
}
