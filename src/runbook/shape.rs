//! Checks a YAML tree by a JSON Schema and reports *every* misfit, each at its place in the document.
//!
//! The schemas are those that schemars derives from the kinds' structs, so this reads the part of JSON Schema
//! that schemars writes, and the same source feeds `opsml schema`, `opsml check` and the structs themselves.
//! These keywords are opsml's own: `x-rule` describes a `pattern` in words, and `x-ending` is what a word alone lacks;
//! `x-hint` describes the form of a value; `x-wrap` names the member that a value means which stands in the place of a
//! mapping; `x-instances` says what instance types are for; and `x-members` whose members a mapping has, for `explain`.

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::Deref;
use std::sync::{LazyLock, Mutex, PoisonError};

use indexmap::IndexMap;
use regex::Regex;
use serde_json::{Map, Value};

use super::template;
use super::yaml::{self, Node, NodeKind, Scalar};
use crate::diagnostic::{Diagnostic, Severity, Span, counted};
use crate::step::{duration, instance_problem};

/// The longest value that a hint shows in another form.
const LONGEST_HINT: usize = 100;

/// Checks `node` against `schema`. Text with a template is accepted in place of any value, and checked when it is
/// resolved.
pub fn check(node: &Node, schema: &Value, what: &dyn Display) -> Vec<Diagnostic> {
    let mut checker = Checker { root: schema, problems: Vec::new() };
    checker.node(node, schema, what);
    checker.problems
}

/// Returns a keyword of a schema. It has a few, which are found faster one by one than by their hashes.
fn member<'a>(schema: &'a Value, keyword: &str) -> Option<&'a Value> {
    schema.as_object()?.iter().find(|(name, _)| *name == keyword).map(|(_, value)| value)
}

/// Follows `$ref`s within `root`.
pub fn resolve<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    while let Some(target) =
        member(schema, "$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'))
    {
        match root.pointer(target) {
            Some(found) => schema = found,
            None => break,
        }
    }
    schema
}

/// What a schema accepts: one schema nearly always, or several.
pub enum Alternatives<'a> {
    One(&'a Value),
    Several(Vec<&'a Value>),
}

impl<'a> Deref for Alternatives<'a> {
    type Target = [&'a Value];

    fn deref(&self) -> &[&'a Value] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

/// Returns the alternatives of `anyOf` or `oneOf` except null, or else the schema itself.
pub fn alternatives<'a>(root: &'a Value, schema: &'a Value) -> Alternatives<'a> {
    let schema = resolve(root, schema);
    match member(schema, "anyOf").or_else(|| member(schema, "oneOf")).and_then(Value::as_array) {
        Some(several) => {
            let several = several.iter().flat_map(|one| alternatives(root, one).to_vec());
            Alternatives::Several(several.filter(|one| !is_null(one)).collect())
        }
        None => Alternatives::One(schema),
    }
}

/// Makes text of numbers, true and false where the schema wants text and nothing else, as they are spelt: people don't quote
/// the `3` of `run: [echo, 3]`.
pub fn make_texts(node: &mut Node, root: &Value, schema: &Value) {
    let choices = alternatives(root, schema);
    let below = |key: &str| choices.iter().find_map(|one| member(one, key));
    match &mut node.kind {
        NodeKind::Plain(value, spelt) => {
            let fits = choices.iter().any(|one| allows(one, scalar_type(value)));
            if *value != Scalar::Null && !fits && choices.iter().any(|one| allows(one, "string")) {
                node.kind = NodeKind::Text(std::mem::take(spelt).into());
            }
        }
        NodeKind::Text(_) => {}
        NodeKind::List(items) => {
            if let Some(each) = below("items") {
                items.iter_mut().for_each(|item| make_texts(item, root, each));
            }
        }
        NodeKind::Map(entries) => {
            let properties = below("properties");
            let others = below("additionalProperties");
            for (key, value) in entries {
                if let Some(schema) = properties.and_then(|all| all.get(&key.name)).or(others) {
                    make_texts(value, root, schema);
                }
            }
        }
    }
}

/// Empties the lists and mappings that a template makes, so that the other fields can be read before a run.
pub fn empty_open(node: &mut Node, root: &Value, schema: &Value) {
    let NodeKind::Map(entries) = &mut node.kind else { return };
    let choices = alternatives(root, schema);
    for (key, value) in entries {
        let property = choices.iter().find_map(|one| member(one, "properties")?.get(&key.name));
        let Some(property) = property else { continue };
        let forms = alternatives(root, property);
        let [form] = *forms else { continue };
        if value.text().is_some_and(template::is_whole_expression) && !allows(form, "string") {
            if allows(form, "object") {
                value.kind = NodeKind::Map(Vec::new());
            } else if allows(form, "array") {
                value.kind = NodeKind::List(Vec::new());
            }
        }
        empty_open(value, root, property);
    }
}

fn is_null(schema: &Value) -> bool {
    member(schema, "type").is_some_and(|name| name == "null")
}

/// Returns the members that a path may continue with: the properties of every alternative. `None` if any is allowed.
pub fn members<'a>(root: &'a Value, schema: &'a Value) -> Option<IndexMap<&'a str, &'a Value>> {
    let mut found = IndexMap::new();
    for &one in alternatives(root, schema).iter() {
        match member(one, "properties").and_then(Value::as_object) {
            Some(properties) if member(one, "additionalProperties").is_none_or(|more| more == false) => {
                found.extend(properties.iter().map(|(name, property)| (name.as_str(), property)));
            }
            _ if allows(one, "object") => return None,
            _ => {}
        }
    }
    Some(found)
}

fn allows(schema: &Value, name: &str) -> bool {
    match member(schema, "type") {
        Some(Value::String(one)) => one == name || (one == "number" && name == "integer"),
        Some(Value::Array(several)) => {
            several.iter().any(|one| one == name || (one == "number" && name == "integer"))
        }
        _ => member(schema, "const")
            .or_else(|| member(schema, "enum").and_then(|e| e.get(0)))
            .is_none_or(|v| json_type(v) == name),
    }
}

fn scalar_type(value: &Scalar) -> &'static str {
    match value {
        Scalar::Null => "null",
        Scalar::Bool(_) => "boolean",
        Scalar::Number(number) if number.is_f64() => "number",
        Scalar::Number(_) => "integer",
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
    match member(schema, "type") {
        Some(Value::String(name)) => word(name).to_owned(),
        Some(Value::Array(names)) => {
            let words: Vec<_> =
                names.iter().filter_map(Value::as_str).filter(|n| *n != "null").map(word).collect();
            words.join(" or ")
        }
        _ => "another value".to_owned(),
    }
}

/// Returns the values that a schema lists, if it lists them.
fn constants(schema: &Value) -> Option<Vec<&Value>> {
    let one = member(schema, "const").map(|one| vec![one]);
    one.or_else(|| Some(member(schema, "enum")?.as_array()?.iter().collect()))
}

struct Checker<'a> {
    root: &'a Value,
    problems: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn node(&mut self, node: &Node, schema: &Value, what: &dyn Display) {
        if node.text().is_some_and(template::is_whole_expression) {
            return;
        }
        let (root, described) = (self.root, schema);
        let schema = resolve(root, schema);
        let choices = alternatives(root, schema);
        let is_null_value = matches!(node.kind, NodeKind::Plain(Scalar::Null, _));
        if is_null_value && (allows(schema, "null") && member(schema, "type").is_some()) {
            return;
        }
        let value_type = match &node.kind {
            NodeKind::Plain(value, _) => scalar_type(value),
            NodeKind::Text(_) => "string",
            NodeKind::List(_) => "array",
            NodeKind::Map(_) => "object",
        };
        let constants: Option<Vec<_>> = choices.iter().map(|one| constants(one)).collect();
        if let Some(constants) = constants.map(|all| all.concat()).filter(|all| !all.is_empty()) {
            return match choices.iter().find_map(|one| member(one, "x-instances")?.as_str()) {
                Some(purpose) => self.instance(node, purpose),
                None => self.constant(node, &constants, what),
            };
        }
        let fits = |one: &&Value| allows(one, value_type);
        let mut fitting = choices.iter().copied().filter(fits);
        match (fitting.next(), fitting.next()) {
            (None, _) => {
                let expected: Vec<String> = choices.iter().map(|one| in_words(one)).collect();
                let message =
                    format!("{what} must be {}, and this is {}", expected.join(" or "), node.describe());
                let problem = Diagnostic::error(node.span.clone(), message);
                let described = choices.iter().copied().chain([described]).find_map(|one| {
                    member(one, "description")?
                        .as_str()
                        .filter(|text| text.to_lowercase().contains("seconds"))
                });
                let hint = meant(node, &choices, described.is_some());
                self.problems.push(hint.into_iter().fold(problem, Diagnostic::hint));
            }
            (Some(one), None) => self.one(node, one, what),
            (Some(_), Some(_)) => {
                // If no alternative fits, the misfits of the first one are reported.
                let attempts: Vec<Vec<Diagnostic>> = choices
                    .iter()
                    .copied()
                    .filter(fits)
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

    fn constant(&mut self, node: &Node, constants: &[&Value], what: &dyn Display) {
        let value = node.to_value();
        if constants.contains(&&value) || node.text().is_some_and(template::has_template) {
            return;
        }
        let given = node.text().map_or_else(|| value.to_string(), str::to_owned);
        let known = constants.iter().filter_map(|c| c.as_str());
        let message = format!("`{given}` is not a value that {what} can have");
        self.problems.push(Diagnostic::error(node.span.clone(), message).suggest(&given, known));
    }

    fn one(&mut self, node: &Node, schema: &Value, what: &dyn Display) {
        match &node.kind {
            NodeKind::Plain(Scalar::Number(number), _) => self.number(&node.span, number, schema, what),
            NodeKind::Plain(..) => {}
            NodeKind::Text(text) if template::has_template(text) => {}
            NodeKind::Text(text) => self.text(node, text, schema, what),
            NodeKind::List(items) => {
                self.length(&node.span, items.len(), schema, ["minItems", "maxItems"], "item", what);
                if let Some(each) = member(schema, "items") {
                    items.iter().for_each(|item| self.node(item, each, &format_args!("an item of {what}")));
                }
            }
            NodeKind::Map(_) => self.mapping(node, schema, what),
        }
    }

    fn mapping(&mut self, node: &Node, schema: &Value, what: &dyn Display) {
        let empty = Map::new();
        let properties = member(schema, "properties").and_then(Value::as_object).unwrap_or(&empty);
        for (key, value) in node.entries() {
            let before = self.problems.len();
            match (properties.get(&key.name), member(schema, "additionalProperties")) {
                (Some(property), _) => self.node(value, property, &format_args!("`{}`", key.name)),
                (None, Some(Value::Bool(false))) => {
                    let message = format!("{what} has no key `{}`", key.name);
                    let known = properties.keys().map(String::as_str);
                    self.problems
                        .push(Diagnostic::error(key.span.clone(), message).suggest(&key.name, known));
                }
                (None, Some(each)) => self.node(value, each, &format_args!("`{}`", key.name)),
                (None, None) => {}
            }
            let wrap = member(schema, "additionalProperties").map(|each| resolve(self.root, each));
            let wrap = wrap.and_then(|each| each.get("x-wrap")?.as_str());
            if let Some(wrap) = wrap.filter(|_| !matches!(value.kind, NodeKind::Map(_)))
                && let Some(problem) = self.problems.get_mut(before)
            {
                let value = value.in_a_line();
                let meant = match value.as_str() {
                    "" | "~" | "null" => "{}".to_owned(),
                    value => format!("{{{wrap}: {value}}}"),
                };
                if meant.len() < LONGEST_HINT {
                    problem.hints.push(format!("did you mean `{}: {meant}`?", key.name));
                }
            }
            // A mapping begins at its first key, which would be the wrong place for the message.
            let whole = self.problems[before..].iter_mut().filter(|problem| problem.span == value.span);
            if matches!(value.kind, NodeKind::Map(_)) {
                whole.for_each(|problem| problem.span = key.span.clone());
            }
        }
        for name in member(schema, "required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
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

    fn number(&mut self, span: &Span, number: &serde_json::Number, schema: &Value, what: &dyn Display) {
        let bound = |key: &str| member(schema, key).and_then(Value::as_f64);
        // What the program can count with bounds a number too.
        let (smallest, largest) = match member(schema, "format").and_then(Value::as_str) {
            Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
            Some("uint32") => (Some(0.0), Some(f64::from(u32::MAX))),
            Some("int64") if number.as_i64().is_none() => (None, Some(i64::MAX as f64)),
            _ => (None, None),
        };
        let (least, most) = (bound("minimum").or(smallest), bound("maximum").or(largest));
        let number = number.as_f64().unwrap_or(f64::NAN);
        let misfit = match (least, most, bound("exclusiveMinimum")) {
            (Some(least), _, _) if number < least => format!("{least} or more"),
            (_, Some(most), _) if number > most => format!("{most} or less"),
            (_, _, Some(above)) if number <= above => format!("above {above}"),
            _ => return,
        };
        self.problems.push(Diagnostic::error(span.clone(), format!("{what} must be {misfit}")));
    }

    /// Checks how many items a list has, or how many characters a text.
    fn length(
        &mut self,
        span: &Span,
        length: usize,
        schema: &Value,
        bounds: [&str; 2],
        noun: &str,
        what: &dyn Display,
    ) {
        let [least, most] = bounds.map(|key| member(schema, key).and_then(Value::as_u64));
        let given = length as u64;
        let counted = |bound: u64| counted(usize::try_from(bound).unwrap_or(usize::MAX), noun);
        let wanted = match (least, most) {
            (Some(1), _) if given == 0 => {
                let message = format!("{what} must not be empty");
                return self.problems.push(Diagnostic::error(span.clone(), message));
            }
            (Some(least), Some(most)) if least == most && given != least => counted(least),
            (Some(least), _) if given < least => format!("{} or more", counted(least)),
            (_, Some(most)) if given > most => format!("{} at most", counted(most)),
            _ => return,
        };
        let message = format!("{what} must have {wanted}, and this has {given}");
        self.problems.push(Diagnostic::error(span.clone(), message));
    }

    /// Checks the name of an instance type.
    fn instance(&mut self, node: &Node, purpose: &str) {
        let given = match node.text() {
            Some(text) if template::has_template(text) => return,
            Some(text) => text.to_owned(),
            None => node.to_value().to_string(),
        };
        if let Some(unknown) = instance_problem(purpose, &given) {
            self.problems.push(unknown.located(node.span.clone()));
        }
    }

    fn text(&mut self, node: &Node, text: &str, schema: &Value, what: &dyn Display) {
        let span = &node.span;
        if let Some(purpose) = member(schema, "x-instances").and_then(Value::as_str) {
            self.instance(node, purpose);
            if self
                .problems
                .iter()
                .any(|problem| problem.span == *span && problem.severity == Severity::Error)
            {
                return;
            }
        }
        self.length(span, text.chars().count(), schema, ["minLength", "maxLength"], "character", what);
        let Some(pattern) = member(schema, "pattern").and_then(Value::as_str) else { return };
        if compiled(pattern).is_some_and(|regex| !regex.is_match(text)) {
            let mut problem =
                Diagnostic::error(span.clone(), format!("`{text}` is not a value that {what} can have"));
            if let Some(ending) = member(schema, "x-ending").and_then(Value::as_str)
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            {
                problem = problem.hint(format!("did you mean `{text}{ending}`?"));
            } else if let Some(rule) = member(schema, "x-rule").and_then(Value::as_str) {
                problem = problem.hint(rule);
            }
            self.problems.push(problem);
        }
    }
}

/// Returns a hint for a value of another type than the schema's: how what it most likely means is written. `in_seconds` is whether a
/// number of seconds is due.
fn meant(node: &Node, choices: &[&Value], in_seconds: bool) -> Option<String> {
    let wants = |name: &str| choices.iter().any(|one| member(one, "type").is_some() && allows(one, name));
    let spelt = |text: &str| Some(format!("did you mean `{text}`?")).filter(|hint| hint.len() < LONGEST_HINT);
    if let Some(hint) = choices.iter().find_map(|one| member(one, "x-hint")?.as_str()) {
        return Some(hint.to_owned());
    }
    if let NodeKind::Text(text) = &node.kind {
        let word = text.trim().to_ascii_lowercase();
        match yaml::unquoted(text.trim()) {
            Some(value) if wants(scalar_type(&value)) => {
                return Some(format!("without quotes it is: {}", Value::from(&value)));
            }
            _ => {}
        }
        if wants("boolean") {
            match word.as_str() {
                "yes" | "y" | "on" => return spelt("true"),
                "no" | "n" | "off" => return spelt("false"),
                _ => {}
            }
        }
        if wants("integer")
            && in_seconds
            && let Ok(time) = duration(text)
        {
            return Some(format!("it is a number of seconds: {}", time.as_secs()));
        }
    }
    match &node.kind {
        NodeKind::Plain(Scalar::Null, _) if wants("string") => {
            Some("in quotes it is text: \"null\"".to_owned()).filter(|_| !node.span.is_empty())
        }
        NodeKind::Plain(Scalar::Null, _) => None,
        NodeKind::Map(_) if wants("string") => Some("text that has `: ` in it goes into quotes".to_owned()),
        _ if wants("array") => spelt(&format!("[{}]", node.in_a_line())),
        NodeKind::Plain(Scalar::Number(number), _) if wants("integer") => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
            spelt(&format!("{}", whole?))
        }
        _ => None,
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
