//! The service, as an item of the server's list.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};

use super::bucket::{BUCKET, Bucket};
use super::details::detailed;
use super::objects::Objects;
use super::store::ObjectStore;
use crate::authority::Authority;
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::dispatch::Served;
use crate::door::{Door, request_id};
use crate::protocol::Protocol;

/// The greatest size of an error's XML, in bytes.
const ERROR_LIMIT: usize = 1 << 20;

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

fn is_bucket_tagging(request: &Parts) -> bool {
    let is_bucket = !request.uri.path().trim_matches('/').contains('/');
    let query = request.uri.query().unwrap_or_default();
    let tagging = query.split('&').any(|part| part == "tagging" || part == "tagging=");
    request.method == http::Method::PUT && is_bucket && tagging
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
    let is_marker = parts.headers.contains_key("x-amz-delete-marker");
    let xml = match axum::body::to_bytes(body, ERROR_LIMIT).await {
        Ok(bytes) => detailed(&String::from_utf8_lossy(&bytes), request, size, is_marker, request_id),
        Err(_) => String::new(),
    };
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(xml))
}
