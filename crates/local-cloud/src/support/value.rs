//! Reads members of JSON values, as [`Request`](crate::service::Request) reads those of an input.

use serde_json::Value;

/// Returns a text member. It is empty if the member is absent.
pub fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// Returns a list. It is empty if the member is absent.
pub fn items<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Returns a list of texts. It is empty if the member is absent.
pub fn texts<'a>(value: &'a Value, member: &str) -> Vec<&'a str> {
    items(value, member).iter().filter_map(Value::as_str).collect()
}
