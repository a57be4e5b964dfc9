//! Invoke: checked, admitted, run, answered.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::api::Event;
use super::environment::Outcome;
use super::functions::check_active;
use super::model::{FUNCTION, Function, Target, Version};
use super::pool::{self, Throttle};
use super::{locked_out, permissions};
use crate::call::{AwsError, Call};
use crate::cloud::Cloud;
use crate::iam::Context;
use crate::protocol::restjson::{encode_error, encode_payload};

/// AWS's limits to an event, in bytes: of an invocation that waits, and of one that doesn't.
const MAX_EVENT: usize = 6_291_456;
const MAX_ASYNC_EVENT: usize = 1_048_576;
/// Before the second and the third attempt of an asynchronous invocation that failed.
const RETRIES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// For so long is a throttled asynchronous invocation tried again, at these distances.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(300);

/// An invocation as it is run.
struct Invocation {
    target: Target,
    request_id: String,
    payload: Bytes,
    client_context: Option<String>,
}

/// What became of it: with the version that ran.
type Ran = Result<Result<(String, Outcome), Throttle>, AwsError>;

pub async fn answer(cloud: &Arc<Cloud>, call: &Call, body: Bytes) -> Response<Bytes> {
    match checked(cloud, call, body) {
        Ok((invocation, kind)) => match kind.as_str() {
            "DryRun" => encode_payload(204, Bytes::new(), &[], &call.request_id),
            "Event" => {
                tokio::spawn(run_later(Arc::clone(cloud), invocation));
                encode_payload(202, Bytes::new(), &[], &call.request_id)
            }
            _ => {
                let cloud = Arc::clone(cloud);
                // It goes on when the client is gone, as on AWS.
                let ran = tokio::spawn(async move { run(&cloud, &invocation).await }).await;
                told(call, ran.unwrap_or_else(|_| Err(AwsError::internal("the invocation broke off"))))
            }
        },
        Err(error) => encode_error(&error, &json!({}), &call.request_id),
    }
}

fn told(call: &Call, ran: Ran) -> Response<Bytes> {
    match ran {
        Ok(Ok((version, outcome))) => {
            let mut headers = vec![("x-amz-executed-version", version)];
            if outcome.is_error {
                headers.push(("x-amz-function-error", "Unhandled".to_owned()));
            }
            if call.input["LogType"] == "Tail" {
                headers.push(("x-amz-log-result", STANDARD.encode(&outcome.tail)));
            }
            encode_payload(200, outcome.payload, &headers, &call.request_id)
        }
        Ok(Err(throttle)) => {
            let error = AwsError::new(429, "TooManyRequestsException", "Rate Exceeded.");
            encode_error(&error, &json!({"Reason": throttle.reason()}), &call.request_id)
        }
        Err(error) => encode_error(&error, &json!({}), &call.request_id),
    }
}

fn checked(cloud: &Cloud, call: &Call, body: Bytes) -> Result<(Invocation, String), AwsError> {
    let input = &call.input;
    let target = Target::read(cloud, input)?;
    let function: Option<Function> = cloud.store.get(FUNCTION, &target.name)?;
    let policy = permissions::document(function.as_ref())?;
    let action = "lambda:InvokeFunction";
    let arn = target.arn(cloud);
    cloud.authorize_with_resource_policy(&call.caller, action, &arn, &Context::new(), policy.as_ref())?;
    for member in ["DurableExecutionName", "TenantId"] {
        if !input[member].is_null() {
            return Err(AwsError::unsupported("Lambda", &format!("{member} in Invoke")));
        }
    }
    let kind = input["InvocationType"].as_str().unwrap_or("RequestResponse").to_owned();
    let most = if kind == "Event" { MAX_ASYNC_EVENT } else { MAX_EVENT };
    if body.len() > most {
        let message = format!("Request must be smaller than {most} bytes for the InvokeFunction operation");
        return Err(AwsError::new(413, "RequestEntityTooLargeException", message));
    }
    let content = |what: &str| AwsError::new(400, "InvalidRequestContentException", what);
    let payload = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&payload) {
        return Err(content(&format!("Could not parse request body into json: {error}")));
    }
    let client_context = input["ClientContext"].as_str().map(|encoded| {
        let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded
            .filter(|text| serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object()))
            .ok_or_else(|| content("Client context must be a valid Base64-encoded JSON object."))
    });
    let client_context = client_context.transpose()?;
    let function = function.ok_or_else(|| target.not_found(cloud))?;
    chosen(cloud, &target, &function).and_then(check_active)?;
    Ok((Invocation { target, request_id: call.request_id.clone(), payload, client_context }, kind))
}

/// The version that the target stands for: of an alias with two, one by their shares.
fn chosen<'a>(cloud: &Cloud, target: &Target, function: &'a Function) -> Result<&'a Version, AwsError> {
    let alias = target.qualifier.as_deref().and_then(|qualifier| function.aliases.get(qualifier));
    let other = alias.and_then(|alias| alias.weight.as_ref());
    let version = match other {
        Some((other, weight)) if rand::random::<f64>() < *weight => function.version(other),
        _ => function.qualified(target.qualifier.as_deref()),
    };
    version.ok_or_else(|| target.not_found(cloud))
}

/// Runs it once, if there is room.
async fn run(cloud: &Arc<Cloud>, invocation: &Invocation) -> Ran {
    let target = &invocation.target;
    let function = target.function(cloud)?;
    let version = chosen(cloud, target, &function)?;
    let (place, lent) = match pool::admit(cloud, &function, version, target.qualifier.as_deref())? {
        Ok(admitted) => admitted,
        Err(throttle) => return Ok(Err(throttle)),
    };
    let event = Event {
        request_id: invocation.request_id.clone(),
        payload: invocation.payload.clone(),
        deadline_ms: 0,
        function_arn: target.arn(cloud),
        client_context: invocation.client_context.clone(),
    };
    let mut environment = match lent {
        Some(environment) => environment,
        None => pool::start(cloud, &function.name, version).await?,
    };
    let outcome = environment.invoke(event).await;
    let name = version.name();
    pool::give_back(cloud, place, environment).await;
    Ok(Ok((name, outcome)))
}

/// Runs an asynchronous one: an error is tried again twice, a throttle for hours.
async fn run_later(cloud: Arc<Cloud>, invocation: Invocation) {
    let mut retries = RETRIES.iter();
    let (mut waited, mut pause) = (Duration::ZERO, FIRST_PAUSE);
    while !locked_out(&cloud) {
        match run(&cloud, &invocation).await {
            Ok(Ok((_, outcome))) if outcome.is_error => {
                let Some(pause) = retries.next() else { return };
                tokio::time::sleep(*pause).await;
            }
            Ok(Ok(_)) => return,
            // It is gone, or its role is.
            Err(error) if error.status < 500 => return,
            Ok(Err(_)) | Err(_) => {
                if waited > PATIENCE {
                    return;
                }
                tokio::time::sleep(pause).await;
                waited += pause;
                pause = LAST_PAUSE.min(pause * 2);
            }
        }
    }
}
