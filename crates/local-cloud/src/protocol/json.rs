//! awsJson 1.0 and 1.1 (SageMaker, CloudWatch Logs), and the errors of restJson (SageMaker Runtime).

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response};
use serde_json::{Map, Value, json};

use super::response;
use crate::call::{AwsError, Reply};

/// The operation that `X-Amz-Target` names (`SageMaker.CreateTrainingJob`), and its input.
pub fn decode(request: &Parts, body: &[u8]) -> Result<(String, Value), AwsError> {
    if request.headers.get("smithy-protocol").is_some_and(|protocol| protocol == "rpc-v2-cbor") {
        let message =
            "The local cloud speaks awsJson where AWS also speaks rpc-v2-cbor: choose JSON in the client.";
        return Err(AwsError::new(501, "UnknownOperationException", message));
    }
    let target = request.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let Some((_, operation)) = target.and_then(|target| target.rsplit_once('.')) else {
        return Err(AwsError::new(400, "UnknownOperationException", "The request has no X-Amz-Target."));
    };
    let input = if body.is_empty() { Value::Object(Map::new()) } else { parse(body)? };
    Ok((operation.to_owned(), input))
}

fn parse(body: &[u8]) -> Result<Value, AwsError> {
    let malformed =
        || AwsError::new(400, "SerializationException", "The request's body is not a JSON object.");
    let value: Value = serde_json::from_slice(body).map_err(|_| malformed())?;
    value.is_object().then_some(value).ok_or_else(malformed)
}

/// The answer in the version that the request spoke.
pub fn encode(request: &Parts, reply: &Reply, request_id: &str) -> Response<Bytes> {
    let spoken = request.headers.get("content-type");
    let content_type = match spoken.map(HeaderValue::as_bytes) {
        Some(b"application/x-amz-json-1.0") => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    };
    match reply {
        // An operation without output answers an empty body.
        Ok(Value::Null) => response(200, content_type, request_id, Bytes::new()),
        Ok(output) => response(200, content_type, request_id, output.to_string()),
        Err(error) => encode_error(error, content_type, request_id),
    }
}

/// An error, also as restJson has it.
pub fn encode_error(error: &AwsError, content_type: &'static str, request_id: &str) -> Response<Bytes> {
    let body = json!({"__type": error.code, "message": error.message});
    let mut response = response(error.status, content_type, request_id, body.to_string());
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}
