//! The content of a model's file: operations and shapes.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::pattern::Pattern;
use crate::protocol::Protocol;

/// A model's file, which `cut.py` writes.
#[derive(Debug, Deserialize)]
pub struct File {
    pub protocol: Protocol,
    /// The namespace of XML answers.
    #[serde(default)]
    pub namespace: String,
    /// The beginning of `X-Amz-Target`.
    #[serde(default)]
    pub target: String,
    /// The version of awsJson.
    #[serde(default)]
    pub version: String,
    /// The code of a validation error.
    #[serde(default)]
    pub invalid: String,
    /// The service's own messages for values that don't match a pattern.
    #[serde(default)]
    pub words: HashMap<String, String>,
    /// The errors whose text is in the member `Message` instead of `message`.
    #[serde(default)]
    pub errors: Vec<String>,
    pub operations: BTreeMap<String, Operation>,
    shapes: HashMap<String, Shape>,
    /// The shapes without constraints, by their type.
    #[serde(skip, default = "Shape::plain")]
    plain: HashMap<&'static str, Shape>,
}

/// An operation: its shapes, and in restJson its method and URI.
#[derive(Debug, Deserialize)]
pub struct Operation {
    pub input: String,
    pub output: Option<String>,
    /// The element that surrounds the output.
    pub result: Option<String>,
    #[serde(default)]
    pub method: String,
    #[serde(default)]
    pub uri: String,
    /// The HTTP status of a success.
    #[serde(default)]
    pub code: u16,
    /// The names of query parameters, and their members.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// The names of headers, and their members.
    #[serde(default)]
    pub header: BTreeMap<String, String>,
    /// The member whose value is the whole body.
    pub payload: Option<String>,
}

/// A shape: its type, its constraints, and its parts.
#[derive(Debug, Deserialize)]
pub struct Shape {
    pub r#type: Type,
    /// Whether the entries of the list or map have no element around them.
    #[serde(default)]
    pub flattened: bool,
    #[serde(default)]
    pub required: Vec<String>,
    /// The members of a structure.
    #[serde(default)]
    pub members: BTreeMap<String, Part>,
    /// The items of a list.
    pub member: Option<Part>,
    /// The keys of a map.
    pub key: Option<Part>,
    pub value: Option<Part>,
    /// The least value of a number, length of a text or size of a collection.
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub r#enum: Option<Vec<String>>,
    pub pattern: Option<Pattern>,
    /// Whether AWS's messages don't repeat a value: secrets, and what the service treats so.
    #[serde(default)]
    pub unshown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    Structure,
    List,
    Map,
    String,
    Blob,
    Timestamp,
    Boolean,
    Integer,
    Long,
    Float,
    Double,
}

const SCALARS: [(&str, Type); 8] = [
    ("string", Type::String),
    ("blob", Type::Blob),
    ("timestamp", Type::Timestamp),
    ("boolean", Type::Boolean),
    ("integer", Type::Integer),
    ("long", Type::Long),
    ("float", Type::Float),
    ("double", Type::Double),
];

/// A part of a shape: the name of its shape, and its names on the wire if they differ from its own.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Part {
    Same(String),
    Named([String; 2]),
    /// Its shape, its name in the form, and its name in the XML.
    Twice([String; 3]),
}

impl Part {
    pub(super) fn shape(&self) -> &str {
        match self {
            Self::Same(shape) | Self::Named([shape, _]) | Self::Twice([shape, ..]) => shape,
        }
    }

    /// Returns its name in a form.
    pub fn in_form<'a>(&'a self, name: &'a str) -> &'a str {
        match self {
            Self::Same(_) => name,
            Self::Named([_, wire]) | Self::Twice([_, wire, _]) => wire,
        }
    }

    /// Returns its name in XML.
    pub fn in_xml<'a>(&'a self, name: &'a str) -> &'a str {
        match self {
            Self::Same(_) => name,
            Self::Named([_, wire]) | Self::Twice([.., wire]) => wire,
        }
    }
}

impl Shape {
    fn of(r#type: Type) -> Self {
        Self {
            r#type,
            flattened: false,
            required: Vec::new(),
            members: BTreeMap::new(),
            member: None,
            key: None,
            value: None,
            min: None,
            max: None,
            r#enum: None,
            pattern: None,
            unshown: false,
        }
    }

    fn plain() -> HashMap<&'static str, Self> {
        let structure = ("structure", Type::Structure);
        SCALARS.into_iter().chain([structure]).map(|(name, r#type)| (name, Self::of(r#type))).collect()
    }
}

impl File {
    /// Returns the shape of a name, or the one without constraints of a type.
    pub fn shape(&self, name: &str) -> Option<&Shape> {
        self.shapes.get(name).or_else(|| self.plain.get(name))
    }

    /// Returns the shape of a part.
    pub fn part(&self, part: &Part) -> Option<&Shape> {
        self.shape(part.shape())
    }

    /// Returns the shape of an operation's input.
    pub fn input(&self, operation: &str) -> Option<&Shape> {
        self.shape(&self.operations.get(operation)?.input)
    }

    /// Returns the default name of a list's items.
    pub fn item(&self) -> &'static str {
        if self.protocol == Protocol::Ec2 { "item" } else { "member" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::models;

    #[test]
    fn every_pattern_compiles_and_every_part_has_its_shape() {
        for (name, text) in models() {
            let file: File = serde_json::from_str(text).unwrap();
            for (shape_name, shape) in &file.shapes {
                if let Some(pattern) = &shape.pattern {
                    assert!(pattern.regex().is_some(), "{name}: {}", pattern.text);
                }
                let parts = [&shape.member, &shape.key, &shape.value].into_iter().flatten();
                for part in shape.members.values().chain(parts) {
                    assert!(file.part(part).is_some(), "{name}: {shape_name} has {part:?}");
                }
                let lacking: Vec<_> =
                    shape.required.iter().filter(|name| !shape.members.contains_key(*name)).collect();
                assert!(lacking.is_empty(), "{name}: {shape_name} requires {lacking:?}");
            }
            for pattern in file.words.keys() {
                let mut shapes = file.shapes.values().filter_map(|shape| shape.pattern.as_ref());
                assert!(shapes.any(|known| known.text == *pattern), "{name}: no shape has {pattern}");
            }
        }
    }

    #[test]
    fn every_operation_has_its_shapes() {
        for (name, text) in models() {
            let file: File = serde_json::from_str(text).unwrap();
            for (operation, found) in &file.operations {
                assert_eq!(file.input(operation).unwrap().r#type, Type::Structure, "{name}: {operation}");
                let output = found.output.as_ref();
                assert!(output.is_none_or(|output| file.shape(output).is_some()), "{name}: {operation}");
                // The query protocol has a result element around an output; EC2's hasn't.
                let wrapped = found.result.is_some();
                assert_eq!(wrapped, output.is_some() && file.protocol == Protocol::Query, "{operation}");
                let located = found.query.values().chain(found.header.values());
                for member in located {
                    assert!(
                        file.input(operation).unwrap().members.contains_key(member),
                        "{operation} {member}"
                    );
                }
            }
        }
    }
}
