//! Expressions in a runbook: what they refer to, and what they come to. minijinja, strict, with fuel, and
//! without anything that reads files, clocks or randomness.

use std::collections::BTreeSet;

use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Span};

/// Instructions that one template may take; a loop over a thousand rows takes about 20,000.
const FUEL: u64 = 1_000_000;

/// Words that mean something in a template, and so cannot be a step's id or a parameter's name.
pub const RESERVED: &[&str] = &[
    "params",
    "run",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "endfor",
    "set",
    "endset",
    "block",
    "endblock",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "filter",
    "endfilter",
    "with",
    "endwith",
    "raw",
    "endraw",
    "include",
    "import",
    "from",
    "extends",
    "loop",
    "recursive",
    "self",
    "super",
    "caller",
    "range",
    "dict",
    "namespace",
    "debug",
    "lipsum",
    "cycler",
    "joiner",
    "table",
    "figure",
];

/// A new environment for steps. A value that isn't there is an error.
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(64);
    environment.set_debug(true);
    environment.remove_global("debug");
    environment
}

pub fn has_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Whether `text` is one expression and nothing else, and so keeps its value's type.
pub fn is_whole_expression(text: &str) -> bool {
    whole_expression(text).is_some()
}

fn whole_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner);
    (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%")).then(|| inner.trim())
}

/// `deploy.endpoint_name` in a template: which step (or `params`, `run`), which output, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub root: String,
    pub path: Vec<String>,
    pub span: Span,
}

/// What a template or bare expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Template,
    /// As in `when` and `expect`: without braces.
    Expression,
}

/// What `text` refers to. `at` says where a byte of `text` stands in the document.
pub fn references(text: &str, form: Form, at: &dyn Fn(usize) -> usize) -> Result<Vec<Reference>, Diagnostic> {
    let environment = environment();
    let found = match form {
        Form::Template => environment.template_from_str(text).map(|t| t.undeclared_variables(true)),
        Form::Expression => environment.compile_expression(text).map(|e| e.undeclared_variables(true)),
    };
    let found: BTreeSet<String> = found.map_err(|error| diagnostic(text, &error, at))?.into_iter().collect();
    let mut references: Vec<Reference> = found
        .iter()
        .flat_map(|dotted| {
            let mut parts = dotted.split('.').map(str::to_owned);
            let root = parts.next().unwrap_or_default();
            let path: Vec<String> = parts.collect();
            occurrences(text, &root, &path).into_iter().map(move |span| Reference {
                root: root.clone(),
                path: path.clone(),
                span: at(span.start)..at(span.end),
            })
        })
        .collect();
    references.sort_by_key(|reference| (reference.span.start, reference.path.len()));
    references.dedup_by(|a, b| a == b);
    Ok(references)
}

/// Where `root.path…` stands in the tags of a template; the whole text where it is not found word for word, as in
/// `x["y"]`.
fn occurrences(text: &str, root: &str, path: &[String]) -> Vec<Span> {
    let dotted = std::iter::once(root).chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join(".");
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let alone = |span: &Span| {
        let before = text[..span.start].chars().next_back();
        let after = text[span.end..].chars().next();
        before.is_none_or(|c| !is_name(c) && c != '.') && after.is_none_or(|c| !is_name(c))
    };
    let in_tag = |span: &Span| {
        let before = &text[..span.start];
        let (opened, closed) =
            (before.rfind("{{").max(before.rfind("{%")), before.rfind("}}").max(before.rfind("%}")));
        !has_template(text) || opened > closed
    };
    let spans: Vec<Span> = text
        .match_indices(&dotted)
        .map(|(start, _)| start..start + dotted.len())
        .filter(|span| alone(span) && in_tag(span))
        .collect();
    if spans.is_empty() { vec![0..text.len()] } else { spans }
}

/// A template's error at its place.
pub fn diagnostic(text: &str, error: &minijinja::Error, at: &dyn Fn(usize) -> usize) -> Diagnostic {
    let range = error.range().filter(|r| r.end <= text.len()).unwrap_or(0..text.len());
    Diagnostic::error(at(range.start)..at(range.end), message(error))
}

/// What went wrong, without the template's name and line: the diagnostic says where.
pub fn message(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => format!("the template takes more than {FUEL} instructions"),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

/// Evaluates a bare expression, as in `when` and `expect`.
pub fn evaluate(expression: &str, context: &Value) -> Result<Value, minijinja::Error> {
    let environment = environment();
    let value = environment.compile_expression(expression)?.eval(minijinja::Value::from(Serde(context)))?;
    if value.is_undefined() {
        return Err(minijinja::Error::new(ErrorKind::UndefinedError, format!("`{expression}` has no value")));
    }
    to_json(value)
}

/// Resolves text: one whole expression keeps its value's type, anything else becomes text.
pub fn resolve(text: &str, context: &Value) -> Result<Value, minijinja::Error> {
    match whole_expression(text) {
        Some(expression) => evaluate(expression, context),
        None if has_template(text) => {
            environment().render_str(text, minijinja::Value::from(Serde(context))).map(Value::String)
        }
        None => Ok(Value::String(text.to_owned())),
    }
}

fn to_json(value: minijinja::Value) -> Result<Value, minijinja::Error> {
    serde_json::to_value(&value)
        .map_err(|error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_expressions_keep_their_type() {
        let context = json!({"a": {"n": 3, "list": [1, 2]}});
        assert_eq!(resolve("{{ a.n }}", &context).unwrap(), json!(3));
        assert_eq!(resolve("{{ a.list }}", &context).unwrap(), json!([1, 2]));
        assert_eq!(resolve("n-{{ a.n }}", &context).unwrap(), json!("n-3"));
        assert_eq!(resolve("{{ a.n }}{{ a.n }}", &context).unwrap(), json!("33"));
        assert!(resolve("{{ a.m }}", &context).is_err());
        assert_eq!(resolve("{{ a.m | default(1) }}", &context).unwrap(), json!(1));
    }

    #[test]
    fn references_know_their_place() {
        let text = "deploy {{ deploy.endpoint_name }} of {{ x.y | upper }}";
        let found = references(text, Form::Template, &|at| at).unwrap();
        let shown: Vec<_> = found.iter().map(|r| (r.root.as_str(), &text[r.span.clone()])).collect();
        assert_eq!(shown, [("deploy", "deploy.endpoint_name"), ("x", "x.y")]);
    }

    #[test]
    fn endless_templates_stop() {
        let text = "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}";
        assert!(resolve(text, &json!({})).is_err());
    }
}
