//! restJson (Lambda): the operation is in method and path, its input in path, query, headers and body.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::response;
use crate::call::{AwsError, Reply};

const JSON: &str = "application/json";

/// Where each operation is found, by its name.
#[derive(Deserialize)]
pub struct Routes {
    http: HashMap<String, Route>,
}

#[derive(Deserialize)]
struct Route {
    method: String,
    /// `/2015-03-31/functions/{FunctionName}`, perhaps with a query that tells it from another one.
    uri: String,
    /// The status of its success.
    code: u16,
    /// The name on the wire, to the member and its type.
    query: BTreeMap<String, (String, String)>,
    header: BTreeMap<String, (String, String)>,
}

impl Route {
    /// The members that the path holds. None: another operation's path.
    fn matched(&self, path: &str) -> Option<Map<String, Value>> {
        let template = self.uri.split('?').next().unwrap_or_default();
        // Older clients end some paths with a slash.
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
}

impl Routes {
    /// The operation and its input, without the body.
    ///
    /// # Errors
    /// No operation has this method and path.
    pub fn find(&self, request: &Parts) -> Result<(String, Value), AwsError> {
        let query = request.uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut found: Option<(&String, &Route, Map<String, Value>)> = None;
        for (name, route) in &self.http {
            if route.method != request.method.as_str() {
                continue;
            }
            let Some(members) = route.matched(request.uri.path()) else { continue };
            let own = route.uri.split_once('?').map(|(_, query)| query);
            let fits = own.is_none_or(|own| query.split('&').any(|pair| pair == own));
            // Of two with one path, the one whose own query is there.
            if fits && (own.is_some() || found.is_none()) {
                found = Some((name, route, members));
            }
        }
        let (name, route, mut members) = found.ok_or_else(|| {
            let message = format!("Unable to determine service/operation name: {}", request.uri.path());
            AwsError::new(404, "UnknownOperationException", message)
        })?;
        for (key, value) in pairs {
            let Some((member, kind)) = route.query.get(&key) else { continue };
            if kind == "list" {
                let list = members.entry(member).or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(json!(value));
                }
            } else {
                members.insert(member.clone(), typed(kind, value));
            }
        }
        for (header, (member, kind)) in &route.header {
            if let Some(value) = request.headers.get(header).and_then(|value| value.to_str().ok()) {
                members.insert(member.clone(), typed(kind, value.to_owned()));
            }
        }
        Ok((name.clone(), Value::Object(members)))
    }

    /// The answer with the operation's own status.
    pub fn encode(&self, operation: &str, reply: &Reply, request_id: &str) -> Response<Bytes> {
        let code = self.http.get(operation).map_or(200, |route| route.code);
        match reply {
            Ok(Value::Null) => response(code, JSON, request_id, Bytes::new()),
            Ok(output) => response(code, JSON, request_id, output.to_string()),
            Err(error) => encode_error(error, &json!({}), request_id),
        }
    }
}

/// What is no number is left as it came: validation tells.
fn typed(kind: &str, value: String) -> Value {
    match kind {
        "integer" | "long" => value.parse::<i64>().map_or_else(|_| json!(value), |number| json!(number)),
        "boolean" => value.parse::<bool>().map_or_else(|_| json!(value), |flag| json!(flag)),
        _ => json!(value),
    }
}

/// Adds the body's members to those that the path, the query and the headers hold.
pub fn add_body(input: &mut Value, body: &[u8]) -> Result<(), AwsError> {
    if body.is_empty() {
        return Ok(());
    }
    let malformed =
        || AwsError::new(400, "SerializationException", "The request's body is not a JSON object.");
    let Value::Object(members) = serde_json::from_slice(body).map_err(|_| malformed())? else {
        return Err(malformed());
    };
    if let Value::Object(input) = input {
        for (name, value) in members {
            // What the path says is what was authorised.
            input.entry(name).or_insert(value);
        }
    }
    Ok(())
}

/// An answer that is bytes, and members that are headers.
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

/// An error with members of its own, such as a throttle's `Reason`.
pub fn encode_error(error: &AwsError, members: &Value, request_id: &str) -> Response<Bytes> {
    let fault = if error.status < 500 { "User" } else { "Service" };
    // So AWS's models name the member, and so clients read it.
    let message = if ["ResourceNotFoundException", "AccessDeniedException"].contains(&error.code.as_str()) {
        "Message"
    } else {
        "message"
    };
    let mut body =
        Map::from_iter([("Type".to_owned(), json!(fault)), (message.to_owned(), json!(error.message))]);
    body.extend(members.as_object().cloned().unwrap_or_default());
    let mut response = response(error.status, JSON, request_id, Value::Object(body).to_string());
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}
