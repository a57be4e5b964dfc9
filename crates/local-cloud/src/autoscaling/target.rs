//! Scalable targets: variants whose number of instances is kept in a range.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{authorize, check_service, control, key, named, now_ms, page, policy, seconds, text};
use crate::call::{AwsError, Call, Caller, Reply};
use crate::cloud::Cloud;
use crate::iam::Context;
use crate::sagemaker::endpoint::capacity::{self, Variant};

pub const STORE: &str = "autoscaling.target";
/// AWS's limit to tags.
const TAGS: usize = 50;

/// A variant of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub endpoint: String,
    pub variant: String,
}

impl Key {
    /// `endpoint/NAME/variant/VARIANT`.
    pub fn parse(resource: &str) -> Option<Self> {
        match resource.split('/').collect::<Vec<_>>().as_slice() {
            ["endpoint", endpoint, "variant", variant] if !endpoint.is_empty() && !variant.is_empty() => {
                Some(Self { endpoint: (*endpoint).to_owned(), variant: (*variant).to_owned() })
            }
            _ => None,
        }
    }

    pub fn resource(&self) -> String {
        format!("endpoint/{}/variant/{}", self.endpoint, self.variant)
    }

    pub fn find(&self, cloud: &Cloud) -> Result<Option<Variant>, AwsError> {
        capacity::variant(cloud, &self.endpoint, &self.variant)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    pub id: String,
    pub min: u64,
    pub max: u64,
    pub created_ms: i64,
    pub suspended: Suspended,
    tags: BTreeMap<String, String>,
    /// Why the capacity is to be brought into the range, until that has begun.
    pub adjust: Option<String>,
}

/// What is not to be done for a while.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Suspended {
    pub dynamic_scaling_in_suspended: bool,
    pub dynamic_scaling_out_suspended: bool,
    pub scheduled_scaling_suspended: bool,
}

impl Target {
    fn arn(&self, cloud: &Cloud) -> String {
        cloud.arn("application-autoscaling", &format!("scalable-target/{}", self.id))
    }
}

/// The ARN that the permission to change a target is asked for: of all, where it isn't there yet.
pub fn arn(cloud: &Cloud, key: &Key) -> Result<String, AwsError> {
    let known: Option<Target> = cloud.store.get(STORE, &key.resource())?;
    Ok(known.map_or_else(
        || cloud.arn("application-autoscaling", "scalable-target/*"),
        |target| target.arn(cloud),
    ))
}

/// # Errors
/// ObjectNotFoundException, in AWS's words.
pub fn find(cloud: &Cloud, key: &Key) -> Result<Target, AwsError> {
    cloud.store.get(STORE, &key.resource())?.ok_or_else(|| missing("scalable target registered", key, ""))
}

pub fn missing(what: &str, key: &Key, more: &str) -> AwsError {
    let message = format!(
        "No {what} for service namespace: {}, resource ID: {}, scalable dimension: {}{more}",
        super::SERVICE,
        key.resource(),
        super::DIMENSION
    );
    AwsError::new(400, "ObjectNotFoundException", message)
}

pub fn register(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let input = &call.input;
    let key = key(input)?;
    authorize(cloud, call, &arn(cloud, &key)?)?;
    let resource = key.resource();
    let variant = key
        .find(cloud)?
        .ok_or_else(|| AwsError::validation(format!("SageMaker variant does not exist: {resource}")))?;
    let known: Option<Target> = cloud.store.get(STORE, &resource)?;
    let given = |member: &str, known: Option<u64>| match &input[member] {
        Value::Null => known.ok_or_else(|| {
            AwsError::validation(format!(
                "{member} must be specified when a new scalable target is registered"
            ))
        }),
        value => {
            let told = value.as_u64().filter(|capacity| *capacity >= 1);
            let which = if member == "MinCapacity" { "Minimum" } else { "Maximum" };
            told.ok_or_else(|| {
                AwsError::validation(format!("{which} capacity must be at least 1 for a SageMaker variant"))
            })
        }
    };
    let min = given("MinCapacity", known.as_ref().map(|target| target.min))?;
    let max = given("MaxCapacity", known.as_ref().map(|target| target.max))?;
    if max < min {
        return Err(AwsError::validation("Maximum capacity cannot be less than minimum capacity"));
    }
    if is_burstable(&variant.instance_type) {
        return Err(AwsError::validation(format!(
            "SageMaker doesn't support automatic scaling for burstable instances such as T2: variant {resource} has {}. \
             Deploy it on another instance type, such as ml.m5.large",
            variant.instance_type
        )));
    }
    let mut target = known.clone().unwrap_or_else(|| Target {
        id: format!("0{}", hex::encode(rand::random::<[u8; 18]>())).chars().take(36).collect(),
        min,
        max,
        created_ms: now_ms(),
        suspended: Suspended::default(),
        tags: BTreeMap::new(),
        adjust: None,
    });
    if let Some(tags) = input["Tags"].as_object() {
        if known.is_some() {
            return Err(AwsError::validation(
                "Tags can only be given when a scalable target is registered first",
            ));
        }
        target.tag(tags)?;
    }
    if let Ok(suspended) = Suspended::deserialize(&input["SuspendedState"]) {
        target.suspended = suspended;
    }
    (target.min, target.max) = (min, max);
    target.adjust = if variant.desired < min {
        Some(format!("minimum capacity was set to {min}"))
    } else if variant.desired > max {
        Some(format!("maximum capacity was set to {max}"))
    } else {
        None
    };
    cloud.store.put(STORE, &resource, &target)?;
    control::adjust(cloud, &key)?;
    Ok(json!({"ScalableTargetARN": target.arn(cloud)}))
}

/// `ml.t2.…`, `ml.t3.…`; not `ml.trn1.…`.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-add-console.html>
fn is_burstable(kind: &str) -> bool {
    kind.strip_prefix("ml.t").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

pub fn describe(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let input = &call.input;
    check_service(input)?;
    authorize(cloud, call, "*")?;
    let asked: Option<Vec<&str>> =
        input["ResourceIds"].as_array().map(|ids| ids.iter().filter_map(Value::as_str).collect());
    let all: Vec<(String, Target)> = cloud.store.list(STORE)?;
    let told = all
        .into_iter()
        .filter(|(resource, _)| asked.as_ref().is_none_or(|asked| asked.contains(&resource.as_str())));
    let told = told.map(|(resource, target)| {
        let mut told = named(&resource);
        told["MinCapacity"] = json!(target.min);
        told["MaxCapacity"] = json!(target.max);
        told["RoleARN"] = json!(role(cloud));
        told["CreationTime"] = seconds(target.created_ms);
        told["SuspendedState"] = json!(target.suspended);
        told["ScalableTargetARN"] = json!(target.arn(cloud));
        told
    });
    page("ScalableTargets", input, told.collect())
}

/// The service-linked role that scales endpoints on AWS. Here the cloud itself does, with no role's permissions.
fn role(cloud: &Cloud) -> String {
    format!(
        "arn:aws:iam::{}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/\
         AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
        cloud.account
    )
}

pub fn deregister(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let key = key(&call.input)?;
    authorize(cloud, call, &arn(cloud, &key)?)?;
    if cloud.store.get::<Target>(STORE, &key.resource())?.is_none() {
        return Err(missing("scalable target found", &key, ""));
    }
    remove(cloud, &key)?;
    Ok(json!({}))
}

/// With its policies and their alarms; what it did is still told.
fn remove(cloud: &Cloud, key: &Key) -> Result<(), AwsError> {
    policy::delete_all(cloud, &key.resource())?;
    cloud.store.delete(STORE, &key.resource()).map(drop)
}

fn of_endpoint(cloud: &Cloud, endpoint: &str) -> Result<Vec<Key>, AwsError> {
    let all: Vec<(String, Target)> = cloud.store.list(STORE)?;
    let keys = all.iter().filter_map(|(resource, _)| Key::parse(resource));
    Ok(keys.filter(|key| key.endpoint == endpoint).collect())
}

/// Whether a variant is a scalable target.
pub fn is_target(cloud: &Cloud, endpoint: &str, variant: &str) -> Result<bool, AwsError> {
    Ok(of_endpoint(cloud, endpoint)?.iter().any(|key| key.variant == variant))
}

/// Who deletes an endpoint deregisters its targets, and must be allowed to.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-delete-with-scaling.html>
pub fn may_deregister(cloud: &Cloud, caller: &Caller, endpoint: &str) -> Result<(), AwsError> {
    for key in of_endpoint(cloud, endpoint)? {
        let action = "application-autoscaling:DeregisterScalableTarget";
        cloud.authorize(caller, action, &arn(cloud, &key)?, &Context::new())?;
    }
    Ok(())
}

/// Deregisters an endpoint's targets, as it is deleted.
pub fn deregister_all(cloud: &Cloud, endpoint: &str) -> Result<(), AwsError> {
    of_endpoint(cloud, endpoint)?.iter().try_for_each(|key| remove(cloud, key))
}

impl Target {
    fn tag(&mut self, tags: &serde_json::Map<String, Value>) -> Result<(), AwsError> {
        let tags =
            tags.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
        self.tags.extend(tags);
        if self.tags.len() > TAGS {
            let message = "The number of tags exceeds the maximum of 50 for a resource.";
            return Err(AwsError::new(400, "TooManyTagsException", message));
        }
        Ok(())
    }
}

/// ListTagsForResource, TagResource, UntagResource.
pub fn tags(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let input = &call.input;
    let arn = text(input, "ResourceARN");
    authorize(cloud, call, arn)?;
    let all: Vec<(String, Target)> = cloud.store.list(STORE)?;
    let found = all.into_iter().find(|(_, target)| target.arn(cloud) == arn);
    let Some((resource, target)) = found else {
        let message = format!("The specified resource was not found: {arn}");
        return Err(AwsError::new(400, "ResourceNotFoundException", message));
    };
    if call.operation == "ListTagsForResource" {
        return Ok(json!({"Tags": target.tags}));
    }
    cloud.store.update(STORE, &resource, |target: &mut Target| {
        match input["Tags"].as_object() {
            Some(tags) => target.tag(tags)?,
            None => target
                .tags
                .retain(|key, _| !input["TagKeys"].as_array().is_some_and(|keys| keys.contains(&json!(key)))),
        }
        Ok(())
    })?;
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variants_of_endpoints_are_resources() {
        let key = Key::parse("endpoint/e-1/variant/AllTraffic").unwrap();
        assert_eq!((key.endpoint.as_str(), key.variant.as_str()), ("e-1", "AllTraffic"));
        assert_eq!(key.resource(), "endpoint/e-1/variant/AllTraffic");
        for other in
            ["", "endpoint", "endpoint/e", "endpoint//variant/v", "endpoint/e/variant/v/x", "service/a/b"]
        {
            assert_eq!(Key::parse(other), None, "{other}");
        }
    }

    #[test]
    fn t_instances_are_burstable_and_trainium_is_not() {
        assert!(is_burstable("ml.t2.medium") && is_burstable("ml.t3.xlarge") && is_burstable("ml.t4g.large"));
        assert!(!is_burstable("ml.trn1.2xlarge") && !is_burstable("ml.m5.large"));
    }
}
