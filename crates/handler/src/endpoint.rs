//! InvokeEndpoint, and its errors in botocore's words.

use aws_sdk_sagemakerruntime::Client;
use aws_sdk_sagemakerruntime::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_sagemakerruntime::primitives::Blob;
use lambda_runtime::Diagnostic;
use serde::de::IgnoredAny;

use crate::error::error;
use crate::event::Request;

/// Sends the image to the endpoint, and returns its answer, which is JSON.
///
/// # Errors
/// The service's own code, with the message that a Python function would get from botocore; `EndpointConnectionError` where
/// no service answered; `BadAnswer` where the answer isn't JSON.
pub async fn invoke(client: &Client, endpoint: &str, request: Request) -> Result<String, Diagnostic> {
    let answer = client
        .invoke_endpoint()
        .endpoint_name(endpoint)
        .content_type(request.content_type)
        .body(Blob::new(request.body))
        .send()
        .await;
    let body = answer.map_err(|failed| {
        let status = failed.raw_response().map(|response| response.status().to_string());
        // Like botocore, use the status where the service gives no code.
        match failed.code().map(str::to_owned).or(status) {
            Some(code) => {
                let message = failed.message().unwrap_or("the service gave no message");
                let words = "when calling the InvokeEndpoint operation";
                error(&code, format!("An error occurred ({code}) {words}: {message}"))
            }
            None => error("EndpointConnectionError", DisplayErrorContext(&failed).to_string()),
        }
    })?;
    let body = body.body.map(Blob::into_inner).unwrap_or_default();
    let text = String::from_utf8(body).map_err(|_| error("BadAnswer", "the endpoint's answer isn't text"))?;
    match serde_json::from_str::<IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(wrong) => Err(error("BadAnswer", format!("the endpoint's answer isn't JSON: {wrong}"))),
    }
}
