//! Checks a YAML tree by a JSON Schema and reports *every* misfit, each at its place in the document.
//!
//! The schemas are those that schemars derives from the kinds' structs, so this reads the part of JSON Schema
//! that schemars writes, and the same source feeds `opsml schema`, `opsml check` and the structs themselves.
//! Two keywords are opsml's own: `x-rule` describes a `pattern` in words, and `x-instance-types` says of text that it names one,
//! for which editors know the prices: `ec2` or `any`.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use indexmap::IndexMap;
use regex::Regex;
use serde_json::{Map, Value};

use super::template;
use super::yaml::{Node, NodeKind};
use crate::diagnostic::{Diagnostic, Span};

/// Checks `node` against `schema`. Text with a template is accepted in place of any value, and checked when it is
/// resolved.
pub fn check(node: &Node, schema: &Value, what: &str) -> Vec<Diagnostic> {
    let mut checker = Checker { root: schema, problems: Vec::new() };
    checker.node(node, schema, what);
    checker.problems
}

/// Follows `$ref`s within `root`.
pub fn resolve<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    while let Some(target) =
        schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'))
    {
        match root.pointer(target) {
            Some(found) => schema = found,
            None => break,
        }
    }
    schema
}

/// Returns the alternatives of `anyOf` or `oneOf` except null, or else the schema itself.
pub fn alternatives<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolve(root, schema);
    match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        Some(several) => {
            several.iter().flat_map(|one| alternatives(root, one)).filter(|one| !is_null(one)).collect()
        }
        None => vec![schema],
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|name| name == "null")
}

/// Returns the members that a path may continue with: the properties of every alternative. `None` if any is allowed.
pub fn members<'a>(root: &'a Value, schema: &'a Value) -> Option<IndexMap<&'a str, &'a Value>> {
    let mut found = IndexMap::new();
    for one in alternatives(root, schema) {
        match one.get("properties").and_then(Value::as_object) {
            Some(properties) if one.get("additionalProperties").is_none_or(|more| more == false) => {
                found.extend(properties.iter().map(|(name, property)| (name.as_str(), property)));
            }
            _ if allows(one, "object") => return None,
            _ => {}
        }
    }
    Some(found)
}

fn allows(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == name || (one == "number" && name == "integer"),
        Some(Value::Array(several)) => {
            several.iter().any(|one| one == name || (one == "number" && name == "integer"))
        }
        _ => schema
            .get("const")
            .or_else(|| schema.get("enum").and_then(|e| e.get(0)))
            .is_none_or(|v| json_type(v) == name),
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Returns the type of the values that a schema accepts, in words: `text`, `an integer`.
pub fn in_words(schema: &Value) -> String {
    let word = |name: &str| match name {
        "string" => "text",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        _ => "nothing",
    };
    match schema.get("type") {
        Some(Value::String(name)) => word(name).to_owned(),
        Some(Value::Array(names)) => {
            let words: Vec<_> =
                names.iter().filter_map(Value::as_str).filter(|n| *n != "null").map(word).collect();
            words.join(" or ")
        }
        _ => "another value".to_owned(),
    }
}

struct Checker<'a> {
    root: &'a Value,
    problems: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn node(&mut self, node: &Node, schema: &Value, what: &str) {
        if node.text().is_some_and(template::is_whole_expression) {
            return;
        }
        let root = self.root;
        let schema = resolve(root, schema);
        let choices = alternatives(root, schema);
        let is_null_value = node.kind == NodeKind::Plain(Value::Null);
        if is_null_value && (allows(schema, "null") && schema.get("type").is_some()) {
            return;
        }
        let constants: Vec<&Value> = choices
            .iter()
            .filter_map(|one| {
                one.get("const")
                    .map(|c| vec![c])
                    .or_else(|| Some(one.get("enum")?.as_array()?.iter().collect()))
            })
            .flatten()
            .collect();
        let value_type = match &node.kind {
            NodeKind::Plain(value) => json_type(value),
            NodeKind::Text(_) => "string",
            NodeKind::List(_) => "array",
            NodeKind::Map(_) => "object",
        };
        if !constants.is_empty()
            && choices.iter().all(|one| one.get("const").is_some() || one.get("enum").is_some())
        {
            return self.constant(node, &constants, what);
        }
        let fitting: Vec<&Value> = choices.iter().copied().filter(|one| allows(one, value_type)).collect();
        match fitting.as_slice() {
            [] => {
                let expected: Vec<String> = choices.iter().map(|one| in_words(one)).collect();
                let message =
                    format!("{what} must be {}, and this is {}", expected.join(" or "), node.describe());
                self.problems.push(Diagnostic::error(node.span.clone(), message));
            }
            [one] => self.one(node, one, what),
            several => {
                // If no alternative fits, the misfits of the first one are reported.
                let attempts: Vec<Vec<Diagnostic>> = several
                    .iter()
                    .map(|one| {
                        let mut attempt = Checker { root, problems: Vec::new() };
                        attempt.one(node, one, what);
                        attempt.problems
                    })
                    .collect();
                if attempts.iter().all(|problems| !problems.is_empty()) {
                    self.problems.extend(attempts.into_iter().next().unwrap_or_default());
                }
            }
        }
    }

    fn constant(&mut self, node: &Node, constants: &[&Value], what: &str) {
        let value = node.to_value();
        if constants.contains(&&value) || node.text().is_some_and(template::has_template) {
            return;
        }
        let given = node.text().map_or_else(|| value.to_string(), str::to_owned);
        let known = constants.iter().filter_map(|c| c.as_str());
        let message = format!("`{given}` is not a value that {what} can have");
        self.problems.push(Diagnostic::error(node.span.clone(), message).suggest(&given, known));
    }

    fn one(&mut self, node: &Node, schema: &Value, what: &str) {
        match &node.kind {
            NodeKind::Plain(Value::Number(number)) => {
                self.number(&node.span, number.as_f64().unwrap_or(f64::NAN), schema, what)
            }
            NodeKind::Plain(_) => {}
            NodeKind::Text(text) if template::has_template(text) => {}
            NodeKind::Text(text) => self.text(&node.span, text, schema, what),
            NodeKind::List(items) => {
                let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
                if bound("minItems").is_some_and(|least| (items.len() as u64) < least) {
                    self.problems
                        .push(Diagnostic::error(node.span.clone(), format!("{what} must not be empty")));
                }
                if let Some(each) = schema.get("items") {
                    items.iter().for_each(|item| self.node(item, each, &format!("an item of {what}")));
                }
            }
            NodeKind::Map(_) => self.mapping(node, schema, what),
        }
    }

    fn mapping(&mut self, node: &Node, schema: &Value, what: &str) {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        for (key, value) in node.entries() {
            let before = self.problems.len();
            match (properties.get(&key.name), schema.get("additionalProperties")) {
                (Some(property), _) => self.node(value, property, &format!("`{}`", key.name)),
                (None, Some(Value::Bool(false))) => {
                    let message = format!("{what} has no key `{}`", key.name);
                    let known = properties.keys().map(String::as_str);
                    self.problems
                        .push(Diagnostic::error(key.span.clone(), message).suggest(&key.name, known));
                }
                (None, Some(each)) => self.node(value, each, &format!("`{}`", key.name)),
                (None, None) => {}
            }
            // A mapping begins at its first key, which would be the wrong place for the message.
            let whole = self.problems[before..].iter_mut().filter(|problem| problem.span == value.span);
            if matches!(value.kind, NodeKind::Map(_)) {
                whole.for_each(|problem| problem.span = key.span.clone());
            }
        }
        for name in
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            if node.get(name).is_none() {
                let mut problem = Diagnostic::error(node.span.clone(), format!("{what} lacks `{name}`"));
                let described = |p| {
                    Value::get(p, "description")
                        .or_else(|| resolve(self.root, p).get("description"))?
                        .as_str()
                };
                if let Some(help) = properties.get(name).and_then(described) {
                    problem = problem.hint(format!("`{name}`: {}", help.lines().next().unwrap_or_default()));
                }
                self.problems.push(problem);
            }
        }
    }

    fn number(&mut self, span: &Span, number: f64, schema: &Value, what: &str) {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let misfit = match (bound("minimum"), bound("maximum"), bound("exclusiveMinimum")) {
            (Some(least), _, _) if number < least => format!("{least} or more"),
            (_, Some(most), _) if number > most => format!("{most} or less"),
            (_, _, Some(above)) if number <= above => format!("above {above}"),
            _ => return,
        };
        self.problems.push(Diagnostic::error(span.clone(), format!("{what} must be {misfit}")));
    }

    fn text(&mut self, span: &Span, text: &str, schema: &Value, what: &str) {
        let Some(pattern) = schema.get("pattern").and_then(Value::as_str) else { return };
        if compiled(pattern).is_some_and(|regex| !regex.is_match(text)) {
            let mut problem =
                Diagnostic::error(span.clone(), format!("`{text}` is not a value that {what} can have"));
            if let Some(rule) = schema.get("x-rule").and_then(Value::as_str) {
                problem = problem.hint(rule);
            }
            self.problems.push(problem);
        }
    }
}

/// Patterns come from the schemas, so there are few. The test over all kinds compiles each.
fn compiled(pattern: &str) -> Option<Regex> {
    static COMPILED: LazyLock<Mutex<HashMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let mut known = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if !known.contains_key(pattern) {
        known.insert(pattern.to_owned(), Regex::new(pattern).ok());
    }
    known.get(pattern).cloned().flatten()
}
