//! The operations on scaling policies.

use serde_json::{Value, json};

use super::key::{Key, Kind, named};
use super::policy::{Policy, STORE, id};
use super::service::{Request, Scaling};
use super::step::Steps;
use super::track::Memory;
use crate::call::{AwsError, Reply};
use crate::support::clock::{now_ms, seconds};
use crate::support::id::uuid;

const TRACKING: &str = "TargetTrackingScaling";
const STEPWISE: &str = "StepScaling";
/// How many periods of a minute the metric must be above the target before instances are added.
const HIGH_PERIODS: u32 = 3;
/// How many periods of a minute the metric must be below nine tenths of the target before instances are removed.
const LOW_PERIODS: u32 = 15;
const LOW: f64 = 0.9;

pub fn put(request: &Request<'_>) -> Reply {
    let (service, key) = (request.service, request.key()?);
    let stepwise = request.text("PolicyType") != TRACKING;
    let configuration = if stepwise { check_steps(request)? } else { check_tracking(request, key.kind())? };
    if service.target(&key)?.is_none() {
        return Err(key.missing("scalable target registered", ""));
    }
    let (resource, name) = (key.resource(), request.text("PolicyName"));
    let is_another = |policy: &Policy| policy.resource == resource && policy.name != name && !policy.stepwise;
    if !stepwise && service.policies()?.iter().any(is_another) {
        return Err(AwsError::validation(
            "Only one TargetTrackingScaling policy for a given metric specification is allowed.",
        ));
    }
    let known: Option<Policy> = service.cloud.store.get(STORE, &id(&resource, name))?;
    // AWS replaces a changed policy's alarms by new ones. A call that repeats the request changes nothing.
    let (high, low) = match &known {
        Some(known) if known.configuration == configuration => (known.high.clone(), known.low.clone()),
        _ if stepwise => {
            known.iter().try_for_each(|known| delete_alarms(service, known))?;
            (None, None)
        }
        _ => {
            known.iter().try_for_each(|known| delete_alarms(service, known))?;
            let alarm = |which: &str| format!("TargetTracking-{resource}-Alarm{which}-{}", uuid());
            (Some(alarm("High")), (configuration["DisableScaleIn"] != true).then(|| alarm("Low")))
        }
    };
    let policy = match known {
        Some(known) => Policy { configuration, stepwise, high, low, ..known },
        None => {
            let (id, namespace) = (uuid(), key.kind().service);
            let path = format!("scalingPolicy:{id}:resource/{namespace}/{resource}:policyName/{name}");
            Policy {
                arn: service.cloud.arn("autoscaling", &path),
                name: name.to_owned(),
                resource,
                created_ms: now_ms(),
                configuration,
                stepwise,
                high,
                low,
                memory: Memory::default(),
            }
        }
    };
    service.cloud.store.put(STORE, &policy.id(), &policy)?;
    put_alarms(service, &key, &policy)?;
    Ok(json!({"PolicyARN": policy.arn, "Alarms": describe_alarms(service, &policy)?}))
}

/// Returns the configuration of a policy with steps, which is the default. Refuses one that the local cloud doesn't support.
fn check_steps(request: &Request<'_>) -> Result<Value, AwsError> {
    let kind = request.optional("PolicyType").unwrap_or(STEPWISE);
    if kind != STEPWISE {
        return Err(request.unsupported(&format!("the policy type {kind}")));
    }
    let configuration = &request.input()["StepScalingPolicyConfiguration"];
    if configuration.is_null() {
        return Err(AwsError::validation(
            "Step scaling policy configuration must be specified for policy type StepScaling",
        ));
    }
    Steps::read(configuration)?;
    check_cooldowns(configuration, &["Cooldown"])?;
    Ok(configuration.clone())
}

/// Returns the configuration of a policy that tracks a target. Refuses one that the local cloud doesn't support.
fn check_tracking(request: &Request<'_>, kind: &Kind) -> Result<Value, AwsError> {
    let (dimension, metric) = (kind.dimension, kind.metric);
    let configuration = &request.input()["TargetTrackingScalingPolicyConfiguration"];
    if configuration.is_null() {
        return Err(AwsError::validation(
            "Target tracking scaling policy configuration must be specified for policy type TargetTrackingScaling",
        ));
    }
    if !configuration["CustomizedMetricSpecification"].is_null() {
        return Err(request.unsupported("CustomizedMetricSpecification in PutScalingPolicy"));
    }
    match configuration["PredefinedMetricSpecification"]["PredefinedMetricType"].as_str() {
        Some(given) if given == metric => {}
        Some(other) if other.starts_with("SageMaker") && kind.service == "sagemaker" => {
            return Err(request.unsupported(&format!("the metric {other}")));
        }
        Some(_) => {
            return Err(AwsError::validation(format!(
                "Scalable dimension {dimension} only supports the following predefined metric types: {metric}"
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
    check_cooldowns(configuration, &["ScaleInCooldown", "ScaleOutCooldown"])?;
    Ok(configuration.clone())
}

fn check_cooldowns(configuration: &Value, members: &[&str]) -> Result<(), AwsError> {
    let negative = |member: &&&str| configuration[**member].as_i64().is_some_and(|seconds| seconds < 0);
    match members.iter().find(negative) {
        Some(member) => Err(AwsError::validation(format!("{member} cannot be less than 0"))),
        None => Ok(()),
    }
}

fn put_alarms(service: &Scaling, key: &Key, policy: &Policy) -> Result<(), AwsError> {
    let (target, metric) = (policy.settings().target, key.metric().describe());
    let high = policy.high.as_ref().map(|high| (high, "GreaterThanThreshold", target, HIGH_PERIODS));
    let low = policy.low.as_ref().map(|low| (low, "LessThanThreshold", LOW * target, LOW_PERIODS));
    for (name, comparison, threshold, periods) in high.into_iter().chain(low) {
        service.alarms.put_alarm(json!({
            "AlarmName": name,
            "AlarmDescription": format!("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {}.", policy.arn),
            "ActionsEnabled": true, "AlarmActions": [policy.arn],
            "Namespace": metric["Namespace"], "MetricName": metric["MetricName"],
            "Dimensions": metric["Dimensions"], "Statistic": key.kind().statistic,
            "Period": 60, "EvaluationPeriods": periods, "Threshold": threshold, "ComparisonOperator": comparison,
        }))?;
    }
    Ok(())
}

fn delete_alarms(service: &Scaling, policy: &Policy) -> Result<(), AwsError> {
    policy.alarms().try_for_each(|name| service.alarms.delete_alarm(name))
}

/// Returns the alarms that trigger a policy: its own, or those that users have made.
fn describe_alarms(service: &Scaling, policy: &Policy) -> Reply {
    let names = service.alarms.alarms_with(&policy.arn)?;
    let described = |name: &String| json!({"AlarmName": name, "AlarmARN": service.alarms.alarm_arn(name)});
    Ok(if policy.stepwise {
        names.iter().map(described).collect()
    } else {
        policy.alarms().map(described).collect()
    })
}

pub fn describe(request: &Request<'_>) -> Reply {
    let service = request.service;
    let names = request.input()["PolicyNames"].as_array().map(|_| request.texts("PolicyNames"));
    let policies = service.policies()?.into_iter().filter(|policy| {
        names.as_ref().is_none_or(|names| names.contains(&policy.name.as_str()))
            && request.lists(&policy.resource)
            && request.optional("ResourceId").is_none_or(|resource| resource == policy.resource)
    });
    let described = policies.map(|policy| {
        let mut described = named(&policy.resource);
        described["Alarms"] = describe_alarms(service, &policy)?;
        described["PolicyARN"] = json!(policy.arn);
        described["PolicyName"] = json!(policy.name);
        let kind = if policy.stepwise { STEPWISE } else { TRACKING };
        described["PolicyType"] = json!(kind);
        described[format!("{kind}PolicyConfiguration")] = policy.configuration;
        described["CreationTime"] = seconds(policy.created_ms);
        Ok(described)
    });
    request.page("ScalingPolicies", described.collect::<Result<_, AwsError>>()?)
}

pub fn delete(request: &Request<'_>) -> Reply {
    let (service, key, name) = (request.service, request.key()?, request.text("PolicyName"));
    let found: Option<Policy> = service.cloud.store.get(STORE, &id(&key.resource(), name))?;
    let policy =
        found.ok_or_else(|| key.missing("scaling policy found", &format!(", policy name: {name}")))?;
    remove(service, &policy)?;
    Ok(json!({}))
}

fn remove(service: &Scaling, policy: &Policy) -> Result<(), AwsError> {
    delete_alarms(service, policy)?;
    service.cloud.store.delete(STORE, &policy.id()).map(drop)
}

/// Deletes all policies of a target, with their alarms.
pub fn delete_policies(service: &Scaling, resource: &str) -> Result<(), AwsError> {
    let policies = service.policies()?;
    let mut of_target = policies.iter().filter(|policy| policy.resource == resource);
    of_target.try_for_each(|policy| remove(service, policy))
}
