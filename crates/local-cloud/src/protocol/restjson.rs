//! restJson (Lambda, SageMaker Runtime): method and path name the operation. Its input is in path, query, headers and
//! body.

use bytes::Bytes;
use http::{HeaderValue, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::answer::response;
use crate::call::AwsError;

const JSON: &str = "application/json";

/// Returns the members in `path`, if it matches `uri` (`/2015-03-31/functions/{FunctionName}`, perhaps with a query
/// that distinguishes two operations with the same path).
pub fn in_path(uri: &str, path: &str) -> Option<Map<String, Value>> {
    let template = uri.split('?').next().unwrap_or_default();
    // In older clients, some paths end with a slash.
    let (wanted, found) =
        (template.trim_matches('/').split('/'), path.trim_matches('/').split('/').collect::<Vec<_>>());
    if wanted.clone().count() != found.len() {
        return None;
    }
    let mut members = Map::new();
    for (wanted, found) in wanted.zip(found) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !found.is_empty() => {
                let text = percent_decode_str(found).decode_utf8_lossy();
                members.insert(name.to_owned(), json!(text));
            }
            None if wanted == found => {}
            _ => return None,
        }
    }
    Some(members)
}

/// Returns an answer with the operation's own status. If the operation has no output, the body is empty.
pub fn answer(status: u16, output: &Value, request_id: &str) -> Response<Bytes> {
    let body = if output.is_null() { String::new() } else { output.to_string() };
    response(status, JSON, request_id, body)
}

/// Returns an answer whose body is bytes. Other members become headers.
pub fn encode_payload(
    status: u16,
    payload: Bytes,
    headers: &[(&'static str, String)],
    request_id: &str,
) -> Response<Bytes> {
    let mut response = response(status, JSON, request_id, payload);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

/// Returns the answer for an error. `message` is the name of the text's member in the error's shape: some services have
/// `Message`, others `message`.
pub fn error(error: &AwsError, message: &str, request_id: &str) -> Response<Bytes> {
    let fault = if error.status < 500 { "User" } else { "Service" };
    let mut body =
        Map::from_iter([("Type".to_owned(), json!(fault)), (message.to_owned(), json!(error.message))]);
    body.extend((*error.members).clone());
    let mut response = response(error.status, JSON, request_id, Value::Object(body).to_string());
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}
