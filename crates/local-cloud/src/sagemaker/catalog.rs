//! Models and endpoint configs: they are stored as they were requested, and endpoints are created from them.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::listing::{Entry, list};
use super::resource::{self, echo, text};
use super::service::Request;
use super::transfer::S3Uri;
use super::{access, tags};
use crate::authority::Access;
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::support::clock::{now_ms, seconds};

/// The differences between the two kinds.
pub struct Kind {
    pub store: &'static str,
    /// The kind's name in ARNs.
    pub path: &'static str,
    /// The kind's name in AWS's messages.
    words: &'static str,
    /// The member with the name.
    name: &'static str,
    /// The member with the ARN.
    arn: &'static str,
    /// The list in the answer to the List operation.
    list: &'static str,
}

pub const MODELS: Kind = Kind {
    store: "sagemaker.model",
    path: "model",
    words: "model",
    name: "ModelName",
    arn: "ModelArn",
    list: "Models",
};

pub const CONFIGS: Kind = Kind {
    store: "sagemaker.endpoint-config",
    path: "endpoint-config",
    words: "endpoint configuration",
    name: "EndpointConfigName",
    arn: "EndpointConfigArn",
    list: "EndpointConfigs",
};

/// A model or an endpoint config.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    /// The input of the operation that created it.
    pub input: Value,
    pub created_ms: i64,
}

impl Kind {
    fn arn(&self, cloud: &Cloud, name: &str) -> String {
        resource::arn(cloud, self.path, name)
    }

    /// Returns the item of a name.
    ///
    /// # Errors
    /// SageMaker's "Could not find …".
    pub fn find(&self, cloud: &Cloud, name: &str) -> Result<Item, AwsError> {
        cloud.store.get(self.store, name)?.ok_or_else(|| {
            let arn = self.arn(cloud, name);
            AwsError::validation(format!("Could not find {} \"{arn}\".", self.words))
        })
    }

    pub fn on_item(&self, request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
        access::on(request, self.arn(request.service.cloud(), request.text(self.name)))
    }

    fn create(&self, request: &Request<'_>) -> Reply {
        let (cloud, name) = (request.service.cloud(), request.text(self.name));
        let arn = self.arn(cloud, name);
        let item = Item { input: request.input().clone(), created_ms: now_ms() };
        if !cloud.store.insert(self.store, name, &item)? {
            let message = format!("Cannot create already existing {} \"{arn}\".", self.words);
            return Err(AwsError::validation(message));
        }
        tags::add(&cloud.store, &arn, request.input())?;
        Ok(json!({self.arn: arn}))
    }

    pub fn describe(&self, request: &Request<'_>) -> Reply {
        let (cloud, name) = (request.service.cloud(), request.text(self.name));
        let item = self.find(cloud, name)?;
        let mut answer = echo(&item.input, &["Tags"]);
        answer.insert(self.arn.to_owned(), json!(self.arn(cloud, name)));
        answer.insert("CreationTime".to_owned(), seconds(item.created_ms));
        answer.entry("EnableNetworkIsolation").or_insert(json!(false));
        Ok(Value::Object(answer))
    }

    pub fn list(&self, request: &Request<'_>) -> Reply {
        let cloud = request.service.cloud();
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
        list(self.list, request.input(), entries.collect())
    }

    pub fn delete(&self, request: &Request<'_>) -> Reply {
        let (cloud, name) = (request.service.cloud(), request.text(self.name));
        self.find(cloud, name)?;
        cloud.store.delete(self.store, name)?;
        tags::clear(&cloud.store, &self.arn(cloud, name))?;
        Ok(json!({}))
    }
}

pub fn create_model(request: &Request<'_>) -> Reply {
    let input = request.input();
    let container = &input["PrimaryContainer"];
    if text(container, "Image").is_empty() {
        return Err(AwsError::validation(
            "Containers should contain at least one container or PrimaryContainer.",
        ));
    }
    let role = request.text("ExecutionRoleArn");
    if role.is_empty() {
        return Err(AwsError::validation("ExecutionRoleArn is required for a model with a container."));
    }
    if let Some(uri) = container["ModelDataUrl"].as_str() {
        S3Uri::parse(uri)?;
    }
    access::pass_role(request, role)?;
    MODELS.create(request)
}

pub fn create_config(request: &Request<'_>) -> Reply {
    let mut names = HashSet::new();
    for variant in request.items("ProductionVariants") {
        for member in ["ModelName", "InstanceType", "InitialInstanceCount"] {
            if [Value::Null, json!("")].contains(&variant[member]) {
                return Err(AwsError::validation(format!("{member} is required for a production variant.")));
            }
        }
        let name = text(variant, "VariantName");
        if !names.insert(name) {
            return Err(AwsError::validation(format!("Duplicate variant name \"{name}\".")));
        }
        MODELS.find(request.service.cloud(), text(variant, "ModelName"))?;
    }
    CONFIGS.create(request)
}
