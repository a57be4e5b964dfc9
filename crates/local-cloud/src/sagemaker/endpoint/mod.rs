//! Endpoints: the operations, and the deployments behind them. Blue/green: an update starts a second fleet,
//! and only when that serves does it take the first one's place. [`capacity`] adds and drains instances of a fleet.

pub mod capacity;
mod fleet;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::catalog::{CONFIG, MODEL};
use super::resource::{Entry, authorize, check_quota, delete_tags_of, list, now_ms, put_tags, seconds, text};
use super::{locked, process};
use crate::autoscaling;
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
pub use fleet::{Busy, Fleet, Unpicked};

pub const ENDPOINT: &str = "sagemaker.endpoint";
/// AWS's default for most instance types on an account that has been used; settable.
const QUOTA: u64 = 20;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Endpoint {
    status: Status,
    /// What serves, or is about to for the first time.
    deployment: Deployment,
    /// Instances; None: as many as the config says.
    #[serde(default)]
    desired: Option<u64>,
    /// None: the config's.
    #[serde(default)]
    weight: Option<f64>,
    failure: Option<String>,
    created_ms: i64,
    modified_ms: i64,
}

impl Endpoint {
    fn desired(&self) -> u64 {
        self.desired.unwrap_or_else(|| self.deployment.initial())
    }

    fn is_served(&self) -> bool {
        matches!(self.status, Status::InService | Status::Updating)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    Creating,
    Updating,
    InService,
    Failed,
    Deleting,
}

/// All that a fleet is started from. A copy, so that an endpoint outlives its config and model, as on AWS.
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
    fn initial(&self) -> u64 {
        self.variant["InitialInstanceCount"].as_u64().unwrap_or(1)
    }
}

/// What answers invocations.
#[derive(Clone, Debug)]
pub enum Serving {
    /// It comes back after a restart of the cloud: wait.
    Starting,
    Fleet(Arc<Fleet>),
    Nothing,
}

/// An endpoint as it runs.
#[derive(Debug)]
pub struct Live {
    pub serving: watch::Sender<Serving>,
}

pub fn call(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    if call.operation == "ListEndpoints" {
        authorize(cloud, call, "*")?;
        let entries = list_all(cloud)?.into_iter().map(|(name, endpoint)| Entry {
            created_ms: endpoint.created_ms,
            modified_ms: endpoint.modified_ms,
            status: json!(endpoint.status).as_str().unwrap_or_default().to_owned(),
            summary: json!({
                "EndpointName": name, "EndpointArn": arn(cloud, &name), "EndpointStatus": endpoint.status,
                "CreationTime": seconds(endpoint.created_ms), "LastModifiedTime": seconds(endpoint.modified_ms),
            }),
            name,
        });
        return list("Endpoints", &call.input, entries.collect());
    }
    let name = text(&call.input, "EndpointName");
    let arn = arn(cloud, name);
    authorize(cloud, call, &arn)?;
    match call.operation.as_str() {
        "CreateEndpoint" => create(cloud, call, name, &arn),
        "DescribeEndpoint" => Ok(describe(cloud, name, &arn, &find(cloud, name)?)),
        "UpdateEndpoint" => update(cloud, call, name, &arn),
        "UpdateEndpointWeightsAndCapacities" => capacity::update(cloud, call, name),
        "DeleteEndpoint" => delete(cloud, call, name, &arn),
        _ => Err(call.unsupported("SageMaker")),
    }
}

fn arn(cloud: &Cloud, name: &str) -> String {
    cloud.arn("sagemaker", &format!("endpoint/{}", name.to_lowercase()))
}

fn list_all(cloud: &Cloud) -> Result<Vec<(String, Endpoint)>, AwsError> {
    cloud.store.list(ENDPOINT)
}

fn find(cloud: &Cloud, name: &str) -> Result<Endpoint, AwsError> {
    let found = cloud.store.get(ENDPOINT, name)?;
    found.ok_or_else(|| AwsError::validation(format!("Could not find endpoint \"{}\".", arn(cloud, name))))
}

/// Whether there is an endpoint that takes invocations.
pub fn is_served(cloud: &Cloud, name: &str) -> Result<bool, AwsError> {
    let found: Option<Endpoint> = cloud.store.get(ENDPOINT, name)?;
    Ok(found.is_some_and(|endpoint| endpoint.is_served()))
}

/// What a config deploys.
fn deployment(cloud: &Cloud, config: &str) -> Result<Deployment, AwsError> {
    let variant = CONFIG.find(cloud, config)?.input["ProductionVariants"][0].clone();
    let model = MODEL.find(cloud, text(&variant, "ModelName"))?.input;
    let role = text(&model, "ExecutionRoleArn").to_owned();
    let container = model["PrimaryContainer"].clone();
    Ok(Deployment { config: config.to_owned(), variant, container, role, number: now_ms() })
}

/// Whether there is room for so many instances of a deployment.
fn check_room(cloud: &Cloud, deployment: &Deployment, count: u64) -> Result<(), AwsError> {
    let kind = text(&deployment.variant, "InstanceType");
    check_quota(cloud, &format!("{kind} for endpoint usage"), QUOTA, capacity::used(cloud, kind)?, count)
}

fn create(cloud: &Arc<Cloud>, call: &Call, name: &str, arn: &str) -> Reply {
    if cloud.store.get::<Value>(ENDPOINT, name)?.is_some() {
        return Err(already_there(arn));
    }
    let deployment = deployment(cloud, text(&call.input, "EndpointConfigName"))?;
    check_room(cloud, &deployment, deployment.initial())?;
    let now = now_ms();
    let endpoint = Endpoint {
        status: Status::Creating,
        deployment: deployment.clone(),
        desired: None,
        weight: None,
        failure: None,
        created_ms: now,
        modified_ms: now,
    };
    if !cloud.store.insert(ENDPOINT, name, &endpoint)? {
        return Err(already_there(arn));
    }
    put_tags(cloud, arn, &call.input)?;
    deploy(cloud, name, Capacity { deployment, desired: None, weight: None });
    Ok(json!({"EndpointArn": arn}))
}

fn already_there(arn: &str) -> AwsError {
    AwsError::validation(format!("Cannot create already existing endpoint \"{arn}\"."))
}

fn in_progress(arn: &str) -> AwsError {
    AwsError::validation(format!("Cannot update in-progress endpoint \"{arn}\"."))
}

fn update(cloud: &Arc<Cloud>, call: &Call, name: &str, arn: &str) -> Reply {
    for member in ["DeploymentConfig", "ExcludeRetainedVariantProperties", "RetainDeploymentConfig"] {
        if !matches!(call.input[member], Value::Null | Value::Bool(false)) {
            return Err(AwsError::unsupported("SageMaker", &format!("{member} in UpdateEndpoint")));
        }
    }
    let endpoint = find(cloud, name)?;
    let deployment = deployment(cloud, text(&call.input, "EndpointConfigName"))?;
    let (old, new) = (&endpoint.deployment.variant, &deployment.variant);
    let same = old["VariantName"] == new["VariantName"];
    let variant = text(old, "VariantName");
    if (!same || old["InstanceType"] != new["InstanceType"]) && autoscaling::is_target(cloud, name, variant)?
    {
        return Err(AwsError::validation(format!(
            "The variant(s) \"[{variant}]\" must be deregistered as scalable targets with AWS Auto Scaling before they \
             can be removed or have their instance type updated."
        )));
    }
    let retained = same && call.input["RetainAllVariantProperties"] == true;
    let (desired, weight) = if retained { (Some(endpoint.desired()), endpoint.weight) } else { (None, None) };
    check_room(cloud, &deployment, desired.unwrap_or_else(|| deployment.initial()))?;
    change_if(cloud, name, |endpoint| match endpoint.status {
        Status::InService => {
            endpoint.status = Status::Updating;
            Ok(())
        }
        Status::Failed => Err(AwsError::validation(format!("Cannot update failed endpoint \"{arn}\"."))),
        _ => Err(in_progress(arn)),
    })?;
    deploy(cloud, name, Capacity { deployment, desired, weight });
    Ok(json!({"EndpointArn": arn}))
}

fn delete(cloud: &Arc<Cloud>, call: &Call, name: &str, arn: &str) -> Reply {
    find(cloud, name)?;
    autoscaling::may_deregister(cloud, &call.caller, name)?;
    change_if(cloud, name, |endpoint| match endpoint.status {
        Status::InService | Status::Failed => {
            endpoint.status = Status::Deleting;
            Ok(())
        }
        _ => Err(in_progress(arn)),
    })?;
    autoscaling::deregister_all(cloud, name)?;
    let (cloud, name) = (Arc::clone(cloud), name.to_owned());
    tokio::spawn(async move { finish_delete(&cloud, &name).await });
    Ok(json!({}))
}

fn change_if(
    cloud: &Cloud,
    name: &str,
    change: impl FnOnce(&mut Endpoint) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    let changed = cloud.store.update(ENDPOINT, name, |endpoint: &mut Endpoint| {
        change(endpoint)?;
        endpoint.modified_ms = now_ms();
        Ok(())
    });
    changed.map(drop)
}

fn describe(cloud: &Cloud, name: &str, arn: &str, endpoint: &Endpoint) -> Value {
    let mut told = json!({
        "EndpointName": name, "EndpointArn": arn, "EndpointConfigName": endpoint.deployment.config,
        "EndpointStatus": endpoint.status,
        "CreationTime": seconds(endpoint.created_ms), "LastModifiedTime": seconds(endpoint.modified_ms),
    });
    if let Some(reason) = &endpoint.failure {
        told["FailureReason"] = json!(reason);
    }
    if endpoint.is_served() {
        let image = &endpoint.deployment.container["Image"];
        let mut variant = capacity::describe(cloud, name, endpoint);
        variant["DeployedImages"] = json!([{
            "SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": seconds(endpoint.created_ms),
        }]);
        told["ProductionVariants"] = json!([variant]);
    }
    told
}

fn folder(cloud: &Cloud, name: &str) -> PathBuf {
    cloud.settings.dir.join("endpoints").join(name)
}

fn live(cloud: &Cloud, name: &str) -> Arc<Live> {
    let mut endpoints = locked(&cloud.sagemaker.endpoints);
    let fresh = || Arc::new(Live { serving: watch::Sender::new(Serving::Nothing) });
    Arc::clone(endpoints.entry(name.to_owned()).or_insert_with(fresh))
}

/// A deployment and what of it was changed since.
struct Capacity {
    deployment: Deployment,
    desired: Option<u64>,
    weight: Option<f64>,
}

/// Starts a fleet, and lets it take the place of the one that serves. Where it fails, that one stays.
fn deploy(cloud: &Arc<Cloud>, name: &str, capacity: Capacity) {
    let (cloud, name) = (Arc::clone(cloud), name.to_owned());
    tokio::spawn(async move {
        let live = live(&cloud, &name);
        let Capacity { deployment, desired, weight } = capacity;
        let count = usize::try_from(desired.unwrap_or_else(|| deployment.initial())).unwrap_or(usize::MAX);
        let started = Fleet::start(&cloud, &name, &folder(&cloud, &name), deployment.clone(), count).await;
        match started {
            Ok(fleet) => {
                let fresh = Serving::Fleet(Arc::clone(&fleet));
                let old = live.serving.send_replace(fresh);
                // One that comes back is what its record says; its capacity may be changed already.
                let changed = match old {
                    Serving::Starting => find(&cloud, &name).map(drop),
                    _ => change_if(&cloud, &name, |endpoint| {
                        endpoint.status = Status::InService;
                        endpoint.deployment = deployment;
                        (endpoint.desired, endpoint.weight) = (desired, weight);
                        endpoint.failure = None;
                        Ok(())
                    }),
                };
                // A fleet that the record does not know must not serve.
                if changed.is_err() {
                    live.serving.send_replace(Serving::Nothing);
                    fleet.retire(Duration::ZERO).await;
                }
                if let Serving::Fleet(old) = old {
                    old.retire(fleet::DRAIN).await;
                }
            }
            Err(reason) => {
                live.serving.send_if_modified(|serving| {
                    let starting = matches!(serving, Serving::Starting);
                    if starting {
                        *serving = Serving::Nothing;
                    }
                    starting
                });
                let serves = matches!(*live.serving.borrow(), Serving::Fleet(_));
                // Kept as it was, the endpoint is started again with the cloud.
                let _ = change_if(&cloud, &name, |endpoint| {
                    endpoint.status = if serves { Status::InService } else { Status::Failed };
                    endpoint.failure = Some(reason.chars().take(1024).collect());
                    Ok(())
                });
            }
        }
    });
}

async fn finish_delete(cloud: &Arc<Cloud>, name: &str) {
    let live = locked(&cloud.sagemaker.endpoints).remove(name);
    if let Some(live) = live
        && let Serving::Fleet(fleet) = live.serving.send_replace(Serving::Nothing)
    {
        fleet.retire(fleet::DRAIN).await;
    }
    sweep(cloud, name).await;
    // What could not be deleted is still Deleting, and is finished at the next start.
    let _ = delete_tags_of(cloud, &arn(cloud, name));
    let _ = cloud.store.delete(ENDPOINT, name);
}

/// Kills what is left of an endpoint's fleets and removes their folders.
async fn sweep(cloud: &Cloud, name: &str) {
    let folder = folder(cloud, name);
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        process::end(None, &entry.path()).await;
    }
    let _ = std::fs::remove_dir_all(&folder);
}

/// Brings the endpoints back. It does not wait until they serve: invocations do.
pub async fn recover(cloud: &Arc<Cloud>) -> Result<(), AwsError> {
    for (name, endpoint) in list_all(cloud)? {
        sweep(cloud, &name).await;
        let Endpoint { status, deployment, desired, weight, .. } = endpoint;
        let capacity = Capacity { deployment, desired, weight };
        match status {
            Status::Deleting => finish_delete(cloud, &name).await,
            Status::Failed => {}
            Status::Creating => deploy(cloud, &name, capacity),
            Status::InService | Status::Updating => {
                live(cloud, &name).serving.send_replace(Serving::Starting);
                change_if(cloud, &name, |endpoint| {
                    endpoint.status = Status::InService;
                    Ok(())
                })?;
                deploy(cloud, &name, capacity);
            }
        }
    }
    Ok(())
}

/// Ends what serves; the records stay, and bring it back.
pub async fn end_all(cloud: &Arc<Cloud>) {
    let all: Vec<(String, Arc<Live>)> = locked(&cloud.sagemaker.endpoints).drain().collect();
    let ends = all.into_iter().map(|(name, live)| async move {
        if let Serving::Fleet(fleet) = live.serving.send_replace(Serving::Nothing) {
            // Requests have had their time to end.
            fleet.retire(Duration::ZERO).await;
        }
        sweep(cloud, &name).await;
    });
    futures::future::join_all(ends).await;
}
