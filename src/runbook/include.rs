//! `include` blocks: the steps and parameters of another file, in the place of the block.

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::front::FrontMatter;
use super::yaml::Node;
use super::{shape, template};
use crate::diagnostic::{Diagnostic, Severity};

/// The body of an `include` block.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Include {
    /// The file whose steps stand here, below the runbook's folder. Its prose is not shown.
    pub file: String,
    /// Values for the file's parameters, in the place of their defaults.
    #[serde(default)]
    pub params: Map<String, Value>,
}

/// JSON Schema of an `include` block.
pub fn include_schema() -> Value {
    schema_for!(Include).to_value()
}

/// Reads the body of an `include` block.
pub fn read(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<Include> {
    let before = problems.len();
    problems.extend(shape::check(node, &include_schema(), &"an `include` block"));
    node.each_text(&mut |node, text| {
        if template::has_template(text) {
            let message = "an `include` block is read before anything runs, so it takes no template";
            problems.push(Diagnostic::error(node.span.clone(), message).hint("write the value itself"));
        }
    });
    let is_well = problems[before..].iter().all(|problem| problem.severity != Severity::Error);
    if is_well { serde_json::from_value(node.to_value()).ok() } else { None }
}

/// Adds the parameters of an included file to those of the runbook. A parameter that the runbook declares itself is its own.
pub fn merge(
    front: &mut FrontMatter,
    included: FrontMatter,
    (include, node): (&Include, &Node),
    problems: &mut Vec<Diagnostic>,
) {
    let place = |name: &str| {
        let mut entries = node.get("params").into_iter().flat_map(Node::entries);
        entries.find(|(key, _)| key.name == name).map(|(key, value)| (key.span.clone(), value.span.clone()))
    };
    for name in include.params.keys().filter(|name| !included.params.contains_key(*name)) {
        let at = place(name).map_or(node.span.clone(), |(key, _)| key);
        let known = included.params.keys().map(String::as_str);
        let message = format!("{} has no parameter `{name}`", include.file);
        problems.push(Diagnostic::error(at, message).suggest(name, known));
    }
    for (name, mut param) in included.params {
        let given = include.params.get(&name);
        let at = place(&name).map_or(node.span.clone(), |(_, value)| value);
        match front.params.get(&name) {
            Some(_) if given.is_some() => {
                let message = format!("`{name}` is a parameter of the runbook itself");
                problems.push(Diagnostic::error(at, message).hint("its default stands in the front matter"));
            }
            Some(_) => {}
            None => {
                match given.map(|given| param.accept(given)) {
                    Some(_) if param.secret => {
                        let message =
                            format!("`{name}` is secret, and its value stands in the file for all to read");
                        problems.push(Diagnostic::error(at, message));
                    }
                    Some(Ok(value)) => param.default = Some(value),
                    Some(Err(message)) => {
                        problems.push(Diagnostic::error(at, format!("`{name}` {message}")));
                    }
                    None => {}
                }
                front.params.insert(name, param);
            }
        }
    }
}
