//! SageMaker's runtime: InvokeEndpoint.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};

use crate::call::{AwsError, Caller};
use crate::cloud::Cloud;

/// One request to an endpoint, as it came.
#[derive(Debug)]
pub struct Invocation {
    pub caller: Caller,
    pub endpoint: String,
    /// All of the request's headers: `content-type`, `accept`, `x-amzn-sagemaker-…`.
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Answers with what the container answered; the server adds the request id.
pub async fn invoke_endpoint(_cloud: &Arc<Cloud>, _call: Invocation) -> Result<Response<Bytes>, AwsError> {
    Err(AwsError::unsupported("SageMaker Runtime", "InvokeEndpoint"))
}
