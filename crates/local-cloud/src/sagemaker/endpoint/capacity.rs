//! Changes the number of instances of endpoints, for UpdateEndpointWeightsAndCapacities and for Application Auto
//! Scaling.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::live::Live;
use super::record::{Deployment, Endpoint, Status, all, arn, change_if, find, served};
use crate::autoscaling::{Change, Scalable, Variant};
use crate::call::AwsError;
use crate::sagemaker::meter::Measured;
use crate::sagemaker::quota;
use crate::sagemaker::service::SageMaker;
use crate::store::Store;

const NOTHING: &str = "the endpoint has no instances";

#[async_trait]
impl Scalable for SageMaker {
    fn variant(&self, endpoint: &str, variant: &str) -> Result<Option<Variant>, AwsError> {
        let found = served(self.store(), endpoint)?;
        Ok(found.filter(|found| found.deployment.variant_name() == variant).map(|found| Variant {
            in_service: found.status == Status::InService,
            desired: found.desired(),
            instance_type: found.deployment.instance_type().to_owned(),
        }))
    }

    fn set_capacity(self: Arc<Self>, endpoint: &str, count: u64) -> Result<Change, AwsError> {
        set(&self, endpoint, count, None)
    }

    async fn settled(&self, endpoint: &str) -> Result<(), String> {
        match live(self, endpoint)?.settled().await {
            Some(_) => Ok(()),
            None => Err(NOTHING.to_owned()),
        }
    }

    fn report_idle(&self, endpoint: &str, variant: &str, time_ms: i64) {
        self.meter.idle(endpoint, variant, time_ms);
    }

    fn report_usage(&self) -> Result<(), AwsError> {
        self.meter.measure(|| {
            let served = all(self.store())?.into_iter().filter(|(_, endpoint)| endpoint.is_served());
            let measured = served.map(|(name, endpoint)| Measured {
                leaders: leaders(self, &name),
                variant: endpoint.deployment.variant_name().to_owned(),
                instance_type: endpoint.deployment.instance_type().to_owned(),
                endpoint: name,
            });
            Ok(measured.collect())
        })
    }
}

/// Starts to change the number of an endpoint's instances to `count`. It is Updating meanwhile, and serves.
///
/// # Errors
/// AWS's, for an endpoint that doesn't exist or isn't InService, and for a count of 0; `ResourceLimitExceeded`.
pub fn set(
    service: &Arc<SageMaker>,
    name: &str,
    count: u64,
    weight: Option<f64>,
) -> Result<Change, AwsError> {
    if count == 0 {
        return Err(AwsError::validation(
            "DesiredInstanceCount must be at least 1 for a production variant without inference components.",
        ));
    }
    let endpoint = find(service.cloud(), name)?;
    let before = endpoint.desired();
    if count > before {
        check_room(service.store(), &endpoint.deployment, count - before)?;
    }
    let arn = arn(service.cloud(), name);
    change_if(service.store(), name, |endpoint| {
        endpoint.begin_update(&arn)?;
        endpoint.desired = Some(count);
        endpoint.weight = weight.or(endpoint.weight);
        Ok(())
    })?;
    let (report, change) = oneshot::channel();
    let (service, name) = (Arc::clone(service), name.to_owned());
    tokio::spawn(async move {
        if let Some(outcome) = scale_and_record(&service, &name, before, count).await {
            // Nobody may be listening.
            let _ = report.send(outcome);
        }
    });
    Ok(change)
}

/// Returns the outcome. None: the server has stopped meanwhile, and the next one starts the endpoint with the new
/// count.
async fn scale_and_record(
    service: &SageMaker,
    name: &str,
    before: u64,
    count: u64,
) -> Option<Result<(), String>> {
    let outcome = scale(service, name, count).await;
    if outcome.is_err() && service.endpoints.get(name).is_none() {
        return None;
    }
    // If this can't be written, the endpoint stays Updating until the next start of the server.
    let _ = change_if(service.store(), name, |endpoint| {
        endpoint.status = Status::InService;
        endpoint.failure = None;
        if let Err(reason) = &outcome {
            endpoint.desired = Some(before);
            endpoint.set_failure(reason);
        }
        Ok(())
    });
    Some(outcome)
}

async fn scale(service: &SageMaker, name: &str, count: u64) -> Result<(), String> {
    let fleet = live(service, name)?.settled().await.ok_or(NOTHING)?;
    fleet.scale(usize::try_from(count).unwrap_or(usize::MAX)).await
}

fn live(service: &SageMaker, name: &str) -> Result<Arc<Live>, String> {
    service.endpoints.get(name).ok_or_else(|| NOTHING.to_owned())
}

/// Returns the processes of an endpoint's instances.
fn leaders(service: &SageMaker, name: &str) -> Vec<u32> {
    let fleet = service.endpoints.get(name).and_then(|live| live.fleet());
    fleet.map(|fleet| fleet.leaders()).unwrap_or_default()
}

/// Checks that a deployment may have `count` more instances.
///
/// # Errors
/// `ResourceLimitExceeded`.
pub fn check_room(store: &Store, deployment: &Deployment, count: u64) -> Result<(), AwsError> {
    let kind = deployment.instance_type();
    let all = all(store)?;
    let of_kind = all.iter().filter(|(_, endpoint)| endpoint.deployment.instance_type() == kind);
    let used = of_kind.map(|(_, endpoint)| endpoint.desired()).sum();
    quota::check_instances(store, kind, "endpoint", used, count)
}

/// Returns the variant as in DescribeEndpoint.
pub fn describe(service: &SageMaker, name: &str, endpoint: &Endpoint) -> Value {
    let variant = &endpoint.deployment.variant;
    let weight = endpoint.weight.or(variant["InitialVariantWeight"].as_f64()).unwrap_or(1.0);
    // The instances that were started and aren't drained yet.
    let fleet = service.endpoints.get(name).and_then(|live| live.fleet());
    let current = fleet.map_or(endpoint.desired(), |fleet| fleet.count() as u64);
    json!({
        "VariantName": variant["VariantName"],
        "CurrentWeight": weight, "DesiredWeight": weight,
        "CurrentInstanceCount": current, "DesiredInstanceCount": endpoint.desired(),
    })
}
