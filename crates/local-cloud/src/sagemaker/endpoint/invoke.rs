//! Invokes an endpoint: chooses an instance, and returns its answer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::container::{self, Failure, MAX_BODY, ModelError};
use super::super::service::SageMaker;
use super::fleet::{Fleet, Unpicked};
use super::instance::Busy;
use super::live::{Live, of_variant};
use super::record::{Endpoint, Variant, arn, served};
use crate::call::{AwsError, Call};
use crate::cloud::Cloud;

/// AWS's limit for one request to a container.
const LIMIT: Duration = Duration::from_secs(60);
const VARIANT: HeaderName = HeaderName::from_static("x-amzn-invoked-production-variant");
/// The trait by which SageMaker Runtime invokes SageMaker's endpoints.
#[async_trait]
pub trait Endpoints: Send + Sync + std::fmt::Debug {
    /// Returns the ARN of an endpoint.
    fn arn(&self, name: &str) -> String;

    /// Returns the answer of an endpoint's container. A ModelError is also returned as a response, since it has members
    /// of its own.
    ///
    /// # Errors
    /// `ValidationError` (no such endpoint or variant, a body too large), `ServiceUnavailable` (no instance is ready,
    /// or too many requests wait for one).
    async fn invoke(
        &self,
        name: &str,
        variant: Option<&str>,
        call: &Call,
    ) -> Result<Response<Bytes>, AwsError>;
}

#[async_trait]
impl Endpoints for SageMaker {
    fn arn(&self, name: &str) -> String {
        arn(self.cloud(), name)
    }

    async fn invoke(
        &self,
        name: &str,
        variant: Option<&str>,
        call: &Call,
    ) -> Result<Response<Bytes>, AwsError> {
        let size = call.payload.len();
        if size > MAX_BODY {
            return Err(invalid(format!("Body has {size} bytes, and must not have more than {MAX_BODY}.")));
        }
        let (endpoint, live) = live(self, name)?;
        let variant = match variant {
            Some(variant) if endpoint.deployment.variant(variant).is_none() => {
                return Err(invalid("Variant not found for request."));
            }
            Some(variant) => variant,
            None => drawn(&endpoint, rand::random()).ok_or_else(unavailable)?,
        };
        let (fleet, answer) = answer(self, &live, name, variant, call).await?;
        match answer {
            Ok(mut response) => {
                if let Ok(variant) = HeaderValue::from_str(&fleet.variant) {
                    response.headers_mut().insert(VARIANT, variant);
                }
                Ok(response)
            }
            Err(error) => Ok(model_error(self.cloud(), &fleet, &error)),
        }
    }
}

/// Returns the endpoint of a name, if it can be invoked.
fn live(service: &SageMaker, name: &str) -> Result<(Endpoint, Arc<Live>), AwsError> {
    let served = served(service.store(), name)?;
    let live = served.zip(service.endpoints.get(name));
    let missing = || format!("Endpoint {name} of account {} not found.", service.cloud().account);
    live.ok_or_else(|| invalid(missing()))
}

/// Returns the variant that gets a request, by the variants' weights. `at` is a random number from 0 to 1. None: no variant
/// gets any.
fn drawn(endpoint: &Endpoint, at: f64) -> Option<&str> {
    let variants = &endpoint.deployment.variants;
    let all: f64 = variants.iter().map(|variant| endpoint.weight(variant)).sum();
    let mut left = at * all;
    let mut weighed = variants.iter().filter(|variant| endpoint.weight(variant) > 0.0);
    let found = weighed.clone().find(|variant| {
        left -= endpoint.weight(variant);
        left < 0.0
    });
    // Rounding may leave a little of the last one's share.
    found.or_else(|| weighed.next_back()).map(Variant::name)
}

/// Returns an instance's answer, and the fleet. If an instance has just died, or if the fleet was replaced, it tries
/// another: the request wasn't received then.
async fn answer(
    service: &SageMaker,
    live: &Live,
    name: &str,
    variant: &str,
    call: &Call,
) -> Result<(Arc<Fleet>, Result<Response<Bytes>, ModelError>), AwsError> {
    let deadline = Instant::now() + LIMIT;
    let mut counted = false;
    loop {
        // After a restart, an endpoint is InService before its fleet has started. Invocations wait for the fleet.
        let fleets = timeout(LIMIT, live.settled()).await.ok().flatten().ok_or_else(unavailable)?;
        // A deployment that has replaced the endpoint's meanwhile may lack the variant.
        let found = of_variant(&fleets, variant).or_else(|| fleets.first());
        let fleet = Arc::clone(found.ok_or_else(unavailable)?);
        let instance = match timeout_at(deadline, fleet.pick()).await {
            Ok(Ok(instance)) => instance,
            Ok(Err(Unpicked::Retired)) => {
                // The fleet was retired, so the next attempt finds another fleet or none.
                tokio::task::yield_now().await;
                continue;
            }
            Ok(Err(Unpicked::NotReady)) => return Err(unavailable()),
            Ok(Err(Unpicked::Full)) => return Err(overloaded()),
            Err(_) => return Ok((fleet, Err(ModelError::timed_out()))),
        };
        if !std::mem::replace(&mut counted, true) {
            service.meter.sent(name, &fleet.variant, instance.serving);
        }
        let sent = Instant::now();
        let Some(answer) = forward(instance, call, deadline).await else { continue };
        let status = match &answer {
            Ok(response) => response.status().as_u16(),
            Err(error) => error.original_status,
        };
        service.meter.answered(name, &fleet.variant, status, sent.elapsed());
        return Ok((fleet, answer));
    }
}

/// Returns an instance's answer. None: the instance couldn't be reached, and isn't chosen again.
async fn forward(
    instance: Busy,
    call: &Call,
    deadline: Instant,
) -> Option<Result<Response<Bytes>, ModelError>> {
    match container::invoke(instance.port, &call.headers, call.payload.clone(), deadline).await {
        Ok(response) => Some(Ok(response)),
        Err(Failure::Model(error)) => Some(Err(error)),
        Err(Failure::Unreached) => {
            instance.is_dead();
            None
        }
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "ValidationError", message)
}

fn unavailable() -> AwsError {
    AwsError::new(503, "ServiceUnavailable", "The endpoint has no instance that is ready. Try again.")
}

/// Returns the error if too many requests wait for an instance. AWS's load balancers return it for overloaded
/// endpoints.
fn overloaded() -> AwsError {
    AwsError::new(
        503,
        "ServiceUnavailable",
        "The endpoint's instances have more requests than they can take. Add instances, or try again.",
    )
}

fn model_error(cloud: &Cloud, fleet: &Fleet, error: &ModelError) -> Response<Bytes> {
    let logs = format!(
        "See https://{0}.console.aws.amazon.com/cloudwatch/home?region={0}#logEventViewer:group={1} in account {2} for \
         more information.",
        cloud.region, fleet.log_group, cloud.account
    );
    let body = json!({
        "Message": format!("{} {logs}", error.message),
        "OriginalStatusCode": error.original_status,
        "OriginalMessage": error.original_message,
        "LogStreamArn": cloud.arn("logs", &format!("log-group:{}", fleet.log_group)),
    });
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::FAILED_DEPENDENCY;
    let headers = response.headers_mut();
    headers.insert("x-amzn-errortype", HeaderValue::from_static("ModelError"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::record::{Capacity, Deployment};
    use super::*;

    #[test]
    fn requests_go_to_variants_by_weight() {
        let variant = |name: &str, weight: f64| Variant {
            config: json!({"VariantName": name, "InitialVariantWeight": weight}),
            container: json!({}),
            role: String::new(),
        };
        let variants = vec![variant("a", 1.0), variant("none", 0.0), variant("b", 3.0)];
        let mut endpoint = Endpoint::new(Deployment { config: "c".to_owned(), variants, number: 1 });
        let of = |endpoint: &Endpoint, at: f64| drawn(endpoint, at).map(str::to_owned);
        for (at, name) in [(0.0, "a"), (0.24, "a"), (0.25, "b"), (0.99, "b"), (1.0, "b")] {
            assert_eq!(of(&endpoint, at).as_deref(), Some(name), "{at}");
        }
        endpoint.changed.insert("a".to_owned(), Capacity { weight: Some(0.0), ..Capacity::default() });
        assert_eq!(of(&endpoint, 0.0).as_deref(), Some("b"));
        endpoint.changed.insert("b".to_owned(), Capacity { weight: Some(0.0), ..Capacity::default() });
        assert_eq!(of(&endpoint, 0.5), None);
    }
}
