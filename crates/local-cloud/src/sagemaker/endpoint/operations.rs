//! The operations on endpoints.

use std::sync::Arc;

use serde_json::{Value, json};

use super::capacity::{self, check_room};
use super::deploy::{Target, delete_later, deploy_later};
use super::record::{
    Capacity, Changed, Deployment, Endpoint, STORE, Status, Variant, all, arn, change_if, find, in_progress,
};
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
    check_room(
        store,
        deployment.variants.iter().map(|variant| (variant.instance_type(), variant.initial())),
    )?;
    if !store.insert(STORE, name, &Endpoint::new(deployment.clone()))? {
        return Err(already_there(&arn));
    }
    tags::add(store, &arn, request.input())?;
    deploy_later(service, name, Target { deployment, changed: Changed::new() });
    Ok(json!({"EndpointArn": arn}))
}

fn already_there(arn: &str) -> AwsError {
    AwsError::validation(format!("Cannot create already existing endpoint \"{arn}\"."))
}

/// Returns the deployment of the endpoint config that the request names, with its models.
fn deployment(request: &Request<'_>) -> Result<Deployment, AwsError> {
    let (cloud, config) = (request.service.cloud(), request.text("EndpointConfigName"));
    let found = CONFIGS.find(cloud, config)?.input;
    let variants = found["ProductionVariants"].as_array().into_iter().flatten().map(|variant| {
        let model = MODELS.find(cloud, text(variant, "ModelName"))?.input;
        Ok(Variant {
            config: variant.clone(),
            container: model["PrimaryContainer"].clone(),
            role: text(&model, "ExecutionRoleArn").to_owned(),
        })
    });
    let variants = variants.collect::<Result<_, AwsError>>()?;
    Ok(Deployment { config: config.to_owned(), variants, number: now_ms() })
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
        let variants = endpoint.deployment.variants.iter();
        answer["ProductionVariants"] =
            variants.map(|variant| capacity::describe(service, name, &endpoint, variant)).collect();
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
    let (cloud, store) = (service.cloud(), service.store());
    let endpoint = find(cloud, name)?;
    let deployment = deployment(request)?;
    let mut replaced = Vec::new();
    for old in &endpoint.deployment.variants {
        let kept =
            deployment.variant(old.name()).is_some_and(|new| new.instance_type() == old.instance_type());
        if !kept && service.targets.is_target(name, old.name())? {
            replaced.push(old.name());
        }
    }
    if !replaced.is_empty() {
        return Err(AwsError::validation(format!(
            "The variant(s) \"[{}]\" must be deregistered as scalable targets with AWS Auto Scaling before they can be \
             removed or have their instance type updated.",
            replaced.join(", ")
        )));
    }
    let mut changed = Changed::new();
    if request.flag("RetainAllVariantProperties") {
        let both = endpoint.deployment.variants.iter().filter(|old| deployment.variant(old.name()).is_some());
        changed.extend(both.map(|old| {
            let retained =
                Capacity { desired: Some(endpoint.desired(old)), weight: Some(endpoint.weight(old)) };
            (old.name().to_owned(), retained)
        }));
    }
    let wanted = deployment.variants.iter().map(|variant| {
        let retained = changed.get(variant.name()).and_then(|capacity| capacity.desired);
        (variant.instance_type(), retained.unwrap_or_else(|| variant.initial()))
    });
    check_room(store, wanted)?;
    let arn = arn(cloud, name);
    change_if(store, name, |endpoint| endpoint.begin_update(&arn))?;
    deploy_later(service, name, Target { deployment, changed });
    Ok(json!({"EndpointArn": arn}))
}

pub fn update_capacities(request: &Request<'_>) -> Reply {
    let (service, name) = (request.service, name(request));
    let endpoint = find(service.cloud(), name)?;
    let asked = request.items("DesiredWeightsAndCapacities");
    let names = asked.iter().map(|each| text(each, "VariantName"));
    let unknown: Vec<&str> = names.filter(|name| endpoint.deployment.variant(name).is_none()).collect();
    if !unknown.is_empty() {
        return Err(AwsError::validation(format!(
            "The variant name(s) \"{}\" is/are not present within endpoint configuration \"{}\".",
            unknown.join(", "),
            endpoint.deployment.config
        )));
    }
    let mut changed = Changed::new();
    for each in asked {
        let variant = text(each, "VariantName");
        let (desired, weight) = (each["DesiredInstanceCount"].as_u64(), each["DesiredWeight"].as_f64());
        if desired.is_none() && weight.is_none() {
            return Err(AwsError::validation(format!(
                "Either DesiredWeight or DesiredInstanceCount must be given for variant \"{variant}\"."
            )));
        }
        if changed.insert(variant.to_owned(), Capacity { desired, weight }).is_some() {
            return Err(AwsError::validation(format!("The variant name \"{variant}\" must be given once.")));
        }
    }
    // The outcome isn't waited for. DescribeEndpoint returns it.
    drop(capacity::set(service, name, &changed)?);
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
