//! Reads a form of the query protocols as a tree, in which `Tags.member.1.Key=k` is a path.

use std::collections::BTreeMap;

use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::call::AwsError;

/// The deepest path. All shapes of AWS's query services are less deep.
const DEPTH: usize = 16;

/// A parameter, with a value, with parts, or with both.
#[derive(Debug, Default)]
pub struct Node {
    pub value: Option<String>,
    pub members: BTreeMap<String, Node>,
}

impl Node {
    /// Reads the form in a request's query and body.
    ///
    /// # Errors
    /// `MalformedInput`.
    pub fn read(request: &Parts, body: &[u8]) -> Result<Self, AwsError> {
        let malformed = |message: &str| AwsError::new(400, "MalformedInput", message);
        let body = std::str::from_utf8(body).map_err(|_| malformed("The form is not UTF-8."))?;
        let mut root = Self::default();
        for (name, value) in pairs(request.uri.query().unwrap_or_default()).chain(pairs(body)) {
            if !name.starts_with("X-Amz-") && !root.insert(&name, value) {
                return Err(malformed(&format!("The parameter {name} is nested too deeply.")));
            }
        }
        Ok(root)
    }

    /// Removes the operation's name and the API's version from the form, and returns the name.
    ///
    /// # Errors
    /// `MissingAction`.
    pub fn take_action(&mut self) -> Result<String, AwsError> {
        self.members.remove("Version");
        let action = self.members.remove("Action").and_then(|node| node.value);
        action.ok_or_else(|| {
            AwsError::new(400, "MissingAction", "The request must contain the parameter Action.")
        })
    }

    /// Adds a parameter. Returns false if its path is too deep.
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
}

fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Node, AwsError> {
        let (parts, ()) = http::Request::post("/?X-Amz-Date=x&A.b=1").body(()).unwrap().into_parts();
        Node::read(&parts, body.as_bytes())
    }

    #[test]
    fn a_form_is_a_tree() {
        let mut root = read("Action=CreateRole&Version=2010-05-08&Name=a%2Bb&A.c=one+two&E=%C3%A9").unwrap();
        assert_eq!(root.take_action().unwrap(), "CreateRole");
        let value = |name: &str| root.members[name].value.as_deref();
        assert_eq!((value("Name"), value("E"), root.members.len()), (Some("a+b"), Some("é"), 3));
        let nested = &root.members["A"].members;
        let nested: Vec<_> =
            nested.iter().map(|(name, node)| (name.as_str(), node.value.as_deref())).collect();
        assert_eq!(nested, [("b", Some("1")), ("c", Some("one two"))]);
    }

    #[test]
    fn forms_without_sense_are_refused() {
        assert_eq!(read("").unwrap().take_action().unwrap_err().code, "MissingAction");
        assert_eq!(read("Action.member.1=x").unwrap().take_action().unwrap_err().code, "MissingAction");
        let deep = format!("Action=X&{}=1", vec!["a"; 10_000].join("."));
        assert_eq!(read(&deep).unwrap_err().code, "MalformedInput");
        let (parts, ()) = http::Request::post("/").body(()).unwrap().into_parts();
        assert_eq!(Node::read(&parts, b"\xFF").unwrap_err().code, "MalformedInput");
    }
}
