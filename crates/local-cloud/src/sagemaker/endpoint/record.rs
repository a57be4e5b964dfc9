//! An endpoint as it is stored.

use std::collections::BTreeMap;

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
    /// What was changed of the variants since, by their names.
    #[serde(default)]
    pub changed: Changed,
    pub failure: Option<String>,
    pub created_ms: i64,
    pub modified_ms: i64,
}

/// What was changed of a deployment's variants, by their names.
pub type Changed = BTreeMap<String, Capacity>;

/// The capacity of a variant, where it isn't the config's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// The number of instances.
    pub desired: Option<u64>,
    pub weight: Option<f64>,
}

impl Endpoint {
    /// Returns an endpoint that is being created.
    pub fn new(deployment: Deployment) -> Self {
        let now = now_ms();
        Self {
            status: Status::Creating,
            deployment,
            changed: Changed::new(),
            failure: None,
            created_ms: now,
            modified_ms: now,
        }
    }

    /// Returns the number of instances that a variant should have.
    pub fn desired(&self, variant: &Variant) -> u64 {
        let changed = self.changed.get(variant.name()).and_then(|changed| changed.desired);
        changed.unwrap_or_else(|| variant.initial())
    }

    /// Returns a variant's weight: its share of the requests, beside the weights of the others.
    pub fn weight(&self, variant: &Variant) -> f64 {
        let changed = self.changed.get(variant.name()).and_then(|changed| changed.weight);
        changed.or(variant.config["InitialVariantWeight"].as_f64()).unwrap_or(1.0)
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

/// The settings from which fleets are started. They are a copy, since on AWS, too, an endpoint's config and models can be
/// deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Deployment {
    pub config: String,
    /// The config's production variants. Each is a fleet.
    pub variants: Vec<Variant>,
    /// Names the deployment's folders.
    pub number: i64,
}

/// A deployment as it is stored. Before there could be several variants, it had the members of one.
#[derive(Deserialize)]
struct Stored {
    config: String,
    #[serde(default)]
    variants: Vec<Variant>,
    number: i64,
    variant: Option<Value>,
    #[serde(default)]
    container: Value,
    #[serde(default)]
    role: String,
}

impl From<Stored> for Deployment {
    fn from(stored: Stored) -> Self {
        let Stored { config, mut variants, number, variant, container, role } = stored;
        variants.extend(variant.map(|config| Variant { config, container, role }));
        Self { config, variants, number }
    }
}

/// A production variant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Variant {
    /// The variant as it stands in the config.
    pub config: Value,
    /// The model's primary container.
    pub container: Value,
    pub role: String,
}

impl Deployment {
    /// Returns the variant of a name.
    pub fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.name() == name)
    }
}

impl Variant {
    /// Returns the number of instances in the config.
    pub fn initial(&self) -> u64 {
        self.config["InitialInstanceCount"].as_u64().unwrap_or(1)
    }

    pub fn name(&self) -> &str {
        text(&self.config, "VariantName")
    }

    pub fn instance_type(&self) -> &str {
        text(&self.config, "InstanceType")
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
