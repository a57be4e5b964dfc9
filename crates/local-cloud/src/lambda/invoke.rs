//! Invoke: checks, admits, runs and answers invocations.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::api::Event;
use super::environment::Outcome;
use super::errors::{THROTTLED, is_transient};
use super::metrics::Measured;
use super::record::{Function, Version};
use super::service::{Lambda, Request};
use super::state::check_active;
use super::target::Target;
use crate::call::AwsError;
use crate::protocol::restjson::encode_payload;
use crate::support::clock::now_ms;

/// AWS's limits for an event, in bytes: of a synchronous invocation, and of an asynchronous one.
const MAX_EVENT: usize = 6_291_456;
const MAX_ASYNC_EVENT: usize = 1_048_576;
/// The pauses before the second and the third attempt of an asynchronous invocation that failed.
const RETRIES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// How long a throttled asynchronous invocation is tried again, and the pauses between, which double.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(300);

/// An invocation that was checked.
struct Invocation {
    target: Target,
    request_id: String,
    payload: Bytes,
    client_context: Option<String>,
}

pub async fn invoke(request: Request<'_>) -> Result<Response<Bytes>, AwsError> {
    let invocation = checked(&request)?;
    let service = Arc::clone(request.service);
    let id = &request.call.request_id;
    match request.text("InvocationType") {
        "DryRun" => Ok(encode_payload(204, Bytes::new(), &[], id)),
        "Event" => {
            tokio::spawn(run_async(service, invocation));
            Ok(encode_payload(202, Bytes::new(), &[], id))
        }
        _ => {
            let (version, outcome) = run_to_end(service, invocation).await?;
            let mut headers = vec![("x-amz-executed-version", version)];
            if outcome.is_error {
                headers.push(("x-amz-function-error", "Unhandled".to_owned()));
            }
            if request.text("LogType") == "Tail" {
                headers.push(("x-amz-log-result", STANDARD.encode(&outcome.tail)));
            }
            Ok(encode_payload(200, outcome.payload, &headers, id))
        }
    }
}

/// Invokes a function for a request to its URL, and waits.
///
/// # Errors
/// There is no such function; it isn't ready; the event is too long; it is throttled.
pub async fn for_url(
    service: &Arc<Lambda>,
    target: Target,
    request_id: String,
    event: Bytes,
) -> Result<Outcome, AwsError> {
    let payload = checked_payload(&event, false)?;
    let function = target.function(&service.cloud)?;
    check_active(chosen(service, &target, &function)?)?;
    let invocation = Invocation { target, request_id, payload, client_context: None };
    Ok(run_to_end(Arc::clone(service), invocation).await?.1)
}

/// Runs an invocation once. As on AWS, it continues if the client disconnects.
async fn run_to_end(service: Arc<Lambda>, invocation: Invocation) -> Result<(String, Outcome), AwsError> {
    let run = tokio::spawn(async move { run(&service, &invocation).await });
    run.await.map_err(|_| AwsError::internal("the invocation broke off"))?
}

fn checked(request: &Request<'_>) -> Result<Invocation, AwsError> {
    let (service, input) = (request.service, request.input());
    for member in ["DurableExecutionName", "TenantId"] {
        if !input[member].is_null() {
            return Err(request.unsupported(&format!("{member} in Invoke")));
        }
    }
    let payload = checked_payload(&request.call.payload, request.text("InvocationType") == "Event")?;
    let client_context = request.optional("ClientContext").map(decoded_context).transpose()?;
    let (target, function) = request.found()?;
    check_active(chosen(service, &target, &function)?)?;
    Ok(Invocation { target, request_id: request.call.request_id.clone(), payload, client_context })
}

fn checked_payload(body: &Bytes, is_async: bool) -> Result<Bytes, AwsError> {
    let most = if is_async { MAX_ASYNC_EVENT } else { MAX_EVENT };
    if body.len() > most {
        let message = format!("Request must be smaller than {most} bytes for the InvokeFunction operation");
        return Err(AwsError::new(413, "RequestEntityTooLargeException", message));
    }
    let payload = if body.is_empty() { Bytes::from_static(b"{}") } else { body.clone() };
    match serde_json::from_slice::<serde::de::IgnoredAny>(&payload) {
        Ok(_) => Ok(payload),
        Err(error) => Err(invalid_content(&format!("Could not parse request body into json: {error}"))),
    }
}

fn decoded_context(encoded: &str) -> Result<String, AwsError> {
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded
        .filter(|text| serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object()))
        .ok_or_else(|| invalid_content("Client context must be a valid Base64-encoded JSON object."))
}

fn invalid_content(message: &str) -> AwsError {
    AwsError::new(400, "InvalidRequestContentException", message)
}

/// Returns the version to invoke. For an alias with two versions, it is drawn at random by their weights.
fn chosen<'a>(service: &Lambda, target: &Target, function: &'a Function) -> Result<&'a Version, AwsError> {
    let alias = target.qualifier.as_deref().and_then(|qualifier| function.aliases.get(qualifier));
    let other = alias.and_then(|alias| alias.weight.as_ref());
    let version = match other {
        Some((other, weight)) if rand::random::<f64>() < *weight => function.version(other),
        _ => function.qualified(target.qualifier.as_deref()),
    };
    version.ok_or_else(|| target.not_found(&service.cloud))
}

/// Runs an invocation once, and returns the version that ran and how it ended.
async fn run(service: &Lambda, invocation: &Invocation) -> Result<(String, Outcome), AwsError> {
    let target = &invocation.target;
    let function = target.function(&service.cloud)?;
    let version = chosen(service, target, &function)?;
    let named = target.qualifier.as_deref();
    let executed = named.filter(|named| function.aliases.contains_key(*named)).map(|_| version.name());
    let measured = Measured::new(service, target, executed, now_ms());
    let admitted = service.pools.admit(&function, version, named);
    let (place, lent) = admitted.inspect_err(|error| {
        if error.status == THROTTLED {
            measured.throttled();
        }
    })?;
    measured.admitted();
    if let Some(provisioned) = place.provisioned {
        measured.provisioned(provisioned);
    }
    let event = Event {
        request_id: invocation.request_id.clone(),
        payload: invocation.payload.clone(),
        deadline_ms: 0,
        function_arn: target.arn(&service.cloud),
        client_context: invocation.client_context.clone(),
    };
    let mut environment = match lent {
        Some(environment) => environment,
        None => service.pools.open(&function.name, version).await?,
    };
    let outcome = environment.invoke(event).await;
    measured.ended(outcome.is_error, outcome.took);
    service.pools.give_back(place, environment).await;
    Ok((version.name(), outcome))
}

/// Runs an asynchronous invocation. A function's error is retried twice, throttling and errors of the service for
/// hours.
async fn run_async(service: Arc<Lambda>, invocation: Invocation) {
    let mut retries = RETRIES.iter();
    let (mut waited, mut pause) = (Duration::ZERO, FIRST_PAUSE);
    while !service.host.is_stopping() {
        match run(&service, &invocation).await {
            Ok((_, outcome)) if outcome.is_error => {
                let Some(pause) = retries.next() else { return };
                tokio::time::sleep(*pause).await;
            }
            Err(error) if is_transient(&error) && waited <= PATIENCE => {
                tokio::time::sleep(pause).await;
                waited += pause;
                pause = LAST_PAUSE.min(pause * 2);
            }
            // It succeeded, or the function or its role was deleted.
            Ok(_) | Err(_) => return,
        }
    }
}
