//! An endpoint as it is stored.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::sagemaker::resource::{self, text};
use crate::store::Store;
use crate::support::clock::now_ms;

pub const STORE: &str = "sagemaker.endpoint";
/// The kind's name in ARNs.
pub const PATH: &str = "endpoint";
/// AWS's limit for a FailureReason, in characters.
const MAX_REASON: usize = 1024;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    pub status: Status,
    /// The deployment that serves, or that will be the first to serve.
    pub deployment: Deployment,
    /// The number of instances. None: the config's.
    #[serde(default)]
    pub desired: Option<u64>,
    /// The weight. None: the config's.
    #[serde(default)]
    pub weight: Option<f64>,
    pub failure: Option<String>,
    pub created_ms: i64,
    pub modified_ms: i64,
}

impl Endpoint {
    /// Returns an endpoint that is being created.
    pub fn new(deployment: Deployment) -> Self {
        let now = now_ms();
        Self {
            status: Status::Creating,
            deployment,
            desired: None,
            weight: None,
            failure: None,
            created_ms: now,
            modified_ms: now,
        }
    }

    /// Returns the number of instances that it should have.
    pub fn desired(&self) -> u64 {
        self.desired.unwrap_or_else(|| self.deployment.initial())
    }

    /// Returns whether it can be invoked.
    pub fn is_served(&self) -> bool {
        matches!(self.status, Status::InService | Status::Updating)
    }

    /// Sets its status to Updating.
    ///
    /// # Errors
    /// A ValidationException: it isn't InService.
    pub fn begin_update(&mut self, arn: &str) -> Result<(), AwsError> {
        match self.status {
            Status::InService => {
                self.status = Status::Updating;
                Ok(())
            }
            Status::Failed => Err(AwsError::validation(format!("Cannot update failed endpoint \"{arn}\"."))),
            _ => Err(in_progress(arn)),
        }
    }

    /// Sets why its last change failed. The text is cut to AWS's limit.
    pub fn set_failure(&mut self, reason: &str) {
        self.failure = Some(reason.chars().take(MAX_REASON).collect());
    }
}

pub fn in_progress(arn: &str) -> AwsError {
    AwsError::validation(format!("Cannot update in-progress endpoint \"{arn}\"."))
}

/// EndpointStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Creating,
    Updating,
    InService,
    Failed,
    Deleting,
}

/// The settings from which a fleet is started. They are a copy, since on AWS, too, an endpoint's config and model can
/// be deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deployment {
    pub config: String,
    /// The config's production variant.
    pub variant: Value,
    /// The model's primary container.
    pub container: Value,
    pub role: String,
    /// Names the deployment's folder.
    pub number: i64,
}

impl Deployment {
    /// Returns the number of instances in the config.
    pub fn initial(&self) -> u64 {
        self.variant["InitialInstanceCount"].as_u64().unwrap_or(1)
    }

    pub fn variant_name(&self) -> &str {
        text(&self.variant, "VariantName")
    }

    pub fn instance_type(&self) -> &str {
        text(&self.variant, "InstanceType")
    }
}

pub fn arn(cloud: &Cloud, name: &str) -> String {
    resource::arn(cloud, PATH, name)
}

pub fn all(store: &Store) -> Result<Vec<(String, Endpoint)>, AwsError> {
    store.list(STORE)
}

/// Returns whether there is no endpoint.
pub fn none(store: &Store) -> Result<bool, AwsError> {
    Ok(store.list::<Value>(STORE)?.is_empty())
}

/// Returns an endpoint that can be invoked. None: there is no such endpoint.
pub fn served(store: &Store, name: &str) -> Result<Option<Endpoint>, AwsError> {
    Ok(store.get(STORE, name)?.filter(Endpoint::is_served))
}

/// # Errors
/// A ValidationException: there is no such endpoint.
pub fn find(cloud: &Cloud, name: &str) -> Result<Endpoint, AwsError> {
    let found = cloud.store.get(STORE, name)?;
    found.ok_or_else(|| AwsError::validation(format!("Could not find endpoint \"{}\".", arn(cloud, name))))
}

/// Changes an endpoint in the store. If it was deleted, nothing is changed.
///
/// # Errors
/// Those of `change`; the store's.
pub fn change_if(
    store: &Store,
    name: &str,
    change: impl FnOnce(&mut Endpoint) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    let changed = store.update(STORE, name, |endpoint: &mut Endpoint| {
        change(endpoint)?;
        endpoint.modified_ms = now_ms();
        Ok(())
    });
    changed.map(drop)
}
