//! awsJson 1.0 and 1.1 (SageMaker, CloudWatch Logs).

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response};
use serde_json::{Map, Value, json};

use super::answer::response;
use crate::call::AwsError;

/// Returns the parts of `X-Amz-Target`: the service's prefix and the operation.
pub fn target(request: &Parts) -> Option<(&str, &str)> {
    request.headers.get("x-amz-target")?.to_str().ok()?.rsplit_once('.')
}

/// Returns the operation that `X-Amz-Target` names (`SageMaker.CreateTrainingJob`).
///
/// # Errors
/// `UnknownOperationException`: the header is missing, or the request is in CBOR.
pub fn operation(request: &Parts) -> Result<String, AwsError> {
    if request.headers.get("smithy-protocol").is_some_and(|protocol| protocol == "rpc-v2-cbor") {
        let message =
            "The local cloud speaks awsJson where AWS also speaks rpc-v2-cbor: choose JSON in the client.";
        return Err(AwsError::new(501, "UnknownOperationException", message));
    }
    let missing = || AwsError::new(400, "UnknownOperationException", "The request has no X-Amz-Target.");
    target(request).map(|(_, operation)| operation.to_owned()).ok_or_else(missing)
}

/// Reads a body. An empty body is an empty object.
///
/// # Errors
/// `SerializationException`.
pub fn read(body: &[u8]) -> Result<Map<String, Value>, AwsError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body)
        .map_err(|_| AwsError::new(400, "SerializationException", "The request's body is not a JSON object."))
}

/// Returns the request's content type, or, if it has none, that of the service's version of awsJson.
pub fn content_type(request: &Parts, version: &str) -> &'static str {
    let spoken = request.headers.get("content-type").map(HeaderValue::as_bytes);
    match (spoken, version) {
        (Some(b"application/x-amz-json-1.0"), _) => "application/x-amz-json-1.0",
        (Some(b"application/x-amz-json-1.1"), _) => "application/x-amz-json-1.1",
        (_, "1.0") => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    }
}

/// Returns an answer. If the operation has no output, the body is empty.
pub fn answer(output: &Value, content_type: &'static str, request_id: &str) -> Response<Bytes> {
    let body = if output.is_null() { String::new() } else { output.to_string() };
    response(200, content_type, request_id, body)
}

/// Returns the answer for an error.
pub fn error(error: &AwsError, content_type: &'static str, request_id: &str) -> Response<Bytes> {
    let mut body = json!({"__type": error.code, "message": error.message});
    for (member, value) in &*error.members {
        body[member] = value.clone();
    }
    let mut response = response(error.status, content_type, request_id, body.to_string());
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let request =
            headers.iter().fold(Request::post("/"), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_target_names_the_operation() {
        assert_eq!(operation(&parts(&[("x-amz-target", "SageMaker.AddTags")])).unwrap(), "AddTags");
        assert_eq!(operation(&parts(&[])).unwrap_err().status, 400);
        let cbor = parts(&[("x-amz-target", "A.B"), ("smithy-protocol", "rpc-v2-cbor")]);
        assert_eq!(operation(&cbor).unwrap_err().status, 501);
    }

    #[test]
    fn a_body_is_an_object() {
        assert_eq!(read(b"").unwrap().len(), 0);
        assert_eq!(read(br#"{"A": 1}"#).unwrap()["A"], 1);
        let deep = format!("{{\"A\": {}1{}}}", "[".repeat(200), "]".repeat(200));
        for body in ["[]", "1", "{", "null", &deep] {
            assert_eq!(read(body.as_bytes()).unwrap_err().code, "SerializationException", "{body}");
        }
    }

    #[test]
    fn answers_are_in_the_version_of_the_request() {
        let one = parts(&[("content-type", "application/x-amz-json-1.0")]);
        assert_eq!(content_type(&one, "1.1"), "application/x-amz-json-1.0");
        assert_eq!(content_type(&parts(&[]), "1.0"), "application/x-amz-json-1.0");
        assert_eq!(content_type(&parts(&[]), "1.1"), "application/x-amz-json-1.1");
        assert!(answer(&Value::Null, "application/x-amz-json-1.1", "id").into_body().is_empty());
    }

    #[test]
    fn an_error_has_the_members_of_its_shape() {
        let throttled = AwsError::new(429, "Throttled", "Slower.").with("Reason", "TooMany");
        let answer = error(&throttled, "application/json", "id");
        assert_eq!(answer.headers()["x-amzn-errortype"], "Throttled");
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(body, json!({"__type": "Throttled", "message": "Slower.", "Reason": "TooMany"}));
    }
}
