//! SageMaker endpoint. Another endpoint config is an update in place: the endpoint keeps its name and continues to serve.

use aws_sdk_sagemaker::types::EndpointStatus;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::training_job::{sagemaker_tags, sdk_tags};
use super::traits::{Bills, Drawn, Live, Naming, Report, Resource, Status, Tags, facts};
use super::visible::until_visible;
use crate::aws::{Aws, failure, present};
use crate::failure::Outcome;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    pub name: Option<String>,
    pub base: String,
    pub config: String,
    /// What the config asks for, which is what bills.
    #[serde(default)]
    pub instance_type: String,
    #[serde(default)]
    pub instance_count: i32,
}

impl Resource for Endpoint {
    const TYPE: &'static str = "endpoint";
    const ROWS: &'static [&'static str] = &["variant"];
    const DRAWN: Drawn = Drawn::Box;
    const LEAVES: bool = true;

    const SETTLES_BEFORE_DELETE: bool = true;

    fn naming(&self) -> Naming {
        match &self.name {
            Some(name) => Naming::Fixed(name.clone()),
            None => Naming::Timestamp { base: self.base.clone(), max: 63 },
        }
    }

    fn replaces(&self, old: &Self) -> bool {
        self.name != old.name
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let endpoint = aws.sagemaker.describe_endpoint().endpoint_name(name).send().await;
        let endpoint = present(endpoint.map_err(|error| failure("DescribeEndpoint", error)))?;
        let Some(endpoint) = endpoint else { return Ok(None) };
        let status = match endpoint.endpoint_status() {
            Some(EndpointStatus::InService) => Status::Ready,
            Some(
                EndpointStatus::Failed | EndpointStatus::OutOfService | EndpointStatus::UpdateRollbackFailed,
            ) => {
                Status::Failed(endpoint.failure_reason().unwrap_or("the service gives no reason").to_owned())
            }
            Some(other) => Status::Pending(other.as_str().to_owned()),
            None => Status::Pending("no status yet".to_owned()),
        };
        let variant = endpoint.production_variants().first();
        Ok(Some(Live {
            facts: facts([
                ("arn", json!(endpoint.endpoint_arn())),
                ("status", json!(endpoint.endpoint_status().map(|status| status.as_str()))),
                ("revision", json!(endpoint.endpoint_config_name())),
                ("variant", json!(variant.and_then(|v| v.variant_name()))),
            ]),
            status,
        }))
    }

    async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
        sagemaker_tags(aws, "endpoint", name).await
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        until_visible(aws, &self.config, progress, async || {
            let created = aws
                .sagemaker
                .create_endpoint()
                .endpoint_name(name)
                .endpoint_config_name(&self.config)
                .set_tags(Some(sdk_tags(tags)))
                .send()
                .await;
            created.map(|_| ()).map_err(|error| failure("CreateEndpoint", error))
        })
        .await
    }

    async fn update(&self, aws: &Aws, name: &str, _tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let now = aws.sagemaker.describe_endpoint().endpoint_name(name).send().await;
        let now = now.map_err(|error| failure("DescribeEndpoint", error))?;
        if now.endpoint_config_name() == Some(&self.config) {
            return Ok(());
        }
        until_visible(aws, &self.config, progress, async || {
            let updated = aws
                .sagemaker
                .update_endpoint()
                .endpoint_name(name)
                .endpoint_config_name(&self.config)
                .send()
                .await;
            updated.map(|_| ()).map_err(|error| failure("UpdateEndpoint", error))
        })
        .await
    }

    fn log(&self, name: &str) -> Option<(String, String)> {
        Some((format!("/aws/sagemaker/Endpoints/{name}"), String::new()))
    }

    fn bills(&self, _facts: &Map<String, Value>) -> Option<Bills> {
        (!self.instance_type.is_empty()).then(|| Bills {
            instance_type: self.instance_type.clone(),
            instance_count: self.instance_count,
            seconds: None,
            until_deleted: true,
        })
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { base: name.to_owned(), ..Self::default() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let deleted = aws.sagemaker.delete_endpoint().endpoint_name(name).send().await;
        present(deleted.map_err(|error| failure("DeleteEndpoint", error)))?;
        let group = format!("/aws/sagemaker/Endpoints/{name}");
        let logs = aws.logs.delete_log_group().log_group_name(group).send().await;
        present(logs.map_err(|error| failure("DeleteLogGroup", error))).map(|_| ())
    }
}
