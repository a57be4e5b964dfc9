//! Models and endpoint configs: what is kept of them, and the operations on it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::resource::{
    Entry, authorize, check_role, delete_tags_of, echo, list, now_ms, put_tags, seconds, text,
};
use super::transfer::S3Uri;
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;

/// What differs between the two.
pub struct Kind {
    pub store: &'static str,
    /// In ARNs.
    pub path: &'static str,
    /// In AWS's messages.
    words: &'static str,
    name: &'static str,
    arn: &'static str,
    members: &'static str,
}

pub const MODEL: Kind = Kind {
    store: "sagemaker.model",
    path: "model",
    words: "model",
    name: "ModelName",
    arn: "ModelArn",
    members: "Models",
};

pub const CONFIG: Kind = Kind {
    store: "sagemaker.endpoint-config",
    path: "endpoint-config",
    words: "endpoint configuration",
    name: "EndpointConfigName",
    arn: "EndpointConfigArn",
    members: "EndpointConfigs",
};

/// A model or an endpoint config, as it was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    pub input: Value,
    pub created_ms: i64,
}

impl Kind {
    fn arn(&self, cloud: &Cloud, name: &str) -> String {
        // ARNs of SageMaker's resources are in lower case.
        cloud.arn("sagemaker", &format!("{}/{}", self.path, name.to_lowercase()))
    }

    /// # Errors
    /// SageMaker's "Could not find …".
    pub fn find(&self, cloud: &Cloud, name: &str) -> Result<Item, AwsError> {
        cloud.store.get(self.store, name)?.ok_or_else(|| {
            let arn = self.arn(cloud, name);
            AwsError::validation(format!("Could not find {} \"{arn}\".", self.words))
        })
    }

    pub fn call(&self, cloud: &Arc<Cloud>, call: &Call) -> Reply {
        if call.operation.starts_with("List") {
            authorize(cloud, call, "*")?;
            return self.list(cloud, &call.input);
        }
        let name = text(&call.input, self.name);
        let arn = self.arn(cloud, name);
        authorize(cloud, call, &arn)?;
        match call.operation.as_str() {
            "CreateModel" => {
                check_model(cloud, call)?;
                self.create(cloud, call, name, &arn)
            }
            "CreateEndpointConfig" => {
                check_config(cloud, &call.input)?;
                self.create(cloud, call, name, &arn)
            }
            "DescribeModel" | "DescribeEndpointConfig" => {
                let item = self.find(cloud, name)?;
                let mut answer = echo(&item.input, &["Tags"]);
                answer.insert(self.arn.to_owned(), json!(arn));
                answer.insert("CreationTime".to_owned(), seconds(item.created_ms));
                answer.entry("EnableNetworkIsolation").or_insert(json!(false));
                Ok(Value::Object(answer))
            }
            "DeleteModel" | "DeleteEndpointConfig" => {
                self.find(cloud, name)?;
                cloud.store.delete(self.store, name)?;
                delete_tags_of(cloud, &arn)?;
                Ok(json!({}))
            }
            _ => Err(call.unsupported("SageMaker")),
        }
    }

    fn create(&self, cloud: &Cloud, call: &Call, name: &str, arn: &str) -> Reply {
        let item = Item { input: call.input.clone(), created_ms: now_ms() };
        if !cloud.store.insert(self.store, name, &item)? {
            return Err(AwsError::validation(format!(
                "Cannot create already existing {} \"{arn}\".",
                self.words
            )));
        }
        put_tags(cloud, arn, &call.input)?;
        Ok(json!({self.arn: arn}))
    }

    fn list(&self, cloud: &Cloud, input: &Value) -> Reply {
        let items: Vec<(String, Item)> = cloud.store.list(self.store)?;
        let entries = items.into_iter().map(|(name, item)| Entry {
            summary: json!({
                self.name: name, self.arn: self.arn(cloud, &name), "CreationTime": seconds(item.created_ms),
            }),
            name,
            created_ms: item.created_ms,
            modified_ms: item.created_ms,
            status: String::new(),
        });
        list(self.members, input, entries.collect())
    }
}

fn check_model(cloud: &Cloud, call: &Call) -> Result<(), AwsError> {
    let input = &call.input;
    for member in ["Containers", "InferenceExecutionConfig", "VpcConfig"] {
        if input.get(member).is_some_and(|value| !value.is_null()) {
            return Err(AwsError::unsupported("SageMaker", &format!("{member} in CreateModel")));
        }
    }
    let container = &input["PrimaryContainer"];
    for member in ["ModelPackageName", "ModelDataSource", "MultiModelConfig", "AdditionalModelDataSources"] {
        if container.get(member).is_some_and(|value| !value.is_null()) {
            return Err(AwsError::unsupported("SageMaker", &format!("{member} in CreateModel")));
        }
    }
    if text(container, "Image").is_empty() {
        return Err(AwsError::validation(
            "Containers should contain at least one container or PrimaryContainer.",
        ));
    }
    let role = text(input, "ExecutionRoleArn");
    if role.is_empty() {
        return Err(AwsError::validation("ExecutionRoleArn is required for a model with a container."));
    }
    if let Some(uri) = container["ModelDataUrl"].as_str() {
        S3Uri::parse(uri)?;
    }
    check_role(cloud, &call.caller, role, "SageMaker").map(drop)
}

fn check_config(cloud: &Cloud, input: &Value) -> Result<(), AwsError> {
    for member in [
        "DataCaptureConfig",
        "AsyncInferenceConfig",
        "ExplainerConfig",
        "ShadowProductionVariants",
        "VpcConfig",
    ] {
        if input.get(member).is_some_and(|value| !value.is_null()) {
            return Err(AwsError::unsupported("SageMaker", &format!("{member} in CreateEndpointConfig")));
        }
    }
    let variants = input["ProductionVariants"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [variant] = variants else {
        return Err(AwsError::unsupported("SageMaker", "several ProductionVariants in CreateEndpointConfig"));
    };
    for member in ["ServerlessConfig", "InstancePools", "AcceleratorType", "ManagedInstanceScaling"] {
        if variant.get(member).is_some_and(|value| !value.is_null()) {
            return Err(AwsError::unsupported("SageMaker", &format!("{member} in CreateEndpointConfig")));
        }
    }
    for member in ["ModelName", "InstanceType"] {
        if text(variant, member).is_empty() {
            return Err(AwsError::validation(format!("{member} is required for a production variant.")));
        }
    }
    if variant["InitialInstanceCount"].is_null() {
        return Err(AwsError::validation("InitialInstanceCount is required for a production variant."));
    }
    MODEL.find(cloud, text(variant, "ModelName")).map(drop)
}
