//! Reads members of JSON values, as [`Request`](crate::service::Request) reads those of an input.

use serde_json::Value;

/// A text member; empty where it is absent.
pub fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// A list; empty where it is absent.
pub fn items<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A list of texts; empty where it is absent.
pub fn texts<'a>(value: &'a Value, member: &str) -> Vec<&'a str> {
    items(value, member).iter().filter_map(Value::as_str).collect()
}
