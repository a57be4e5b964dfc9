//! Changes the number of instances of endpoints, for UpdateEndpointWeightsAndCapacities and for Application Auto
//! Scaling.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::fleet::Fleet;
use super::live::{Live, of_variant};
use super::record::{self, Capacity, Changed, Endpoint, Status, all, arn, change_if, find, served};
use crate::autoscaling::{Change, Scalable, Variant};
use crate::call::AwsError;
use crate::sagemaker::meter::Measured;
use crate::sagemaker::quota;
use crate::sagemaker::service::SageMaker;
use crate::store::Store;
use crate::support::clock::seconds;

const NOTHING: &str = "the endpoint has no instances";

#[async_trait]
impl Scalable for SageMaker {
    fn variant(&self, endpoint: &str, variant: &str) -> Result<Option<Variant>, AwsError> {
        let Some(found) = served(self.store(), endpoint)? else { return Ok(None) };
        Ok(found.deployment.variant(variant).map(|of_endpoint| Variant {
            in_service: found.status == Status::InService,
            desired: found.desired(of_endpoint),
            instance_type: of_endpoint.instance_type().to_owned(),
        }))
    }

    fn set_capacity(self: Arc<Self>, endpoint: &str, variant: &str, count: u64) -> Result<Change, AwsError> {
        let capacity = Capacity { desired: Some(count), weight: None };
        set(&self, endpoint, &Changed::from([(variant.to_owned(), capacity)]))
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
            let measured = served.flat_map(|(name, endpoint)| {
                let of = |variant: record::Variant| Measured {
                    leaders: fleet(self, &name, variant.name())
                        .map(|fleet| fleet.leaders())
                        .unwrap_or_default(),
                    variant: variant.name().to_owned(),
                    instance_type: variant.instance_type().to_owned(),
                    endpoint: name.clone(),
                };
                endpoint.deployment.variants.into_iter().map(of).collect::<Vec<_>>()
            });
            Ok(measured.collect())
        })
    }
}

/// Starts to change the numbers of instances and the weights of an endpoint's variants. It is Updating meanwhile, and serves.
///
/// # Errors
/// AWS's, for an endpoint that doesn't exist or isn't InService, and for a count of 0; `ResourceLimitExceeded`.
pub fn set(service: &Arc<SageMaker>, name: &str, changed: &Changed) -> Result<Change, AwsError> {
    if changed.values().any(|capacity| capacity.desired == Some(0)) {
        return Err(AwsError::validation(
            "DesiredInstanceCount must be at least 1 for a production variant without inference components.",
        ));
    }
    let endpoint = find(service.cloud(), name)?;
    let variants = endpoint.deployment.variants.iter();
    let more = variants.map(|variant| {
        let desired = changed.get(variant.name()).and_then(|capacity| capacity.desired);
        (variant.instance_type(), desired.unwrap_or_default().saturating_sub(endpoint.desired(variant)))
    });
    check_room(service.store(), more)?;
    let (arn, before) = (arn(service.cloud(), name), endpoint.changed);
    change_if(service.store(), name, |endpoint| {
        endpoint.begin_update(&arn)?;
        for (variant, capacity) in changed {
            let kept = endpoint.changed.entry(variant.clone()).or_default();
            kept.desired = capacity.desired.or(kept.desired);
            kept.weight = capacity.weight.or(kept.weight);
        }
        Ok(())
    })?;
    let (report, change) = oneshot::channel();
    let (service, name) = (Arc::clone(service), name.to_owned());
    tokio::spawn(async move {
        if let Some(outcome) = scale_and_record(&service, &name, before).await {
            // Nobody may be listening.
            let _ = report.send(outcome);
        }
    });
    Ok(change)
}

/// Gives an endpoint's fleets the numbers of instances that its record has. `before` is what was changed of it earlier.
/// Returns the outcome. None: the server has stopped meanwhile, and the next one starts the endpoint with the new numbers.
async fn scale_and_record(service: &SageMaker, name: &str, before: Changed) -> Option<Result<(), String>> {
    let outcome = scale(service, name).await;
    if outcome.is_err() && service.endpoints.get(name).is_none() {
        return None;
    }
    // If this can't be written, the endpoint stays Updating until the next start of the server.
    let _ = change_if(service.store(), name, |endpoint| {
        endpoint.status = Status::InService;
        endpoint.failure = None;
        if let Err(reason) = &outcome {
            endpoint.changed = before;
            endpoint.set_failure(reason);
        }
        Ok(())
    });
    Some(outcome)
}

async fn scale(service: &SageMaker, name: &str) -> Result<(), String> {
    let fleets = live(service, name)?.settled().await.ok_or(NOTHING)?;
    let endpoint = find(service.cloud(), name).map_err(|error| error.message)?;
    let scales = endpoint.deployment.variants.iter().filter_map(|variant| {
        let count = usize::try_from(endpoint.desired(variant)).unwrap_or(usize::MAX);
        of_variant(&fleets, variant.name()).map(|fleet| fleet.scale(count))
    });
    join_all(scales).await.into_iter().collect()
}

fn live(service: &SageMaker, name: &str) -> Result<Arc<Live>, String> {
    service.endpoints.get(name).ok_or_else(|| NOTHING.to_owned())
}

/// Returns the serving fleet of a variant.
fn fleet(service: &SageMaker, name: &str, variant: &str) -> Option<Arc<Fleet>> {
    let fleets = service.endpoints.get(name)?.fleets()?;
    of_variant(&fleets, variant).cloned()
}

/// Checks that there may be so many more instances of these types.
///
/// # Errors
/// `ResourceLimitExceeded`.
pub fn check_room<'a>(store: &Store, more: impl Iterator<Item = (&'a str, u64)>) -> Result<(), AwsError> {
    let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
    for (kind, count) in more {
        *by_type.entry(kind).or_default() += count;
    }
    let endpoints = all(store)?;
    for (kind, count) in by_type.into_iter().filter(|(_, count)| *count > 0) {
        let used = endpoints.iter().flat_map(|(_, endpoint)| {
            let of_type =
                endpoint.deployment.variants.iter().filter(|variant| variant.instance_type() == kind);
            of_type.map(|variant| endpoint.desired(variant))
        });
        quota::check_instances(store, kind, "endpoint", used.sum(), count)?;
    }
    Ok(())
}

/// Returns a variant as in DescribeEndpoint.
pub fn describe(service: &SageMaker, name: &str, endpoint: &Endpoint, variant: &record::Variant) -> Value {
    let (weight, desired) = (endpoint.weight(variant), endpoint.desired(variant));
    // The instances that were started and aren't drained yet.
    let current = fleet(service, name, variant.name()).map_or(desired, |fleet| fleet.count() as u64);
    let image = &variant.container["Image"];
    json!({
        "VariantName": variant.name(),
        "CurrentWeight": weight, "DesiredWeight": weight,
        "CurrentInstanceCount": current, "DesiredInstanceCount": desired,
        "DeployedImages": [{
            "SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": seconds(endpoint.created_ms),
        }],
    })
}
