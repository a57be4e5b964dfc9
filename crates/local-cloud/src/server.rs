//! HTTP: finds the service of each request, verifies its signature, and lets a codec and the service answer.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use jiff::Timestamp;

use crate::call::{AwsError, Call, Caller, Reply};
use crate::cloud::Cloud;
use crate::protocol::{ec2query, json, query};
use crate::s3::S3;
use crate::sagemaker::runtime::{self, Invocation};
use crate::sigv4::{Authorization, SignatureError};
use crate::{autoscaling, cloudwatch, ec2, iam, lambda, logs, sagemaker, ssm, sts};

/// Bytes of a request's body, but for S3's. Above InvokeEndpoint's limit of 25 MB.
const BODY_LIMIT: usize = 32 << 20;

const JSON: &str = "application/json";

/// How a service is spoken to.
#[derive(Clone, Copy)]
enum Wire {
    Json,
    /// With the XML namespace of its answers.
    Query(&'static str),
    Ec2,
}

/// Answers all requests.
#[derive(Debug)]
pub struct Server {
    cloud: Arc<Cloud>,
    s3: S3,
}

/// A request whose signature held.
struct Verified {
    request: Parts,
    body: Bytes,
    caller: Caller,
    request_id: String,
}

impl Server {
    pub fn new(cloud: Arc<Cloud>) -> Self {
        let s3 = S3::new(&cloud);
        Self { cloud, s3 }
    }

    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let request_id = request_id();
        // A page in a browser may reach loopback under a name of its own (DNS rebinding).
        if !names_loopback(request.headers()) {
            let error =
                AwsError::new(403, "AccessDenied", "The Host header must name the loopback interface.");
            return json::encode_error(&error, JSON, &request_id).map(Body::from);
        }
        let (parts, body) = request.into_parts();
        let found = Authorization::find(&parts);
        let service = match &found {
            Ok(Some(authorization)) => authorization.service.clone(),
            _ => unsigned_service(&parts),
        };
        if service == "s3" {
            return self.answer_s3(Request::from_parts(parts, body), &request_id).await;
        }
        let wire = match service.as_str() {
            "iam" => Wire::Query(iam::NAMESPACE),
            "sts" => Wire::Query(sts::NAMESPACE),
            "ec2" => Wire::Ec2,
            // What we lack is refused in the protocol that it came in.
            _ if is_form(&parts) => Wire::Query(""),
            _ => Wire::Json,
        };
        // Who has no key here has nothing read: that no signature holds is known without the body.
        let known = |found: &Authorization| self.cloud.iam.credential(&found.access_key_id).is_some();
        let body = match &found {
            Ok(Some(found)) if known(found) && service == "lambda" => {
                to_bytes(body, lambda::MAX_REQUEST).await
            }
            Ok(Some(found)) if known(found) => to_bytes(body, BODY_LIMIT).await,
            _ => Ok(Bytes::new()),
        };
        let verified = match body {
            Ok(body) => self.verify(found, parts, body, request_id.clone(), wire),
            Err(_) => Err(AwsError::new(413, "RequestEntityTooLarge", "The request's body is too large.")),
        };
        let response = match (verified, wire) {
            (Ok(verified), Wire::Query(namespace)) => self.answer_query(&service, namespace, verified),
            (Ok(verified), Wire::Ec2) => self.answer_ec2(verified),
            (Ok(verified), Wire::Json) => self.answer_json(&service, verified).await,
            (Err(error), Wire::Query(namespace)) => query::encode_error(namespace, &error, &request_id),
            (Err(error), Wire::Ec2) => ec2query::encode_error(&error, &request_id),
            (Err(error), Wire::Json) => json::encode_error(&error, JSON, &request_id),
        };
        response.map(Body::from)
    }

    async fn answer_s3(&self, request: Request<Body>, request_id: &str) -> Response<Body> {
        match self.s3.call(request, request_id).await {
            Ok(response) => response,
            Err(error) => query::encode_error("", &error, request_id).map(Body::from),
        }
    }

    fn verify(
        &self,
        found: Result<Option<Authorization>, SignatureError>,
        request: Parts,
        body: Bytes,
        request_id: String,
        wire: Wire,
    ) -> Result<Verified, AwsError> {
        let verified = found.and_then(|found| {
            let authorization = found.ok_or(SignatureError::Missing)?;
            let region = &authorization.region;
            // IAM is global, and STS has a global endpoint: both sign for us-east-1.
            let global = matches!(wire, Wire::Query(_)) && region == "us-east-1";
            if *region != self.cloud.region && !global {
                return Err(SignatureError::Mismatch(format!(
                    "Credential should be scoped to a valid region, not '{region}': this local cloud is {}.",
                    self.cloud.region
                )));
            }
            let credential = authorization.verify(&request, &body, &self.cloud.iam, Timestamp::now())?;
            self.cloud.iam.used(&credential, &authorization.service, region);
            Ok(credential)
        });
        match verified {
            Ok(credential) => Ok(Verified { request, body, caller: credential.caller.clone(), request_id }),
            Err(error) => Err(match wire {
                Wire::Json => error.json(),
                Wire::Query(_) => error.query(),
                Wire::Ec2 => error.ec2(),
            }),
        }
    }

    fn answer_query(&self, service: &str, namespace: &str, verified: Verified) -> Response<Bytes> {
        let Verified { request, body, caller, request_id } = verified;
        let (operation, input) = match query::decode(&request, &body) {
            Ok(decoded) => decoded,
            Err(error) => return query::encode_error(namespace, &error, &request_id),
        };
        let call = Call { caller, operation, input, request_id };
        let reply = match service {
            "iam" => iam::call(&self.cloud, &call),
            "sts" => sts::call(&self.cloud, &call),
            other => Err(call.unsupported(other)),
        };
        query::encode(namespace, &call.operation, &reply, &call.request_id)
    }

    fn answer_ec2(&self, verified: Verified) -> Response<Bytes> {
        let Verified { request, body, caller, request_id } = verified;
        match ec2query::decode(ec2::model(), &request, &body) {
            Ok((operation, input)) => {
                let call = Call { caller, operation, input, request_id };
                let reply = ec2::call(&self.cloud, &call);
                ec2query::encode(ec2::model(), &call.operation, &reply, &call.request_id)
            }
            Err(error) => ec2query::encode_error(&error, &request_id),
        }
    }

    async fn answer_json(&self, service: &str, verified: Verified) -> Response<Bytes> {
        if let ("sagemaker", Some(endpoint)) = (service, invoked_endpoint(&verified.request)) {
            return self.answer_invocation(endpoint, verified).await;
        }
        let Verified { request, body, caller, request_id } = verified;
        if service == "lambda" {
            return lambda::answer(&self.cloud, caller, &request, body, request_id).await;
        }
        let reply: Reply = match json::decode(&request, &body) {
            Ok((operation, input)) => {
                let call = Call { caller, operation, input, request_id: request_id.clone() };
                match service {
                    "sagemaker" => sagemaker::call(&self.cloud, call).await,
                    "logs" => logs::call(&self.cloud, &call),
                    "application-autoscaling" => autoscaling::call(&self.cloud, &call),
                    "monitoring" => cloudwatch::call(&self.cloud, &call),
                    "ssm" => ssm::call(&self.cloud, &call),
                    other => Err(call.unsupported(other)),
                }
            }
            Err(_)
                if !["sagemaker", "logs", "ssm", "application-autoscaling", "monitoring"]
                    .contains(&service) =>
            {
                Err(AwsError::unsupported(service, request.uri.path()))
            }
            Err(error) => Err(error),
        };
        json::encode(&request, &reply, &request_id)
    }

    async fn answer_invocation(&self, endpoint: String, verified: Verified) -> Response<Bytes> {
        let Verified { request, body, caller, request_id } = verified;
        let invocation = Invocation { caller, endpoint, headers: request.headers, body };
        match runtime::invoke_endpoint(&self.cloud, invocation).await {
            Ok(mut response) => {
                if let Ok(id) = HeaderValue::from_str(&request_id) {
                    response.headers_mut().insert("x-amzn-requestid", id);
                }
                response
            }
            Err(error) => json::encode_error(&error, JSON, &request_id),
        }
    }
}

/// `POST /endpoints/NAME/invocations`.
fn invoked_endpoint(request: &Parts) -> Option<String> {
    let name = request.uri.path().strip_prefix("/endpoints/")?.strip_suffix("/invocations")?;
    Some(percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned())
}

/// Whose answer a request without a readable signature gets.
fn unsigned_service(request: &Parts) -> String {
    if request.headers.contains_key("x-amz-target") || invoked_endpoint(request).is_some() {
        "sagemaker".to_owned()
    } else if is_form(request) || request.uri.query().is_some_and(|query| query.contains("Action=")) {
        "sts".to_owned()
    } else {
        "s3".to_owned()
    }
}

fn is_form(request: &Parts) -> bool {
    let content_type = request.headers.get("content-type");
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"))
}

pub(crate) fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get("host").and_then(|value| value.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"].contains(&name)
}

/// A random UUID, as AWS's ids are.
fn request_id() -> String {
    let hex = hex::encode(rand::random::<[u8; 16]>());
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}
