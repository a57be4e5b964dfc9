//! SageMaker endpoint config: a model, an instance type and the number of instances.

use aws_sdk_sagemaker::types::{ProductionVariant, ProductionVariantInstanceType};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::training_job::{sagemaker_tags, sdk_tags};
use super::traits::{Live, Naming, Report, Resource, Status, Tags, facts};
use super::visible::until_visible;
use crate::aws::{Aws, failure, present};
use crate::failure::Outcome;

/// The name of the production variant, as in SageMaker's Python SDK.
pub const VARIANT: &str = "AllTraffic";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointConfig {
    pub base: String,
    pub model: String,
    pub instance_type: String,
    pub initial_instance_count: i32,
}

impl Resource for EndpointConfig {
    const TYPE: &'static str = "endpoint-config";
    const ROWS: &'static [&'static str] = &["instance_type", "initial_instance_count", "model"];

    fn naming(&self) -> Naming {
        Naming::Timestamp { base: self.base.clone(), max: 63 }
    }

    fn replaces(&self, _old: &Self) -> bool {
        true
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let config = aws.sagemaker.describe_endpoint_config().endpoint_config_name(name).send().await;
        let config = present(config.map_err(|error| failure("DescribeEndpointConfig", error)))?;
        let Some(config) = config else { return Ok(None) };
        let variant = config.production_variants().first();
        Ok(Some(Live {
            status: Status::Ready,
            facts: facts([
                ("arn", json!(config.endpoint_config_arn())),
                ("model", json!(variant.and_then(|v| v.model_name()))),
                ("instance_type", json!(variant.and_then(|v| v.instance_type()).map(|t| t.as_str()))),
                ("initial_instance_count", json!(variant.and_then(|v| v.initial_instance_count()))),
            ]),
        }))
    }

    async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
        sagemaker_tags(aws, "endpoint-config", name).await
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let variant = ProductionVariant::builder()
            .variant_name(VARIANT)
            .model_name(&self.model)
            .instance_type(ProductionVariantInstanceType::from(self.instance_type.as_str()))
            .initial_instance_count(self.initial_instance_count)
            .initial_variant_weight(1.0)
            .build();
        until_visible(aws, &self.model, progress, async || {
            let created = aws
                .sagemaker
                .create_endpoint_config()
                .endpoint_config_name(name)
                .production_variants(variant.clone())
                .set_tags(Some(sdk_tags(tags)))
                .send()
                .await;
            created.map(|_| ()).map_err(|error| failure("CreateEndpointConfig", error))
        })
        .await
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { base: name.to_owned(), ..Self::default() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let deleted = aws.sagemaker.delete_endpoint_config().endpoint_config_name(name).send().await;
        present(deleted.map_err(|error| failure("DeleteEndpointConfig", error))).map(|_| ())
    }
}
