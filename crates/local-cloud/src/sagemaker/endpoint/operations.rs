//! The operations on endpoints.

use std::sync::Arc;

use serde_json::{Value, json};

use super::capacity::{self, check_room};
use super::deploy::{Capacity, delete_later, deploy_later};
use super::record::{Deployment, Endpoint, STORE, Status, all, arn, change_if, find, in_progress};
use crate::authority::Access;
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::sagemaker::catalog::{CONFIGS, MODELS};
use crate::sagemaker::listing::{self, Entry};
use crate::sagemaker::resource::{text, words};
use crate::sagemaker::service::Request;
use crate::sagemaker::{access, tags};
use crate::support::clock::{now_ms, seconds};

pub fn on_endpoint(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    access::on(request, arn(request.service.cloud(), name(request)))
}

fn name<'a>(request: &Request<'a>) -> &'a str {
    request.text("EndpointName")
}

pub fn create(request: &Request<'_>) -> Reply {
    let (service, name) = (request.service, name(request));
    let (arn, store) = (arn(service.cloud(), name), service.store());
    if store.get::<Value>(STORE, name)?.is_some() {
        return Err(already_there(&arn));
    }
    let deployment = deployment(request)?;
    check_room(store, &deployment, deployment.initial())?;
    if !store.insert(STORE, name, &Endpoint::new(deployment.clone()))? {
        return Err(already_there(&arn));
    }
    tags::add(store, &arn, request.input())?;
    deploy_later(service, name, Capacity { deployment, desired: None, weight: None });
    Ok(json!({"EndpointArn": arn}))
}

fn already_there(arn: &str) -> AwsError {
    AwsError::validation(format!("Cannot create already existing endpoint \"{arn}\"."))
}

/// Returns the deployment of the endpoint config that the request names.
fn deployment(request: &Request<'_>) -> Result<Deployment, AwsError> {
    let (cloud, config) = (request.service.cloud(), request.text("EndpointConfigName"));
    let variant = CONFIGS.find(cloud, config)?.input["ProductionVariants"][0].clone();
    let model = MODELS.find(cloud, text(&variant, "ModelName"))?.input;
    let role = text(&model, "ExecutionRoleArn").to_owned();
    let container = model["PrimaryContainer"].clone();
    Ok(Deployment { config: config.to_owned(), variant, container, role, number: now_ms() })
}

pub fn describe(request: &Request<'_>) -> Reply {
    let (service, name) = (request.service, name(request));
    let endpoint = find(service.cloud(), name)?;
    let mut answer = json!({
        "EndpointName": name, "EndpointArn": arn(service.cloud(), name),
        "EndpointConfigName": endpoint.deployment.config, "EndpointStatus": endpoint.status,
        "CreationTime": seconds(endpoint.created_ms), "LastModifiedTime": seconds(endpoint.modified_ms),
    });
    if let Some(reason) = &endpoint.failure {
        answer["FailureReason"] = json!(reason);
    }
    if endpoint.is_served() {
        let image = &endpoint.deployment.container["Image"];
        let mut variant = capacity::describe(service, name, &endpoint);
        variant["DeployedImages"] = json!([{
            "SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": seconds(endpoint.created_ms),
        }]);
        answer["ProductionVariants"] = json!([variant]);
    }
    Ok(answer)
}

pub fn list(request: &Request<'_>) -> Reply {
    let cloud = request.service.cloud();
    let entries = all(&cloud.store)?.into_iter().map(|(name, endpoint)| entry(cloud, name, &endpoint));
    listing::list("Endpoints", request.input(), entries.collect())
}

fn entry(cloud: &Cloud, name: String, endpoint: &Endpoint) -> Entry {
    Entry {
        created_ms: endpoint.created_ms,
        modified_ms: endpoint.modified_ms,
        status: words(endpoint.status),
        summary: json!({
            "EndpointName": name, "EndpointArn": arn(cloud, &name), "EndpointStatus": endpoint.status,
            "CreationTime": seconds(endpoint.created_ms), "LastModifiedTime": seconds(endpoint.modified_ms),
        }),
        name,
    }
}

pub fn update(request: &Request<'_>) -> Reply {
    let (service, name) = (request.service, name(request));
    let (cloud, store, input) = (service.cloud(), service.store(), request.input());
    for member in ["DeploymentConfig", "ExcludeRetainedVariantProperties", "RetainDeploymentConfig"] {
        if !matches!(input[member], Value::Null | Value::Bool(false)) {
            return Err(request.unsupported(&format!("{member} in UpdateEndpoint")));
        }
    }
    let endpoint = find(cloud, name)?;
    let deployment = deployment(request)?;
    let (old, new) = (&endpoint.deployment, &deployment);
    let (variant, same) = (old.variant_name(), old.variant_name() == new.variant_name());
    let replaced = !same || old.instance_type() != new.instance_type();
    if replaced && service.targets.is_target(name, variant)? {
        return Err(AwsError::validation(format!(
            "The variant(s) \"[{variant}]\" must be deregistered as scalable targets with AWS Auto Scaling before they \
             can be removed or have their instance type updated."
        )));
    }
    let retained = same && request.flag("RetainAllVariantProperties");
    let (desired, weight) = if retained { (Some(endpoint.desired()), endpoint.weight) } else { (None, None) };
    check_room(store, &deployment, desired.unwrap_or_else(|| deployment.initial()))?;
    let arn = arn(cloud, name);
    change_if(store, name, |endpoint| endpoint.begin_update(&arn))?;
    deploy_later(service, name, Capacity { deployment, desired, weight });
    Ok(json!({"EndpointArn": arn}))
}

pub fn update_capacities(request: &Request<'_>) -> Reply {
    let (service, name) = (request.service, name(request));
    let endpoint = find(service.cloud(), name)?;
    let asked = request.items("DesiredWeightsAndCapacities");
    let known = endpoint.deployment.variant_name();
    let unknown: Vec<&str> =
        asked.iter().map(|each| text(each, "VariantName")).filter(|name| *name != known).collect();
    if !unknown.is_empty() {
        return Err(AwsError::validation(format!(
            "The variant name(s) \"{}\" is/are not present within endpoint configuration \"{}\".",
            unknown.join(", "),
            endpoint.deployment.config
        )));
    }
    let [each] = asked else {
        return Err(AwsError::validation(format!("The variant name \"{known}\" must be given once.")));
    };
    if !each["ServerlessUpdateConfig"].is_null() {
        return Err(request.unsupported("ServerlessUpdateConfig in UpdateEndpointWeightsAndCapacities"));
    }
    let (count, weight) = (each["DesiredInstanceCount"].as_u64(), each["DesiredWeight"].as_f64());
    if count.is_none() && weight.is_none() {
        return Err(AwsError::validation(format!(
            "Either DesiredWeight or DesiredInstanceCount must be given for variant \"{known}\"."
        )));
    }
    // The outcome isn't waited for. DescribeEndpoint returns it.
    drop(capacity::set(service, name, count.unwrap_or_else(|| endpoint.desired()), weight)?);
    Ok(json!({"EndpointArn": arn(service.cloud(), name)}))
}

pub fn delete(request: &Request<'_>) -> Reply {
    let (service, name) = (request.service, name(request));
    let arn = arn(service.cloud(), name);
    find(service.cloud(), name)?;
    service.targets.may_deregister(&request.call.caller, name)?;
    change_if(service.store(), name, |endpoint| match endpoint.status {
        Status::InService | Status::Failed => {
            endpoint.status = Status::Deleting;
            Ok(())
        }
        _ => Err(in_progress(&arn)),
    })?;
    service.targets.deregister_all(name)?;
    delete_later(Arc::clone(service), name.to_owned());
    Ok(json!({}))
}
