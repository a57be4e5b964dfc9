//! A model as its file has it: operations and shapes.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::pattern::Pattern;
use crate::protocol::Protocol;

/// A file that `cut.py` writes.
#[derive(Debug, Deserialize)]
pub struct File {
    pub protocol: Protocol,
    /// Of XML answers.
    #[serde(default)]
    pub namespace: String,
    /// What `X-Amz-Target` begins with.
    #[serde(default)]
    pub target: String,
    /// awsJson's.
    #[serde(default)]
    pub version: String,
    /// The code of a validation error.
    #[serde(default)]
    pub invalid: String,
    /// The service's own words for what doesn't match a pattern.
    #[serde(default)]
    pub words: HashMap<String, String>,
    /// The errors whose text is `Message`.
    #[serde(default)]
    pub errors: Vec<String>,
    pub operations: BTreeMap<String, Operation>,
    shapes: HashMap<String, Shape>,
    /// Those without constraints, which go by their type.
    #[serde(skip, default = "Shape::plain")]
    plain: HashMap<&'static str, Shape>,
}

/// An operation: its shapes, and where restJson finds it.
#[derive(Debug, Deserialize)]
pub struct Operation {
    pub input: String,
    pub output: Option<String>,
    /// The element that is around the output.
    pub result: Option<String>,
    #[serde(default)]
    pub method: String,
    #[serde(default)]
    pub uri: String,
    /// The status of success.
    #[serde(default)]
    pub code: u16,
    /// Names in the URI's query, and their members.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Headers, and their members.
    #[serde(default)]
    pub header: BTreeMap<String, String>,
    /// The member that the whole body is.
    pub payload: Option<String>,
}

/// A shape: its type, what constrains it, and its parts.
#[derive(Debug, Deserialize)]
pub struct Shape {
    pub r#type: Type,
    /// A list or map whose entries no element surrounds.
    #[serde(default)]
    pub flattened: bool,
    #[serde(default)]
    pub required: Vec<String>,
    /// A structure's.
    #[serde(default)]
    pub members: BTreeMap<String, Part>,
    /// A list's.
    pub member: Option<Part>,
    /// A map's.
    pub key: Option<Part>,
    pub value: Option<Part>,
    /// Of a number, a text's length or a collection's size.
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub r#enum: Option<Vec<String>>,
    pub pattern: Option<Pattern>,
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

/// A part of a shape: the name of its own shape and, where they differ from the part's, its names on the wire.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Part {
    Same(String),
    Named([String; 2]),
    /// In the form, and in the XML.
    Twice([String; 3]),
}

impl Part {
    fn shape(&self) -> &str {
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
        }
    }

    fn plain() -> HashMap<&'static str, Self> {
        let structure = ("structure", Type::Structure);
        SCALARS.into_iter().chain([structure]).map(|(name, r#type)| (name, Self::of(r#type))).collect()
    }
}

impl File {
    /// Returns the shape of a name, or of a type's.
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

    /// Returns the name of an item of a list that has no other.
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
            for (pattern, _) in &file.words {
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
                // Query wraps an output in a result element; EC2 doesn't.
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
