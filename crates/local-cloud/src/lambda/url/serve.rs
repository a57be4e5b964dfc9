//! Answers requests to functions' URLs.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::request::Parts;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::cors;
use super::event::Received;
use super::reply;
use crate::authority::Access;
use crate::call::{AwsError, Caller};
use crate::door::{Door, Signer, request_id};
use crate::lambda::access::auth_type;
use crate::lambda::invoke::for_url;
use crate::lambda::permissions;
use crate::lambda::record::{FUNCTION, Function, Url};
use crate::lambda::service::Lambda;
use crate::lambda::target::Target;
use crate::policy::Context;
use crate::protocol::restjson;

/// AWS's limit for a request's body, in bytes.
const LIMIT: usize = 6_291_456;
const FORBIDDEN: &str = "Forbidden. For troubleshooting Function URL authorization issues, see: \
                         https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";

/// Why a request isn't answered by the function.
enum Refusal {
    /// There is no such URL.
    Unknown,
    /// Policies don't allow it, or nobody signed it.
    Forbidden,
    Error(AwsError),
}

impl From<AwsError> for Refusal {
    fn from(error: AwsError) -> Self {
        Self::Error(error)
    }
}

/// Returns whether a request is for a function's URL, by its host.
pub fn is_url(request: &Parts) -> bool {
    host(request).is_some_and(|host| id_in(host).is_some())
}

/// Returns the name of the host that a request is for, without a port.
fn host(request: &Parts) -> Option<&str> {
    request.headers.get(HOST)?.to_str().ok()?.split(':').next()
}

/// Returns the id in the host name of a URL: `ID.lambda-url.REGION.on.aws`.
fn id_in(host: &str) -> Option<&str> {
    match host.split('.').collect::<Vec<_>>()[..] {
        [id, "lambda-url", _, "on", "aws"] if !id.is_empty() => Some(id),
        _ => None,
    }
}

/// Answers a request to a function's URL.
pub async fn answer(service: &Arc<Lambda>, parts: Parts, body: Body, door: &Door) -> Response<Body> {
    let request_id = request_id(&parts);
    let mut response = match answered(service, &parts, body, door, &request_id).await {
        Ok(response) => response,
        Err(Refusal::Unknown) => denied(&Value::Null),
        Err(Refusal::Forbidden) => denied(&json!(FORBIDDEN)),
        Err(Refusal::Error(error)) => restjson::error(&error, "message", &request_id).map(Body::from),
    };
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

fn denied(message: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(json!({"Message": message}).to_string()));
    *response.status_mut() = http::StatusCode::FORBIDDEN;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amzn-errortype", HeaderValue::from_static("AccessDeniedException"));
    response
}

async fn answered(
    service: &Arc<Lambda>,
    parts: &Parts,
    body: Body,
    door: &Door,
    request_id: &str,
) -> Result<Response<Body>, Refusal> {
    let (host, id) = host(parts).and_then(|host| Some((host, id_in(host)?))).ok_or(Refusal::Unknown)?;
    let (target, function, url) = found(service, host, id)?.ok_or(Refusal::Unknown)?;
    if let Some(response) = url.cors.as_ref().and_then(|cors| cors::preflight(cors, parts)) {
        return Ok(response);
    }
    let body = to_bytes(body, LIMIT).await.map_err(|_| {
        let message = format!("Request must be smaller than {LIMIT} bytes for the InvokeFunction operation");
        AwsError::new(413, "RequestEntityTooLargeException", message)
    })?;
    let signer = signer(&url, parts, &body, door)?;
    authorise(service, &target, &function, &url, signer.as_ref(), door)?;
    let account = &service.cloud.account;
    let received = Received { parts, body: &body, host, id, request_id, account, signer: signer.as_ref() };
    let event = Bytes::from(received.event(Timestamp::now()).to_string());
    let outcome = for_url(service, target, request_id.to_owned(), event).await?;
    let mut response = match outcome.is_error {
        true => reply::failed(),
        false => reply::answer(&outcome.payload).unwrap_or_else(reply::failed),
    };
    if let Some(cors) = &url.cors {
        cors::apply(cors, parts, response.headers_mut());
    }
    Ok(response)
}

/// Returns the function, or the alias of it, that has this URL.
fn found(service: &Lambda, host: &str, id: &str) -> Result<Option<(Target, Function, Url)>, AwsError> {
    let cloud = &service.cloud;
    if host.split('.').nth(2) != Some(&*cloud.region) {
        return Ok(None);
    }
    for (name, function) in cloud.store.list::<Function>(FUNCTION)? {
        let mine = function.urls.iter().find(|(_, url)| url.id.eq_ignore_ascii_case(id));
        if let Some((qualifier, url)) = mine {
            let qualifier = Some(qualifier.clone()).filter(|qualifier| !qualifier.is_empty());
            let url = url.clone();
            return Ok(Some((Target { name, qualifier }, function, url)));
        }
    }
    Ok(None)
}

/// Returns who signed the request, if its URL asks for a signature.
fn signer(url: &Url, parts: &Parts, body: &Bytes, door: &Door) -> Result<Option<Signer>, Refusal> {
    if url.auth == "NONE" {
        return Ok(None);
    }
    door.signer(parts, body, "lambda")?.map(Some).ok_or(Refusal::Forbidden)
}

/// Checks both of the actions that AWS asks of a URL's caller: to use the URL, and to invoke the function by it.
/// <https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>
fn authorise(
    service: &Lambda,
    target: &Target,
    function: &Function,
    url: &Url,
    signer: Option<&Signer>,
    door: &Door,
) -> Result<(), Refusal> {
    let caller = signer.map_or_else(Caller::anonymous, |signer| signer.caller.clone());
    let policy = permissions::document(Some(function))?;
    let by_url = Context::new().with("lambda:InvokedViaFunctionUrl", "true");
    for (action, context) in [("InvokeFunctionUrl", auth_type(&url.auth)), ("InvokeFunction", by_url)] {
        let access = Access::new(format!("lambda:{action}"), target.arn(&service.cloud));
        let access = access.with(context).with_policy(policy.clone());
        door.authority.authorize(&caller, &access).map_err(|error| match error.status {
            403 => Refusal::Forbidden,
            _ => Refusal::Error(error),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_its_id_in_its_host() {
        assert_eq!(id_in("abc.lambda-url.us-east-1.on.aws"), Some("abc"));
        for other in [
            "lambda-url.us-east-1.on.aws",
            "a.b.lambda-url.us-east-1.on.aws",
            "lambda.us-east-1.amazonaws.com",
        ] {
            assert_eq!(id_in(other), None, "{other}");
        }
    }
}
