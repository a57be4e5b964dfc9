//! `opsml-handler`: the Lambda function (`provided.al2023`) that takes an image and answers with what an endpoint says.
//!
//! [`event`] reads the image from the event, [`endpoint`] sends it to the endpoint that the environment variable
//! [`ENDPOINT_NAME_ENV`] names.

mod endpoint;
mod error;
mod event;

use aws_config::BehaviorVersion;
use aws_sdk_sagemakerruntime::Client;
use aws_smithy_http_client::tls;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use opsml_contract::ENDPOINT_NAME_ENV;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use error::error;

/// An execution environment gets one event at a time, so one thread is enough.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err("opsml-handler is a Lambda function: it runs where AWS_LAMBDA_RUNTIME_API is set".into());
    }
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let client = Client::new(&aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await);
    let endpoint = std::env::var(ENDPOINT_NAME_ENV).unwrap_or_default();
    // The event is taken unread, so that the error for a bad one says what is expected.
    let answer = async |event: LambdaEvent<Box<RawValue>>| {
        let answer = answer(&client, &endpoint, event.payload.get()).await;
        // The error goes to CloudWatch Logs as well as to the caller.
        answer.inspect_err(|error| eprintln!("{}: {}", error.error_type, error.error_message))
    };
    lambda_runtime::run(service_fn(answer)).await
}

/// Returns the response as API Gateway expects it, with the endpoint's JSON as the text of the body. It has no other keys,
/// since API Gateway refuses those that it doesn't know.
async fn answer(client: &Client, endpoint: &str, event: &str) -> Result<Value, Diagnostic> {
    if endpoint.is_empty() {
        let message = format!("the function's environment variable {ENDPOINT_NAME_ENV} names no endpoint");
        return Err(error("NoEndpoint", message));
    }
    let request = event::read(event).map_err(|message| error("BadRequest", message))?;
    let body = endpoint::invoke(client, endpoint, request).await?;
    Ok(json!({
        "statusCode": 200,
        "headers": {"Content-Type": "text/plain", "Access-Control-Allow-Origin": "*"},
        "body": body,
    }))
}
