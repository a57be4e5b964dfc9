//! SageMaker's runtime: InvokeEndpoint, and the way from it to an instance and back.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::time::{Instant, timeout, timeout_at};

use super::endpoint::{Busy, Fleet, Live, Serving, Unpicked, is_served};
use super::{locked, meter};
use crate::call::{AwsError, Caller};
use crate::cloud::Cloud;
use crate::iam::Context;

/// One request to an endpoint, as it came.
#[derive(Debug)]
pub struct Invocation {
    pub caller: Caller,
    pub endpoint: String,
    /// All of the request's headers: `content-type`, `accept`, `x-amzn-sagemaker-…`.
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// AWS's limit to one request of a container.
const LIMIT: Duration = Duration::from_secs(60);
/// AWS's limit to a body, in either direction (botocore: `Body`, max).
pub const MAX_BODY: usize = 6_291_456;
const CUSTOM_ATTRIBUTES: HeaderName = HeaderName::from_static("x-amzn-sagemaker-custom-attributes");
const VARIANT: HeaderName = HeaderName::from_static("x-amzn-invoked-production-variant");
const TARGET_VARIANT: &str = "x-amzn-sagemaker-target-variant";
/// What names a thing that no endpoint here has.
const UNSUPPORTED: [&str; 5] = [
    "x-amzn-sagemaker-target-model",
    "x-amzn-sagemaker-target-container-hostname",
    "x-amzn-sagemaker-enable-explanations",
    "x-amzn-sagemaker-inference-component",
    "x-amzn-sagemaker-session-id",
];

static CLIENT: LazyLock<Client<HttpConnector, Full<Bytes>>> =
    LazyLock::new(|| Client::builder(TokioExecutor::new()).build_http());

/// Why there is no answer that could be passed on.
struct ModelError {
    original_status: u16,
    original_message: String,
    message: String,
}

/// Answers with what the container answered; the server adds the request id.
///
/// # Errors
/// `AccessDeniedException`, `ValidationError` (no such endpoint, a body too large), `ServiceUnavailable` (no instance is
/// ready, or too many requests wait for one). A
/// ModelError has members of its own, and so is a response.
pub async fn invoke_endpoint(cloud: &Arc<Cloud>, call: Invocation) -> Result<Response<Bytes>, AwsError> {
    let name = &call.endpoint;
    let arn = cloud.arn("sagemaker", &format!("endpoint/{}", name.to_lowercase()));
    let mut context = Context::new();
    if let Some(variant) = header(&call.headers, TARGET_VARIANT) {
        context = context.with("sagemaker:TargetVariant", variant);
    }
    cloud.authorize(&call.caller, "sagemaker:InvokeEndpoint", &arn, &context)?;
    if let Some(used) = UNSUPPORTED.iter().find(|name| call.headers.contains_key(**name)) {
        return Err(AwsError::unsupported("SageMaker Runtime", &format!("{used} in InvokeEndpoint")));
    }
    if call.body.len() > MAX_BODY {
        let message = format!("Body has {} bytes, and must not have more than {MAX_BODY}.", call.body.len());
        return Err(AwsError::new(400, "ValidationError", message));
    }
    let not_found = || {
        let message = format!("Endpoint {name} of account {} not found.", cloud.account);
        AwsError::new(400, "ValidationError", message)
    };
    if !is_served(cloud, name)? {
        return Err(not_found());
    }
    let live = locked(&cloud.sagemaker.endpoints).get(name).cloned().ok_or_else(not_found)?;
    let deadline = Instant::now() + LIMIT;
    // An instance that died just now is passed over, and a fleet whose place another took: neither has had the request.
    let (fleet, answer) = loop {
        let fleet = serving_fleet(&live).await.ok_or_else(unavailable)?;
        if header(&call.headers, TARGET_VARIANT).is_some_and(|variant| variant != fleet.variant) {
            return Err(AwsError::new(400, "ValidationError", "Variant not found for request."));
        }
        let instance = match timeout_at(deadline, fleet.pick()).await {
            Ok(Ok(instance)) => instance,
            Ok(Err(Unpicked::Retired)) => {
                // Whoever retires a fleet has put another in its place, or nothing.
                tokio::task::yield_now().await;
                continue;
            }
            Ok(Err(Unpicked::NotReady)) => return Err(unavailable()),
            Ok(Err(Unpicked::Full)) => return Err(overloaded()),
            Err(_) => return Ok(model_error(cloud, &fleet, &timed_out())),
        };
        meter::sent(cloud, name, &fleet.variant, instance.serving);
        let sent = Instant::now();
        let Some(answer) = forward(instance, &call, deadline).await else { continue };
        let status = match &answer {
            Ok(response) => response.status().as_u16(),
            Err(error) => error.original_status,
        };
        meter::answered(cloud, name, &fleet.variant, status, sent.elapsed());
        break (fleet, answer);
    };
    match answer {
        Ok(mut response) => {
            if let Ok(variant) = HeaderValue::from_str(&fleet.variant) {
                response.headers_mut().insert(VARIANT, variant);
            }
            Ok(response)
        }
        Err(error) => Ok(model_error(cloud, &fleet, &error)),
    }
}

/// An endpoint that comes back with the cloud is in service: its first invocation waits for it.
async fn serving_fleet(live: &Live) -> Option<Arc<Fleet>> {
    let mut serving = live.serving.subscribe();
    let ready = timeout(LIMIT, serving.wait_for(|serving| !matches!(serving, Serving::Starting))).await;
    match &*ready.ok()?.ok()? {
        Serving::Fleet(fleet) => Some(Arc::clone(fleet)),
        _ => None,
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn unavailable() -> AwsError {
    AwsError::new(503, "ServiceUnavailable", "The endpoint has no instance that is ready. Try again.")
}

/// As many requests wait for an instance as may. AWS's load balancers answer so where an endpoint is overrun.
fn overloaded() -> AwsError {
    AwsError::new(
        503,
        "ServiceUnavailable",
        "The endpoint's instances have more requests than they can take. Add instances, or try again.",
    )
}

fn timed_out() -> ModelError {
    unanswered(
        "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for \
         each container in Amazon CloudWatch, resolve the issue, and try again.",
    )
}

fn unanswered(message: &str) -> ModelError {
    ModelError {
        original_status: 0,
        original_message: message.to_owned(),
        message: format!("Received server error (0) from primary with message \"{message}\"."),
    }
}

/// None: the instance could not be reached, and is not picked again.
async fn forward(
    instance: Busy,
    call: &Invocation,
    deadline: Instant,
) -> Option<Result<Response<Bytes>, ModelError>> {
    match exchange(&instance, call, deadline).await {
        Err(Unanswered::Unreached) => {
            instance.is_dead();
            None
        }
        Err(Unanswered::Model(error)) => Some(Err(error)),
        Ok(response) => Some(Ok(response)),
    }
}

/// Why an instance gave no answer that could be passed on.
enum Unanswered {
    /// It never had the request.
    Unreached,
    Model(ModelError),
}

async fn exchange(
    instance: &Busy,
    call: &Invocation,
    deadline: Instant,
) -> Result<Response<Bytes>, Unanswered> {
    let unanswered = |message: &str| Unanswered::Model(unanswered(message));
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://127.0.0.1:{}/invocations", instance.port))
        .body(Full::new(call.body.clone()))
        .map_err(|error| unanswered(&error.to_string()))?;
    for name in [CONTENT_TYPE, ACCEPT, CUSTOM_ATTRIBUTES] {
        if let Some(value) = call.headers.get(&name) {
            request.headers_mut().insert(name, value.clone());
        }
    }
    let answer = async {
        let (parts, body) = CLIENT.request(request).await?.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await?.to_bytes();
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((parts, body))
    };
    let (parts, body) = match timeout_at(deadline, answer).await {
        Err(_) => return Err(Unanswered::Model(timed_out())),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(unanswered("the response is larger than 6 MB"));
        }
        Ok(Err(error)) if error.downcast_ref::<ClientError>().is_some_and(ClientError::is_connect) => {
            return Err(Unanswered::Unreached);
        }
        Ok(Err(_)) => return Err(unanswered("the container closed the connection before it answered")),
        Ok(Ok(answer)) => answer,
    };
    if !parts.status.is_success() {
        let text: String = String::from_utf8_lossy(&body).chars().take(1000).collect();
        let side = if parts.status.is_client_error() { "client" } else { "server" };
        let code = parts.status.as_u16();
        return Err(Unanswered::Model(ModelError {
            original_status: code,
            message: format!("Received {side} error ({code}) from primary with message \"{text}\"."),
            original_message: text,
        }));
    }
    let mut response = Response::new(body);
    for name in [CONTENT_TYPE, CUSTOM_ATTRIBUTES] {
        if let Some(value) = parts.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Ok(response)
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

/// Whether a container answers `/ping` with 200.
pub(super) async fn ping(port: u16) -> bool {
    let uri = format!("http://127.0.0.1:{port}/ping");
    let Ok(request) = Request::get(uri).body(Full::default()) else { return false };
    CLIENT.request(request).await.is_ok_and(|response| response.status() == StatusCode::OK)
}
