//! How many instances an endpoint has: UpdateEndpointWeightsAndCapacities, and what Application Auto Scaling asks for.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Endpoint, QUOTA, Serving, Status, arn, change_if, find, in_progress, list_all, live};
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::sagemaker::locked;
use crate::sagemaker::resource::{check_quota, text};

/// A production variant, as Application Auto Scaling sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its capacity can be changed now.
    pub in_service: bool,
    pub desired: u64,
    pub instance_type: String,
}

/// Hears once whether the capacity was reached, and where it wasn't, why.
pub type Change = oneshot::Receiver<Result<(), String>>;

/// None: there is no such endpoint, or it has no such variant, or none yet.
pub fn variant(cloud: &Cloud, endpoint: &str, name: &str) -> Result<Option<Variant>, AwsError> {
    let found: Option<Endpoint> = cloud.store.get(super::ENDPOINT, endpoint)?;
    Ok(found.filter(|found| found.is_served() && text(&found.deployment.variant, "VariantName") == name).map(
        |found| Variant {
            in_service: found.status == Status::InService,
            desired: found.desired(),
            instance_type: text(&found.deployment.variant, "InstanceType").to_owned(),
        },
    ))
}

/// The endpoints that take invocations, each with its variant.
pub fn variants(cloud: &Cloud) -> Result<Vec<(String, String)>, AwsError> {
    let served = list_all(cloud)?.into_iter().filter(|(_, endpoint)| endpoint.is_served());
    Ok(served
        .map(|(name, found)| (name, text(&found.deployment.variant, "VariantName").to_owned()))
        .collect())
}

/// The instances of an endpoint now: those that were started and not yet drained.
pub fn current(cloud: &Cloud, name: &str) -> Option<usize> {
    let live = locked(&cloud.sagemaker.endpoints).get(name).cloned()?;
    match &*live.serving.borrow() {
        Serving::Fleet(fleet) => Some(fleet.count()),
        _ => None,
    }
}

/// The processes of an endpoint's instances.
pub fn leaders(cloud: &Cloud, name: &str) -> Vec<u32> {
    let live = locked(&cloud.sagemaker.endpoints).get(name).cloned();
    match live.map(|live| live.serving.borrow().clone()) {
        Some(Serving::Fleet(fleet)) => fleet.leaders(),
        _ => Vec::new(),
    }
}

/// UpdateEndpointWeightsAndCapacities.
pub fn update(cloud: &Arc<Cloud>, call: &Call, name: &str) -> Reply {
    let endpoint = find(cloud, name)?;
    let asked = call.input["DesiredWeightsAndCapacities"].as_array().map(Vec::as_slice).unwrap_or_default();
    let known = text(&endpoint.deployment.variant, "VariantName");
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
    if each.get("ServerlessUpdateConfig").is_some_and(|value| !value.is_null()) {
        return Err(AwsError::unsupported(
            "SageMaker",
            "ServerlessUpdateConfig in UpdateEndpointWeightsAndCapacities",
        ));
    }
    let (count, weight) = (each["DesiredInstanceCount"].as_u64(), each["DesiredWeight"].as_f64());
    if count.is_none() && weight.is_none() {
        return Err(AwsError::validation(format!(
            "Either DesiredWeight or DesiredInstanceCount must be given for variant \"{known}\"."
        )));
    }
    set(cloud, name, count.unwrap_or_else(|| endpoint.desired()), weight)?;
    Ok(json!({"EndpointArn": arn(cloud, name)}))
}

/// Starts to bring an endpoint to so many instances; it serves meanwhile, and is Updating.
///
/// # Errors
/// AWS's, for an endpoint that isn't there or isn't InService, for none at all, and `ResourceLimitExceeded`.
pub fn set(cloud: &Arc<Cloud>, name: &str, count: u64, weight: Option<f64>) -> Result<Change, AwsError> {
    if count == 0 {
        return Err(AwsError::validation(
            "DesiredInstanceCount must be at least 1 for a production variant without inference components.",
        ));
    }
    let endpoint = find(cloud, name)?;
    let before = endpoint.desired();
    let kind = text(&endpoint.deployment.variant, "InstanceType");
    if count > before {
        let used = used(cloud, kind)?;
        check_quota(cloud, &format!("{kind} for endpoint usage"), QUOTA, used, count - before)?;
    }
    let arn = arn(cloud, name);
    change_if(cloud, name, |endpoint| match endpoint.status {
        Status::InService => {
            endpoint.status = Status::Updating;
            endpoint.desired = Some(count);
            endpoint.weight = weight.or(endpoint.weight);
            Ok(())
        }
        Status::Failed => Err(AwsError::validation(format!("Cannot update failed endpoint \"{arn}\"."))),
        _ => Err(in_progress(&arn)),
    })?;
    let (tell, change) = oneshot::channel();
    let (cloud, name) = (Arc::clone(cloud), name.to_owned());
    tokio::spawn(async move {
        let outcome = scale(&cloud, &name, count).await;
        // Kept Updating where the record cannot be written; the next start of the cloud mends it.
        let _ = change_if(&cloud, &name, |endpoint| {
            endpoint.status = Status::InService;
            if outcome.is_err() {
                endpoint.desired = Some(before);
            }
            endpoint.failure = outcome.as_ref().err().map(|reason| reason.chars().take(1024).collect());
            Ok(())
        });
        // Nobody may be listening.
        let _ = tell.send(outcome);
    });
    Ok(change)
}

async fn scale(cloud: &Cloud, name: &str, count: u64) -> Result<(), String> {
    settled(cloud, name).await?;
    let serving = live(cloud, name).serving.borrow().clone();
    let Serving::Fleet(fleet) = serving else { return Err(NOTHING.to_owned()) };
    fleet.scale(usize::try_from(count).unwrap_or(usize::MAX)).await
}

const NOTHING: &str = "the endpoint has no instances";

/// Returns when an endpoint that comes back with the cloud is there again with all its instances.
///
/// # Errors
/// That it isn't, since they did not come up.
pub async fn settled(cloud: &Cloud, name: &str) -> Result<(), String> {
    let mut serving = live(cloud, name).serving.subscribe();
    let settled = serving.wait_for(|serving| !matches!(serving, Serving::Starting)).await;
    match settled.as_deref() {
        Ok(Serving::Fleet(_)) => Ok(()),
        _ => Err(NOTHING.to_owned()),
    }
}

/// Instances of a type that endpoints use, or are to.
pub fn used(cloud: &Cloud, kind: &str) -> Result<u64, AwsError> {
    let all = list_all(cloud)?;
    Ok(all
        .iter()
        .filter(|(_, endpoint)| endpoint.deployment.variant["InstanceType"] == kind)
        .map(|(_, endpoint)| endpoint.desired())
        .sum())
}

/// The variant in DescribeEndpoint.
pub(super) fn describe(cloud: &Cloud, name: &str, endpoint: &Endpoint) -> Value {
    let variant = &endpoint.deployment.variant;
    let weight = endpoint.weight.or(variant["InitialVariantWeight"].as_f64()).unwrap_or(1.0);
    let current = current(cloud, name).map_or(endpoint.desired(), |count| count as u64);
    json!({
        "VariantName": variant["VariantName"],
        "CurrentWeight": weight, "DesiredWeight": weight,
        "CurrentInstanceCount": current, "DesiredInstanceCount": endpoint.desired(),
    })
}
