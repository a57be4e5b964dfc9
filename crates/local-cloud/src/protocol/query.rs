//! awsQuery (IAM, STS): a form in, XML out.
//!
//! A form's values are text, so the inputs of services that speak it read numbers and booleans by [`number`] and
//! [`boolean`], and lists by [`list`], which take JSON's own as well.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::str::FromStr;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::response;
use crate::call::{AwsError, Reply};

/// Deeper than any shape of AWS's query services.
const DEPTH: usize = 16;

/// The operation that `Action` names, and its input, from the body and the query.
pub fn decode(request: &Parts, body: &[u8]) -> Result<(String, Value), AwsError> {
    let Value::Object(mut input) = Node::read(request, body)?.into_value() else {
        return Err(AwsError::new(400, "MalformedInput", "The request has no parameters."));
    };
    input.shift_remove("Version");
    match input.shift_remove("Action") {
        Some(Value::String(action)) => Ok((action, Value::Object(input))),
        _ => Err(missing_action()),
    }
}

pub(super) fn missing_action() -> AwsError {
    AwsError::new(400, "MissingAction", "The request must contain the parameter Action.")
}

fn form(text: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// `Tags.member.1.Key` is a path in a tree of these.
#[derive(Default)]
pub(super) struct Node {
    pub(super) value: Option<String>,
    pub(super) members: BTreeMap<String, Node>,
}

impl Node {
    /// Of a request's query and body.
    pub(super) fn read(request: &Parts, body: &[u8]) -> Result<Self, AwsError> {
        let malformed = |message: &str| AwsError::new(400, "MalformedInput", message);
        let body = std::str::from_utf8(body).map_err(|_| malformed("The form is not UTF-8."))?;
        let mut root = Self::default();
        for (name, value) in form(request.uri.query().unwrap_or_default()).chain(form(body)) {
            if !name.starts_with("X-Amz-") && !root.insert(&name, value) {
                return Err(malformed(&format!("The parameter {name} is nested too deeply.")));
            }
        }
        Ok(root)
    }

    /// False: too deep.
    fn insert(&mut self, path: &str, value: String) -> bool {
        let parts: Vec<&str> = path.splitn(DEPTH + 1, '.').collect();
        if parts.len() > DEPTH {
            return false;
        }
        let leaf =
            parts.into_iter().fold(self, |node, part| node.members.entry(part.to_owned()).or_default());
        leaf.value = Some(value);
        true
    }

    fn into_value(mut self) -> Value {
        if self.members.is_empty() {
            return self.value.map_or(Value::Object(Map::new()), Value::String);
        }
        if self.members.len() == 1
            && let Some(list) = self.members.get_mut("member")
            && !list.members.is_empty()
            && list.members.keys().all(|key| key.parse::<u32>().is_ok())
        {
            let mut items: Vec<(u32, Node)> = std::mem::take(&mut list.members)
                .into_iter()
                .filter_map(|(key, node)| Some((key.parse().ok()?, node)))
                .collect();
            items.sort_by_key(|(index, _)| *index);
            return items.into_iter().map(|(_, node)| node.into_value()).collect();
        }
        Value::Object(self.members.into_iter().map(|(name, node)| (name, node.into_value())).collect())
    }
}

/// For `#[serde(default, deserialize_with = "number")]`.
pub fn number<'de, D: Deserializer<'de>, N: FromStr + DeserializeOwned>(
    input: D,
) -> Result<Option<N>, D::Error> {
    match Value::deserialize(input)? {
        Value::Null => Ok(None),
        Value::String(text) => {
            text.parse().map(Some).map_err(|_| D::Error::custom(format!("{text} is no number")))
        }
        other => serde_json::from_value(other).map(Some).map_err(D::Error::custom),
    }
}

/// For `#[serde(default, deserialize_with = "boolean")]`.
pub fn boolean<'de, D: Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    match Value::deserialize(input)? {
        Value::Null => Ok(false),
        Value::Bool(value) => Ok(value),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" => Ok(false),
        other => Err(D::Error::custom(format!("{other} is neither true nor false"))),
    }
}

/// For `#[serde(default, deserialize_with = "list")]`: a form has an empty list as an empty text.
pub fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(input: D) -> Result<Vec<T>, D::Error> {
    match Value::deserialize(input)? {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        other => serde_json::from_value(other).map_err(D::Error::custom),
    }
}

/// A map of the output, as [`encode`] writes it: each pair an `entry` with its `key` and `value`.
pub fn map<'a>(pairs: impl Iterator<Item = (&'a str, Value)>) -> Value {
    let entries: Vec<Value> =
        pairs.map(|(key, value)| serde_json::json!({"key": key, "value": value})).collect();
    serde_json::json!({"entry": entries})
}

/// The answer of `operation`, in the service's XML namespace.
pub fn encode(namespace: &str, operation: &str, reply: &Reply, request_id: &str) -> Response<Bytes> {
    let output = match reply {
        Ok(output) => output,
        Err(error) => return encode_error(namespace, error, request_id),
    };
    let mut xml = format!("<{operation}Response xmlns=\"{namespace}\">");
    // An operation without an output has no result element, one with an empty output has an empty one.
    if output.is_object() {
        write_element(&mut xml, &format!("{operation}Result"), output);
    }
    let _ = write!(
        xml,
        "<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    );
    response(200, "text/xml", request_id, xml)
}

pub fn encode_error(namespace: &str, error: &AwsError, request_id: &str) -> Response<Bytes> {
    let fault = if error.status < 500 { "Sender" } else { "Receiver" };
    let mut xml = format!("<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{fault}</Type><Code>");
    escape(&mut xml, &error.code);
    xml += "</Code><Message>";
    escape(&mut xml, &error.message);
    let _ = write!(xml, "</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>");
    response(error.status, "text/xml", request_id, xml)
}

/// A member that is null is left out.
fn write_element(xml: &mut String, name: &str, value: &Value) {
    if value.is_null() {
        return;
    }
    // A map's entries have no element around them all.
    if let (&"entry", Some(entries)) = (&name, value.as_array()) {
        return entries.iter().for_each(|entry| write_element(xml, name, entry));
    }
    let _ = write!(xml, "<{name}>");
    match value {
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => xml.push_str(&value.to_string()),
        Value::String(text) => escape(xml, text),
        Value::Array(items) => items.iter().for_each(|item| write_element(xml, "member", item)),
        Value::Object(members) => members.iter().for_each(|(name, value)| write_element(xml, name, value)),
    }
    let _ = write!(xml, "</{name}>");
}

/// What XML cannot hold at all becomes U+FFFD.
pub(super) fn escape(xml: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\r' => xml.push_str("&#13;"),
            '\n' | '\t' => xml.push(c),
            c if c < ' ' || matches!(c, '\u{FFFE}' | '\u{FFFF}') => xml.push('\u{FFFD}'),
            c => xml.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoded(body: &str) -> Result<(String, Value), AwsError> {
        let (parts, ()) = http::Request::post("/").body(()).unwrap().into_parts();
        decode(&parts, body.as_bytes())
    }

    #[test]
    fn a_form_becomes_the_shape_of_the_model() {
        let body = "Action=CreateRole&Version=2010-05-08&RoleName=a%2Bb&Description=one+two&Tags.member.2.Key=k2\
                    &Tags.member.10.Key=k10&Tags.member.1.Key=k1&Tags.member.1.Value=%C3%A9";
        let (action, input) = decoded(body).unwrap();
        assert_eq!(action, "CreateRole");
        let tags = json!([{"Key": "k1", "Value": "é"}, {"Key": "k2"}, {"Key": "k10"}]);
        assert_eq!(input, json!({"Description": "one two", "RoleName": "a+b", "Tags": tags}));
    }

    #[test]
    fn forms_without_sense_are_refused() {
        assert_eq!(decoded("").unwrap_err().code, "MissingAction");
        assert_eq!(decoded("Action.member.1=x").unwrap_err().code, "MissingAction");
        let deep = format!("Action=X&{}=1", vec!["a"; 10_000].join("."));
        assert_eq!(decoded(&deep).unwrap_err().code, "MalformedInput");
    }

    #[test]
    fn text_reads_as_the_type_that_is_wanted() {
        #[derive(Deserialize)]
        struct Input {
            #[serde(default, deserialize_with = "number")]
            count: Option<u32>,
            #[serde(default, deserialize_with = "boolean")]
            all: bool,
            #[serde(default, deserialize_with = "list")]
            names: Vec<String>,
        }
        let read = |value: Value| serde_json::from_value::<Input>(value);
        for value in [
            json!({"count": "7", "all": "true", "names": ["a"]}),
            json!({"count": 7, "all": true, "names": ["a"]}),
        ] {
            let input = read(value).unwrap();
            assert_eq!((input.count, input.all, input.names), (Some(7), true, vec!["a".to_owned()]));
        }
        let input = read(json!({"names": ""})).unwrap();
        assert_eq!((input.count, input.all, input.names.len()), (None, false, 0));
        assert!(read(json!({"count": "x"})).is_err());
    }

    #[test]
    fn answers_are_escaped() {
        let reply = Ok(json!({"Tags": [{"Key": "<&>\u{1}"}], "Marker": null, "IsTruncated": false}));
        let response = encode("urn:x", "ListRoleTags", &reply, "id");
        let xml = String::from_utf8(response.body().to_vec()).unwrap();
        let result =
            "<Tags><member><Key>&lt;&amp;&gt;\u{FFFD}</Key></member></Tags><IsTruncated>false</IsTruncated>";
        assert_eq!(
            xml,
            format!(
                "<ListRoleTagsResponse xmlns=\"urn:x\"><ListRoleTagsResult>{result}</ListRoleTagsResult>\
                 <ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></ListRoleTagsResponse>"
            )
        );
    }
}
