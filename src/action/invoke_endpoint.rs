//! One request to an endpoint.

use std::time::Instant;

use aws_sdk_sagemaker::primitives::Blob;

use crate::aws::{Aws, failure};
use crate::failure::{Failure, Outcome};

#[derive(Clone, Debug)]
pub struct Invocation {
    pub body: Vec<u8>,
    /// Seconds from the request's start to the answer's end.
    pub seconds: f64,
}

/// Sends `body` to an endpoint, and returns the model's response.
pub async fn invoke_endpoint(
    aws: &Aws,
    endpoint: &str,
    content_type: &str,
    body: Vec<u8>,
) -> Outcome<Invocation> {
    let started = Instant::now();
    let answer = aws
        .sagemaker_runtime
        .invoke_endpoint()
        .endpoint_name(endpoint)
        .content_type(content_type)
        .accept("application/json")
        .body(Blob::new(body))
        .send()
        .await
        .map_err(|error| {
            // The model's own message follows the service's.
            let said = error.as_service_error().and_then(|error| match error {
                aws_sdk_sagemakerruntime::operation::invoke_endpoint::InvokeEndpointError::ModelError(
                    model,
                ) => model.original_message().map(str::to_owned),
                _ => None,
            });
            let failure: Failure = failure("InvokeEndpoint", error);
            match said {
                Some(said) if !failure.message.contains(&said) => {
                    failure.hint(format!("the model said: {said}"))
                }
                _ => failure,
            }
        })?;
    let body = answer.body().map(|blob| blob.as_ref().to_vec()).unwrap_or_default();
    Ok(Invocation { body, seconds: started.elapsed().as_secs_f64() })
}
