//! The requests of a load test. None is retried, so that refusals are counted.

use aws_config::retry::RetryConfig;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use crate::aws::{Aws, failure};
use crate::failure::{Failure, Outcome};

/// The codes of throttling: Lambda's, SageMaker's, and those of older services.
const THROTTLES: &[&str] =
    &["TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"];
/// The most characters to keep of a function's error type.
const MAX_TYPE: usize = 80;

/// The target of the requests, and their body.
#[derive(Clone, Debug)]
pub enum Shot {
    Endpoint { client: aws_sdk_sagemakerruntime::Client, name: String, content_type: String, body: Blob },
    Function { client: aws_sdk_lambda::Client, name: String, qualifier: Option<String>, payload: Blob },
}

impl Shot {
    pub fn endpoint(aws: &Aws, name: &str, content_type: &str, body: Vec<u8>) -> Self {
        let config = aws.sagemaker_runtime.config().to_builder().retry_config(RetryConfig::disabled());
        Self::Endpoint {
            client: aws_sdk_sagemakerruntime::Client::from_conf(config.build()),
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            body: Blob::new(body),
        }
    }

    pub fn function(aws: &Aws, name: &str, qualifier: Option<&str>, payload: Vec<u8>) -> Self {
        let config = aws.lambda.config().to_builder().retry_config(RetryConfig::disabled());
        Self::Function {
            client: aws_sdk_lambda::Client::from_conf(config.build()),
            name: name.to_owned(),
            qualifier: qualifier.map(str::to_owned),
            payload: Blob::new(payload),
        }
    }

    /// Sends one request and reads the whole response.
    pub async fn send(&self) -> Outcome<()> {
        match self {
            Self::Endpoint { client, name, content_type, body } => {
                let request = client.invoke_endpoint().endpoint_name(name).content_type(content_type);
                let sent = request.accept("application/json").body(body.clone()).send().await;
                sent.map(|_| ()).map_err(|error| failure("InvokeEndpoint", error))
            }
            Self::Function { client, name, qualifier, payload } => {
                let request = client.invoke().function_name(name).set_qualifier(qualifier.clone());
                let answer = request.payload(payload.clone()).send().await;
                let answer = answer.map_err(|error| failure("Invoke", error))?;
                match answer.function_error() {
                    None => Ok(()),
                    Some(kind) => Err(function_error(kind, answer.payload())),
                }
            }
        }
    }
}

/// Whether the service throttled a request.
pub fn is_throttle(failure: &Failure) -> bool {
    THROTTLES.contains(&failure.code.as_str())
        || (failure.code == "Http" && failure.message.ends_with("status 429"))
}

/// The error that a function returns: `{"errorType": …, "errorMessage": …}`.
fn function_error(kind: &str, payload: Option<&Blob>) -> Failure {
    let said: Value = payload.and_then(|said| serde_json::from_slice(said.as_ref()).ok()).unwrap_or_default();
    let text = |name: &str| said.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let code: String = text("errorType").unwrap_or(kind).chars().take(MAX_TYPE).collect();
    Failure::new(code, format!("Invoke: {}", text("errorMessage").unwrap_or("the function failed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttles_are_told_from_failures() {
        for code in ["TooManyRequestsException", "ThrottlingException"] {
            assert!(is_throttle(&Failure::new(code, "Rate exceeded")));
        }
        assert!(is_throttle(&Failure::new("Http", "Invoke: the service answered with status 429")));
        for code in ["ModelError", "AccessDeniedException", "Http"] {
            assert!(!is_throttle(&Failure::new(code, "the service answered with status 500")));
        }
    }

    #[test]
    fn a_function_is_quoted_within_bounds() {
        let said = |text: &str| function_error("Unhandled", Some(&Blob::new(text)));
        assert_eq!(
            said(r#"{"errorType": "KeyError", "errorMessage": "'url'"}"#).to_string(),
            "KeyError: Invoke: 'url'"
        );
        assert_eq!(said("<html>").code, "Unhandled");
        assert_eq!(said(&format!(r#"{{"errorType": "{}"}}"#, "x".repeat(9000))).code.len(), MAX_TYPE);
        assert_eq!(function_error("Unhandled", None).code, "Unhandled");
    }
}
