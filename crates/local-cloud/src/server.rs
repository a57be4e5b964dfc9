//! The HTTP server: passes each request to its service.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use http::request::Parts;
use http::{Request, Response};

use crate::authority::Authority;
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::dispatch::Served;
use crate::door::{Door, RequestId};
use crate::protocol::Protocol;
use crate::sigv4::Authorization;
use crate::support::id;

/// The greatest size of a request's body to a service that the local cloud lacks, in bytes.
const LIMIT: usize = 1 << 20;
/// The operations that their callers don't sign, since they have no keys yet.
const UNSIGNED: [&str; 2] = ["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"];

/// Answers all requests.
pub struct Server {
    door: Door,
    services: Arc<[Box<dyn Served>]>,
}

impl Server {
    /// Returns a server of these services. `authority` has the keys.
    pub fn new(cloud: &Cloud, authority: Arc<dyn Authority>, services: Arc<[Box<dyn Served>]>) -> Self {
        Self { door: Door { authority, region: cloud.region.clone() }, services }
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let request_id = id::uuid();
        let (mut parts, mut body) = request.into_parts();
        parts.extensions.insert(RequestId(request_id.clone()));
        if let Some(owner) = self.services.iter().find(|service| service.has_url(&parts)) {
            return owner.answer_url(Request::from_parts(parts, body), &self.door).await;
        }
        let name = match Authorization::find(&parts) {
            Ok(Some(authorization)) => authorization.service,
            Ok(None) if is_form(&parts) => match without_signature(&parts, body, &request_id).await {
                Ok(read) => {
                    body = read;
                    "sts".to_owned()
                }
                Err(refused) => return *refused,
            },
            _ => unsigned_service(&parts).to_owned(),
        };
        let mut services = self.services.iter().filter(|service| service.name() == name);
        let service = services.clone().find(|service| service.takes(&parts)).or_else(|| services.next());
        let Some(service) = service else { return self.unknown(&name, parts, body).await };
        service.answer(Request::from_parts(parts, body), &self.door).await
    }

    /// Refuses a request to a service that the local cloud lacks, in the request's protocol, after its signature was
    /// verified.
    async fn unknown(&self, name: &str, parts: Parts, body: Body) -> Response<Body> {
        let protocol = if is_form(&parts) { Protocol::Query } else { Protocol::Json };
        let path = parts.uri.path().to_owned();
        match self.door.admit(Request::from_parts(parts, body), LIMIT, protocol).await {
            Ok(admitted) => {
                let operation = protocol.named_operation(&admitted.request, &admitted.body).unwrap_or(path);
                let error = AwsError::unsupported(name, &operation);
                protocol.error(&error, &admitted.request_id).map(Body::from)
            }
            Err(refused) => refused,
        }
    }
}

/// Reads a form that nobody has signed, and returns it.
///
/// # Errors
/// The answer to an operation of STS that nobody signs, since the local cloud has none of these.
async fn without_signature(parts: &Parts, body: Body, request_id: &str) -> Result<Body, Box<Response<Body>>> {
    let refuse = |error: AwsError| Box::new(Protocol::Query.error(&error, request_id).map(Body::from));
    let body = to_bytes(body, LIMIT).await.map_err(|_| {
        refuse(AwsError::new(413, "RequestEntityTooLarge", "The request's body is too large."))
    })?;
    match Protocol::Query.named_operation(parts, &body) {
        Some(operation) if UNSIGNED.contains(&&*operation) => {
            Err(refuse(AwsError::unsupported("STS", &operation)))
        }
        _ => Ok(Body::from(body)),
    }
}

/// Returns the service that answers a request without a readable signature.
fn unsigned_service(request: &Parts) -> &'static str {
    if request.headers.contains_key("x-amz-target") || request.uri.path().starts_with("/endpoints/") {
        "sagemaker"
    } else if is_form(request) || request.uri.query().is_some_and(|query| query.contains("Action=")) {
        "sts"
    } else {
        "s3"
    }
}

fn is_form(request: &Parts) -> bool {
    let content_type = request.headers.get("content-type");
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"))
}
