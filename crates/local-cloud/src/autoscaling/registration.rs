//! The operations on scalable targets, and the traits by which SageMaker and Lambda use them.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::adjust::adjust;
use super::key::{Key, Kind, named};
use super::policies::delete_policies;
use super::scalable::{Functions, Scalable};
use super::service::{Request, Scaling};
use super::target::{STORE, Suspended, Target};
use super::targets::{FunctionTargets, Targets};
use super::{activity, control};
use crate::authority::Access;
use crate::call::{AwsError, Caller, Reply};
use crate::support::clock::seconds;

pub fn register(request: &Request<'_>) -> Reply {
    let (service, input, key) = (request.service, request.input(), request.key()?);
    let resource = key.resource();
    let capacity_now = service.capacity(&key)?.ok_or_else(|| {
        let what = match key {
            Key::Variant { .. } => "SageMaker variant",
            Key::Concurrency { .. } => "Lambda function",
        };
        AwsError::validation(format!("{what} does not exist: {resource}"))
    })?;
    let known = service.target(&key)?;
    let min = capacity(request, &key, "MinCapacity", known.as_ref().map(|target| target.min))?;
    let max = capacity(request, &key, "MaxCapacity", known.as_ref().map(|target| target.max))?;
    if max < min {
        return Err(AwsError::validation("Maximum capacity cannot be less than minimum capacity"));
    }
    check_instance_type(service, &key)?;
    let is_new = known.is_none();
    let mut target = known.unwrap_or_else(|| Target::new(min, max));
    if let Some(tags) = input["Tags"].as_object() {
        if !is_new {
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
    target.adjust = if capacity_now.desired < min {
        Some(format!("minimum capacity was set to {min}"))
    } else if capacity_now.desired > max {
        Some(format!("maximum capacity was set to {max}"))
    } else {
        None
    };
    service.cloud.store.put(STORE, &resource, &target)?;
    adjust(service, &key)?;
    Ok(json!({"ScalableTargetARN": service.arn_of(&target)}))
}

/// Reads MinCapacity or MaxCapacity. If the request lacks it, the known value stays.
fn capacity(request: &Request<'_>, key: &Key, member: &str, known: Option<u64>) -> Result<u64, AwsError> {
    let given = &request.input()[member];
    if given.is_null() {
        let message = format!("{member} must be specified when a new scalable target is registered");
        return known.ok_or_else(|| AwsError::validation(message));
    }
    let (least, what) = match key {
        Key::Variant { .. } => (1, "a SageMaker variant"),
        Key::Concurrency { .. } => (0, "provisioned concurrency"),
    };
    given.as_u64().filter(|capacity| *capacity >= least).ok_or_else(|| {
        let which = if member == "MinCapacity" { "Minimum" } else { "Maximum" };
        AwsError::validation(format!("{which} capacity must be at least {least} for {what}"))
    })
}

/// Checks that the instances of a variant can be scaled.
fn check_instance_type(service: &Scaling, key: &Key) -> Result<(), AwsError> {
    let Key::Variant { endpoint, variant } = key else { return Ok(()) };
    match service.scaled()?.variant(endpoint, variant)? {
        Some(found) if is_burstable(&found.instance_type) => Err(AwsError::validation(format!(
            "SageMaker doesn't support automatic scaling for burstable instances such as T2: variant {} has {}. Deploy \
             it on another instance type, such as ml.m5.large",
            key.resource(),
            found.instance_type
        ))),
        _ => Ok(()),
    }
}

/// Returns whether an instance type is burstable: `ml.t2.…` and `ml.t3.…` are, `ml.trn1.…` isn't.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-add-console.html>
fn is_burstable(kind: &str) -> bool {
    kind.strip_prefix("ml.t").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

pub fn describe(request: &Request<'_>) -> Reply {
    let service = request.service;
    let asked = request.input()["ResourceIds"].as_array().map(|_| request.texts("ResourceIds"));
    let targets = service.targets()?.into_iter();
    let targets = targets.filter(|(resource, _)| {
        request.lists(resource) && asked.as_ref().is_none_or(|asked| asked.contains(&resource.as_str()))
    });
    let described = targets.map(|(resource, target)| {
        let mut described = named(&resource);
        described["MinCapacity"] = json!(target.min);
        described["MaxCapacity"] = json!(target.max);
        described["RoleARN"] = json!(Key::parse(&resource).map(|key| role(service, key.kind())));
        described["CreationTime"] = seconds(target.created_ms);
        described["SuspendedState"] = json!(target.suspended);
        described["ScalableTargetARN"] = json!(service.arn_of(&target));
        described
    });
    request.page("ScalableTargets", described.collect::<Vec<Value>>())
}

/// Returns the ARN of the service-linked role that scales targets of a kind on AWS. Here the service scales them itself,
/// without a role.
fn role(service: &Scaling, kind: &Kind) -> String {
    format!(
        "arn:aws:iam::{}:role/aws-service-role/{}.application-autoscaling.amazonaws.com/\
         AWSServiceRoleForApplicationAutoScaling_{}",
        service.cloud.account, kind.service, kind.role
    )
}

pub fn deregister(request: &Request<'_>) -> Reply {
    let key = request.key()?;
    if request.service.target(&key)?.is_none() {
        return Err(key.missing("scalable target found", ""));
    }
    remove(request.service, &key)?;
    Ok(json!({}))
}

/// Deletes a target with its policies and their alarms. Its activities stay.
fn remove(service: &Scaling, key: &Key) -> Result<(), AwsError> {
    delete_policies(service, &key.resource())?;
    service.cloud.store.delete(STORE, &key.resource()).map(drop)
}

fn of_endpoint(service: &Scaling, endpoint: &str) -> Result<Vec<Key>, AwsError> {
    let targets = service.targets()?;
    let keys = targets.iter().filter_map(|(resource, _)| Key::parse(resource));
    let is_of_it = |key: &Key| matches!(key, Key::Variant { endpoint: of, .. } if of == endpoint);
    Ok(keys.filter(is_of_it).collect())
}

impl Targets for Scaling {
    fn scale(self: Arc<Self>, scaled: Arc<dyn Scalable>) {
        self.set_scaled(&scaled);
        // If activities can't be read now, a client that asks for them gets the error.
        let _ = activity::recover(&self, "sagemaker");
        control::start(&self);
    }

    fn stop(&self) {
        self.stop_control();
    }

    fn is_target(&self, endpoint: &str, variant: &str) -> Result<bool, AwsError> {
        let key = Key::Variant { endpoint: endpoint.to_owned(), variant: variant.to_owned() };
        Ok(self.target(&key)?.is_some())
    }

    fn may_deregister(&self, caller: &Caller, endpoint: &str) -> Result<(), AwsError> {
        of_endpoint(self, endpoint)?.iter().try_for_each(|key| {
            let action = "application-autoscaling:DeregisterScalableTarget";
            self.iam.authorize(caller, &Access::new(action, self.target_arn(key)?))
        })
    }

    fn deregister_all(&self, endpoint: &str) -> Result<(), AwsError> {
        of_endpoint(self, endpoint)?.iter().try_for_each(|key| remove(self, key))
    }
}

impl FunctionTargets for Scaling {
    fn scale_functions(self: Arc<Self>, functions: Arc<dyn Functions>) {
        self.set_functions(&functions);
        let _ = activity::recover(&self, "lambda");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_instances_are_burstable_and_trainium_is_not() {
        assert!(is_burstable("ml.t2.medium") && is_burstable("ml.t3.xlarge") && is_burstable("ml.t4g.large"));
        assert!(!is_burstable("ml.trn1.2xlarge") && !is_burstable("ml.m5.large"));
    }
}
