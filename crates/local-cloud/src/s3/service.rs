//! The service, as an item of the server's list.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};

use super::bucket::{BUCKET, Bucket};
use super::details::{Facts, detailed};
use super::objects::Objects;
use super::storage::CLASS_HEADER;
use super::store::ObjectStore;
use super::unread;
use crate::authority::Authority;
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::dispatch::Served;
use crate::door::{Door, request_id};
use crate::protocol::Protocol;

/// The greatest size of the XML of an answer that is changed here, in bytes.
const XML_LIMIT: usize = 1 << 20;

/// S3. It verifies signatures itself, since bodies have signatures too.
#[derive(Debug)]
pub struct S3 {
    store: ObjectStore,
    service: S3Service,
}

impl S3 {
    /// Opens the objects of a cloud, and deletes the files that a crash left without an object.
    ///
    /// # Errors
    /// The store's, and the disk's.
    pub fn open(cloud: &Arc<Cloud>, iam: Arc<dyn Authority>) -> Result<Self, AwsError> {
        let store = ObjectStore::open(cloud, iam)?;
        let mut builder = S3ServiceBuilder::new(store.clone());
        // s3s checks access only if it checks signatures too.
        builder.set_auth(store.clone());
        builder.set_access(store.clone());
        let mut config = S3Config::default();
        config.presigned_url_max_skew_time_secs = 900;
        // `a//b` is another key than `a/b`.
        config.normalize_forward_slash_path = false;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        Ok(Self { store, service: builder.build() })
    }

    /// Returns the objects, for other services.
    pub fn objects(&self) -> Arc<dyn Objects> {
        Arc::new(self.store.clone())
    }
}

#[async_trait]
impl Served for Arc<S3> {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn takes(&self, _: &Parts) -> bool {
        true
    }

    async fn answer(&self, request: Request<Body>, _: &Door) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let request_id = request_id(&parts);
        let body = match understood(&parts, body).await {
            Ok(body) => body,
            Err(error) => return refused(&error, &parts, &request_id),
        };
        let request = Request::from_parts(parts.clone(), s3s::Body::http_body_unsync(body));
        let mut response = match self.service.call(request).await {
            Ok(response) => with_details(response.map(Body::new), &parts, &request_id).await,
            Err(error) => {
                let error = AwsError::internal(format!("{error:?}"));
                Protocol::Query.error(&error, &request_id).map(Body::from)
            }
        };
        // s3s answers HeadObject and PutBucketTagging with 200, whatever status their handlers return.
        if response.status() == StatusCode::OK && response.headers().contains_key(CONTENT_RANGE) {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        if is_bucket_tagging(&parts) && response.status() == StatusCode::OK {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        if is_attributes(&parts) && response.status() == StatusCode::OK {
            response = with_bare_etag(response).await;
        }
        if let Ok(id) = request_id.parse() {
            response.headers_mut().insert("x-amz-request-id", id);
        }
        response
    }

    async fn start(&self) {}

    async fn stop(&self) {}

    fn is_empty(&self) -> bool {
        self.store.cloud.store.list::<Bucket>(BUCKET).is_ok_and(|buckets| buckets.is_empty())
    }
}

/// Returns the body, unless its XML asks for what s3s would drop.
async fn understood(request: &Parts, body: Body) -> Result<Body, AwsError> {
    let elements = unread::elements(request);
    let length =
        request.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if elements.is_empty() || length.is_none_or(|length| length == 0 || length > unread::LIMIT) {
        return Ok(body);
    }
    let limit = usize::try_from(unread::LIMIT).unwrap_or(usize::MAX);
    let bytes = axum::body::to_bytes(body, limit).await;
    let bytes = bytes.map_err(|_| {
        let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
        AwsError::new(400, "IncompleteBody", message)
    })?;
    match unread::found(&bytes, elements) {
        Some(name) => Err(AwsError::new(
            501,
            "NotImplemented",
            format!("The local cloud does not support {name} here."),
        )),
        None => Ok(Body::from(bytes)),
    }
}

/// Returns the answer to a request that s3s doesn't see.
fn refused(error: &AwsError, request: &Parts, request_id: &str) -> Response<Body> {
    let (code, message) = (&error.code, &error.message);
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Body::from(detailed(&xml, request, &Facts::default(), request_id)));
    *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

fn is_bucket_tagging(request: &Parts) -> bool {
    let is_bucket = !request.uri.path().trim_matches('/').contains('/');
    let query = request.uri.query().unwrap_or_default();
    let tagging = query.split('&').any(|part| part == "tagging" || part == "tagging=");
    request.method == http::Method::PUT && is_bucket && tagging
}

fn is_attributes(request: &Parts) -> bool {
    let query = request.uri.query().unwrap_or_default();
    request.method == http::Method::GET
        && query.split('&').any(|part| part.trim_end_matches('=') == "attributes")
}

/// Takes the quotation marks from the ETag in the answer to GetObjectAttributes: there, S3 writes none.
async fn with_bare_etag(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let xml = axum::body::to_bytes(body, XML_LIMIT).await.unwrap_or_default();
    let mut xml = String::from_utf8_lossy(&xml).into_owned();
    for quote in ["\"", "&quot;"] {
        xml = xml.replace(&format!("<ETag>{quote}"), "<ETag>").replace(&format!("{quote}</ETag>"), "</ETag>");
    }
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(xml))
}

/// Adds the details to an error.
async fn with_details(response: Response<Body>, request: &Parts, request_id: &str) -> Response<Body> {
    if !(response.status().is_client_error() || response.status().is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // An error about a range has the object's size in this header, as HTTP has it. S3 has it in the XML alone.
    let range = parts.headers.remove(CONTENT_RANGE);
    let size = range.as_ref().and_then(|range| range.to_str().ok()?.strip_prefix("bytes */"));
    // This header is S3's for an object. An error has it in the XML.
    let class = parts.headers.remove(CLASS_HEADER);
    let class = class.as_ref().and_then(|class| class.to_str().ok());
    let is_marker = parts.headers.contains_key("x-amz-delete-marker");
    let xml = match axum::body::to_bytes(body, XML_LIMIT).await {
        Ok(bytes) => {
            detailed(&String::from_utf8_lossy(&bytes), request, &Facts { size, class, is_marker }, request_id)
        }
        Err(_) => String::new(),
    };
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(xml))
}
