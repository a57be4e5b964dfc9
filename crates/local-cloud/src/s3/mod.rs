//! S3, on s3s.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};

use crate::call::AwsError;
use crate::cloud::Cloud;

/// Answers S3's requests. It verifies their signatures by itself, since those reach into the body.
#[derive(Debug)]
pub struct S3 {}

impl S3 {
    pub fn new(_cloud: &Arc<Cloud>) -> Self {
        Self {}
    }

    /// `request_id` is answered as `x-amz-request-id`.
    pub async fn call(&self, _request: Request<Body>, _request_id: &str) -> Result<Response<Body>, AwsError> {
        Err(AwsError::unsupported("S3", "this operation"))
    }
}

/// Whether no bucket is left.
pub fn is_empty(_cloud: &Cloud) -> bool {
    true
}
