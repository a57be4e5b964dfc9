//! Scaling policies: target tracking, each with the two alarms that ask for it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::target::{self, Key, missing};
use super::track::{Memory, Settings};
use super::{authorize, check_service, key, named, now_ms, page, seconds, text, uuid};
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::cloudwatch;
use crate::sagemaker::meter;

const STORE: &str = "autoscaling.policy";
/// Seconds, where a policy says none.
/// <https://docs.aws.amazon.com/autoscaling/application/APIReference/API_TargetTrackingScalingPolicyConfiguration.html>
const COOLDOWN: i64 = 300;
const METRIC: &str = "SageMakerVariantInvocationsPerInstance";
/// Periods of a minute above the target before more instances are added, …
const HIGH_PERIODS: u32 = 3;
/// … and below nine tenths of it before some are removed.
const LOW_PERIODS: u32 = 15;
const LOW: f64 = 0.9;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    pub arn: String,
    pub name: String,
    pub resource: String,
    created_ms: i64,
    /// As it was put.
    configuration: Value,
    pub high: String,
    /// None: scale-in is disabled.
    pub low: Option<String>,
    pub memory: Memory,
}

impl Policy {
    pub fn settings(&self) -> Settings {
        let of = |member: &str| self.configuration[member].as_i64().unwrap_or(COOLDOWN).saturating_mul(1000);
        Settings {
            target: self.configuration["TargetValue"].as_f64().unwrap_or(f64::INFINITY),
            out_cooldown_ms: of("ScaleOutCooldown"),
            in_cooldown_ms: of("ScaleInCooldown"),
        }
    }

    fn alarms(&self, cloud: &Cloud) -> Value {
        let alarms = std::iter::once(&self.high).chain(&self.low);
        alarms
            .map(|name| json!({"AlarmName": name, "AlarmARN": cloudwatch::alarm_arn(cloud, name)}))
            .collect()
    }

    /// The name in the store.
    pub fn id(&self) -> String {
        id(&self.resource, &self.name)
    }
}

fn id(resource: &str, name: &str) -> String {
    format!("{resource}:{name}")
}

/// All policies.
pub fn list(cloud: &Cloud) -> Result<Vec<Policy>, AwsError> {
    Ok(cloud.store.list(STORE)?.into_iter().map(|(_, policy)| policy).collect())
}

/// Remembers what a policy did last; one that was deleted meanwhile has nothing to remember.
pub fn remember(cloud: &Cloud, id: &str, change: impl FnOnce(&mut Memory)) -> Result<(), AwsError> {
    let changed = cloud.store.update(STORE, id, |policy: &mut Policy| {
        change(&mut policy.memory);
        Ok(())
    });
    changed.map(drop)
}

fn check(input: &Value) -> Result<Value, AwsError> {
    let kind = input["PolicyType"].as_str().unwrap_or("StepScaling");
    if kind != "TargetTrackingScaling" {
        return Err(AwsError::unsupported("Application Auto Scaling", &format!("the policy type {kind}")));
    }
    let configuration = &input["TargetTrackingScalingPolicyConfiguration"];
    if configuration.is_null() {
        return Err(AwsError::validation(
            "Target tracking scaling policy configuration must be specified for policy type TargetTrackingScaling",
        ));
    }
    if !configuration["CustomizedMetricSpecification"].is_null() {
        return Err(AwsError::unsupported(
            "Application Auto Scaling",
            "CustomizedMetricSpecification in PutScalingPolicy",
        ));
    }
    match configuration["PredefinedMetricSpecification"]["PredefinedMetricType"].as_str() {
        Some(METRIC) => {}
        Some(other) if other.starts_with("SageMaker") => {
            return Err(AwsError::unsupported("Application Auto Scaling", &format!("the metric {other}")));
        }
        Some(_) => {
            return Err(AwsError::validation(format!(
                "Scalable dimension {} only supports the following predefined metric types: {METRIC}",
                super::DIMENSION
            )));
        }
        None => {
            return Err(AwsError::validation(
                "Exactly one of predefined metric specification and customized metric specification must be specified",
            ));
        }
    }
    if configuration["TargetValue"].as_f64().is_none_or(|target| target <= 0.0 || !target.is_finite()) {
        return Err(AwsError::validation("Target value must be greater than 0"));
    }
    for member in ["ScaleInCooldown", "ScaleOutCooldown"] {
        if configuration[member].as_i64().is_some_and(|seconds| seconds < 0) {
            return Err(AwsError::validation(format!("{member} cannot be less than 0")));
        }
    }
    Ok(configuration.clone())
}

pub fn put(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let key = key(&call.input)?;
    authorize(cloud, call, &target::arn(cloud, &key)?)?;
    let configuration = check(&call.input)?;
    target::find(cloud, &key)?;
    let (resource, name) = (key.resource(), text(&call.input, "PolicyName"));
    let others = list(cloud)?.into_iter().any(|policy| policy.resource == resource && policy.name != name);
    if others {
        return Err(AwsError::validation(
            "Only one TargetTrackingScaling policy for a given metric specification is allowed.",
        ));
    }
    let known: Option<Policy> = cloud.store.get(STORE, &id(&resource, name))?;
    // AWS replaces a changed policy's alarms by new ones.
    if let Some(known) = &known {
        delete_alarms(cloud, known)?;
    }
    let alarm = |which: &str| format!("TargetTracking-{resource}-Alarm{which}-{}", uuid());
    let low = (configuration["DisableScaleIn"] != true).then(|| alarm("Low"));
    let policy = Policy {
        arn: known.as_ref().map_or_else(
            || {
                cloud.arn(
                    "autoscaling",
                    &format!("scalingPolicy:{}:resource/sagemaker/{resource}:policyName/{name}", uuid()),
                )
            },
            |known| known.arn.clone(),
        ),
        name: name.to_owned(),
        created_ms: known.as_ref().map_or_else(now_ms, |known| known.created_ms),
        memory: known.map_or_else(Memory::default, |known| known.memory),
        configuration,
        high: alarm("High"),
        low,
        resource,
    };
    cloud.store.put(STORE, &policy.id(), &policy)?;
    put_alarms(cloud, &key, &policy)?;
    Ok(json!({"PolicyARN": policy.arn, "Alarms": policy.alarms(cloud)}))
}

fn put_alarms(cloud: &Cloud, key: &Key, policy: &Policy) -> Result<(), AwsError> {
    let target = policy.settings().target;
    let high = (&policy.high, "GreaterThanThreshold", target, HIGH_PERIODS);
    let low = policy.low.as_ref().map(|low| (low, "LessThanThreshold", LOW * target, LOW_PERIODS));
    for (name, comparison, threshold, periods) in std::iter::once(high).chain(low) {
        let alarm = json!({
            "AlarmName": name,
            "AlarmDescription": format!("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {}.", policy.arn),
            "ActionsEnabled": true, "AlarmActions": [policy.arn],
            "Namespace": meter::REQUESTS, "MetricName": "InvocationsPerInstance", "Statistic": "Sum",
            "Dimensions": [
                {"Name": "EndpointName", "Value": key.endpoint}, {"Name": "VariantName", "Value": key.variant},
            ],
            "Period": 60, "EvaluationPeriods": periods, "Threshold": threshold, "ComparisonOperator": comparison,
        });
        cloudwatch::put_alarm(cloud, alarm)?;
    }
    Ok(())
}

fn delete_alarms(cloud: &Cloud, policy: &Policy) -> Result<(), AwsError> {
    std::iter::once(&policy.high)
        .chain(&policy.low)
        .try_for_each(|name| cloudwatch::delete_alarm(cloud, name))
}

pub fn describe(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let input = &call.input;
    check_service(input)?;
    authorize(cloud, call, "*")?;
    let names: Option<Vec<&str>> =
        input["PolicyNames"].as_array().map(|names| names.iter().filter_map(Value::as_str).collect());
    let told = list(cloud)?.into_iter().filter(|policy| {
        names.as_ref().is_none_or(|names| names.contains(&policy.name.as_str()))
            && input["ResourceId"].as_str().is_none_or(|resource| resource == policy.resource)
    });
    let told = told.map(|policy| {
        let mut told = named(&policy.resource);
        told["PolicyARN"] = json!(policy.arn);
        told["PolicyName"] = json!(policy.name);
        told["PolicyType"] = json!("TargetTrackingScaling");
        told["TargetTrackingScalingPolicyConfiguration"] = policy.configuration.clone();
        told["Alarms"] = policy.alarms(cloud);
        told["CreationTime"] = seconds(policy.created_ms);
        told
    });
    page("ScalingPolicies", input, told.collect())
}

pub fn delete(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let key = key(&call.input)?;
    authorize(cloud, call, &target::arn(cloud, &key)?)?;
    let name = text(&call.input, "PolicyName");
    let found: Option<Policy> = cloud.store.get(STORE, &id(&key.resource(), name))?;
    let policy =
        found.ok_or_else(|| missing("scaling policy found", &key, &format!(", policy name: {name}")))?;
    remove(cloud, &policy)?;
    Ok(json!({}))
}

fn remove(cloud: &Cloud, policy: &Policy) -> Result<(), AwsError> {
    delete_alarms(cloud, policy)?;
    cloud.store.delete(STORE, &policy.id()).map(drop)
}

/// Those of a target.
pub fn delete_all(cloud: &Cloud, resource: &str) -> Result<(), AwsError> {
    list(cloud)?
        .iter()
        .filter(|policy| policy.resource == resource)
        .try_for_each(|policy| remove(cloud, policy))
}
