//! Templates and expressions in a runbook: their references and their values. They are minijinja's, strict and with fuel.
//! None can read files, clocks or random numbers.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use minijinja::value::{Object, Rest, Serde, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior};
use serde::Serialize;
use serde_json::Value;

pub use super::tag::Form;
use super::tag::Tags;
use crate::diagnostic::{Diagnostic, Span};

/// The most bytes that a filter or a field's template may return.
const MAX_TEXT: usize = 1 << 20;

/// The most instructions of a template. A loop over a thousand rows takes about 20,000.
const FUEL: u64 = 1_000_000;

/// Words that have a meaning in templates, and so cannot be a step's id or a parameter's name.
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
    "ref",
];

/// minijinja's environment for the fields of steps.
static STEPS: LazyLock<Environment<'static>> = LazyLock::new(environment);

/// The values that templates see, by name. minijinja looks up a name when a template uses it, so a template costs only what
/// it uses.
#[derive(Clone, Debug, Default)]
pub struct Context(Arc<Names>);

#[derive(Debug, Default)]
struct Names {
    values: RwLock<HashMap<String, minijinja::Value>>,
    /// The fallback for names that are not among the values.
    outer: Option<Context>,
}

impl Context {
    pub fn set(&self, name: &str, value: impl Serialize) {
        let mut values = self.0.values.write().unwrap_or_else(PoisonError::into_inner);
        values.insert(name.to_owned(), minijinja::Value::from(Serde(value)));
    }

    /// Returns a context with the members of `inner`, which hide these names.
    pub fn with(&self, inner: &Value) -> Self {
        let within = Self(Arc::new(Names { values: RwLock::default(), outer: Some(self.clone()) }));
        for (name, value) in inner.as_object().into_iter().flatten() {
            within.set(name, value);
        }
        within
    }

    fn to_value(&self) -> minijinja::Value {
        minijinja::Value::from_dyn_object(self.0.clone())
    }
}

impl Names {
    fn get(&self, name: &str) -> Option<minijinja::Value> {
        let values = self.values.read().unwrap_or_else(PoisonError::into_inner);
        values.get(name).cloned().or_else(|| self.outer.as_ref()?.0.get(name))
    }
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        self.get(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<minijinja::Value> {
        self.get(key)
    }
}

/// Whether a text can name a step or a parameter: a letter or `_`, then letters, digits and `_`. It has at most 32
/// characters, because it becomes part of AWS names, whose length is limited.
pub fn is_identifier(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Returns a new environment like that of steps. A missing value is an error.
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(64);
    environment.set_debug(true);
    // A namespace outlives its loop, so its values could grow with every turn.
    ["debug", "namespace"].iter().for_each(|name| environment.remove_global(name));
    ["batch", "indent", "pprint", "slice"].iter().for_each(|name| environment.remove_filter(name));
    super::filter::add(&mut environment);
    environment.add_filter("join", join);
    environment.add_filter("replace", replace);
    environment.add_filter("format", format);
    environment.add_filter("tojson", |value: &minijinja::Value| {
        serde_json::to_string(value)
            .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
    });
    environment
}

fn too_large() -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("that makes a text of more than {MAX_TEXT} bytes"))
}

fn join(items: &minijinja::Value, between: Option<&str>) -> Result<String, Error> {
    let mut text = String::new();
    for (index, item) in items.try_iter()?.enumerate() {
        if item.is_undefined() {
            return Err(Error::from(ErrorKind::UndefinedError));
        }
        text.push_str(if index == 0 { "" } else { between.unwrap_or_default() });
        match item.as_str() {
            Some(item) => text.push_str(item),
            None => text.push_str(&item.to_string()),
        }
        if text.len() > MAX_TEXT {
            return Err(too_large());
        }
    }
    Ok(text)
}

fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let grown = text.matches(from).count().saturating_mul(to.len());
    if grown.saturating_add(text.len()) > MAX_TEXT { Err(too_large()) } else { Ok(text.replace(from, to)) }
}

/// minijinja's `format`, without widths that are too large.
fn format(
    state: &mut State<'_, '_>,
    text: &minijinja::Value,
    values: Rest<ValueOrKwargs>,
) -> Result<minijinja::Value, Error> {
    let pattern = text.as_str().unwrap_or_default();
    let wide = pattern.as_bytes().windows(4).any(|four| four.iter().all(u8::is_ascii_digit));
    if wide || pattern.contains('*') {
        return Err(too_large());
    }
    minijinja::filters::format(state, text, values)
}

/// An output with a limit.
struct Capped {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::Error::other(format!("the template makes more than {} bytes", self.limit)));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Renders a template to `limit` bytes at most.
pub fn render(
    environment: &Environment<'_>,
    text: &str,
    context: &minijinja::Value,
    limit: usize,
) -> Result<String, Error> {
    if let Err((_, message)) = Tags::new(text, Form::Template).bounded() {
        return Err(Error::new(ErrorKind::SyntaxError, message));
    }
    let mut output = Capped { bytes: Vec::new(), limit };
    environment.template_from_str(text)?.render_captured_to(context, &mut output)?;
    String::from_utf8(output.bytes)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

pub fn has_template(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| pair[0] == b'{' && matches!(pair[1], b'{' | b'%' | b'#'))
}

/// Whether `text` is a single expression, and so keeps the type of its value.
pub fn is_whole_expression(text: &str) -> bool {
    whole_expression(text).is_some()
}

/// Returns the expression that a text consists of.
pub fn whole_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner);
    (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%")).then(|| inner.trim())
}

/// A reference in a template, as `deploy.endpoint_name`: the step (or `params`, `run`), the output, and the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub root: String,
    pub path: Vec<String>,
    pub span: Span,
}

/// Returns the references in `text`. `at` returns the place in the document of a byte of `text`.
pub fn references(text: &str, form: Form, at: &dyn Fn(usize) -> usize) -> Result<Vec<Reference>, Diagnostic> {
    let tags = Tags::new(text, form);
    tags.bounded().map_err(|(span, message)| Diagnostic::error(at(span.start)..at(span.end), message))?;
    if let Some(span) = tags.attributes().first() {
        let message = format!(
            "`{}` begins a comment of the template, which ends with `#}}`",
            &text[span.start..span.start + 2]
        );
        return Err(Diagnostic::error(at(span.start)..at(span.end), message).hint(RAW));
    }
    let found = match form {
        Form::Template => STEPS.template_from_str(text).map(|t| t.undeclared_variables(true)),
        Form::Expression => STEPS.compile_expression(text).map(|e| e.undeclared_variables(true)),
    };
    let found: BTreeSet<String> =
        found.map_err(|error| diagnostic(text, form, &error, at))?.into_iter().collect();
    let names = tags.names();
    let mut references = Vec::new();
    for dotted in &found {
        let mut parts = dotted.split('.').map(str::to_owned);
        let root = parts.next().unwrap_or_default();
        let path: Vec<String> = parts.collect();
        // A reference that is not written with dots, as `x["y"]`, has the place of its beginning.
        let spans = names.get(dotted.as_str()).or_else(|| names.get(root.as_str()));
        let everywhere = std::iter::once(0..text.len()).collect();
        references.extend(spans.unwrap_or(&everywhere).iter().map(|span| Reference {
            root: root.clone(),
            path: path.clone(),
            span: at(span.start)..at(span.end),
        }));
    }
    references.sort_by_key(|reference| (reference.span.start, reference.path.len()));
    references.dedup();
    Ok(references)
}

/// The way out for braces that are not the template's.
pub const RAW: &str = "braces that another program reads stay as they are between {% raw %} and {% endraw %}";

/// Returns a template's error as a diagnostic. Of a character that it does not expect, minijinja names the first byte alone.
pub fn diagnostic(text: &str, form: Form, error: &Error, at: &dyn Fn(usize) -> usize) -> Diagnostic {
    let range = error.range().filter(|r| r.end <= text.len()).unwrap_or(0..text.len());
    let (start, end) = (text.floor_char_boundary(range.start), text.ceil_char_boundary(range.end));
    match form {
        Form::Expression => Diagnostic::error(at(start)..at(end), message(error)),
        Form::Template => {
            let at_end = error.detail().is_some_and(|detail| detail.contains("unexpected end of "));
            let span = Tags::new(text, form).cause(start..end, at_end);
            Diagnostic::error(at(span.start)..at(span.end), message(error)).hint(RAW)
        }
    }
}

/// Returns the message of an error without the template's name and line, which the diagnostic has.
pub fn message(error: &Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => format!("the template takes more than {FUEL} instructions"),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

/// Returns the place of each tag that prints a value, and the names that its expression begins with.
pub fn printed(text: &str) -> Vec<(Span, Vec<&str>)> {
    Tags::new(text, Form::Template).printed()
}

/// Evaluates a bare expression, as in `when` and `expect`.
pub fn evaluate(expression: &str, context: &Context) -> Result<Value, Error> {
    if let Err((_, message)) = Tags::new(expression, Form::Expression).bounded() {
        return Err(Error::new(ErrorKind::SyntaxError, message));
    }
    let value = STEPS.compile_expression(expression)?.eval(context.to_value())?;
    if value.is_undefined() {
        return Err(Error::new(ErrorKind::UndefinedError, format!("`{expression}` has no value")));
    }
    to_json(value)
}

/// Resolves a text. A single expression keeps the type of its value; anything else becomes text.
pub fn resolve(text: &str, context: &Context) -> Result<Value, Error> {
    match whole_expression(text) {
        Some(expression) => evaluate(expression, context),
        None if has_template(text) => render(&STEPS, text, &context.to_value(), MAX_TEXT).map(Value::String),
        None => Ok(Value::String(text.to_owned())),
    }
}

fn to_json(value: minijinja::Value) -> Result<Value, Error> {
    serde_json::to_value(&value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::tag::{FILTERS, MAX_TAG, TESTS};
    use super::*;
    use serde_json::json;

    fn context(values: Value) -> Context {
        Context::default().with(&values)
    }

    #[test]
    fn whole_expressions_keep_their_type() {
        let context = context(json!({"a": {"n": 3, "list": [1, 2]}}));
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

    /// What is renamed as a step must be one.
    #[test]
    fn a_filter_a_test_or_an_argument_is_no_name() {
        let text = "{{ upper.x | upper }} {{ a.odd is odd }} {{ b is not odd }} {{ f(c, d=e, g == g) }}";
        let tags = Tags::new(text, Form::Template);
        let shown: Vec<_> = tags
            .chains()
            .iter()
            .map(|chain| chain.iter().map(|(word, _)| *word).collect::<Vec<_>>().join("."))
            .filter(|name| !["is", "not"].contains(&name.as_str()))
            .collect();
        assert_eq!(shown, ["upper.x", "a.odd", "b", "f", "c", "e", "g", "g"]);
        assert_eq!(tags.names()["upper"], vec![3..8; 1]);
    }

    #[test]
    fn endless_templates_stop() {
        for text in [
            "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
            "{% for a in range(100000) %}a text of some length{% endfor %}",
            "{{ [1]|tojson(indent=3000000000) }}",
            "{{ 'a\nb'|indent(100000000000) }}",
            "{{ [1]|batch(10**10, 1) }}",
            "{{ [1]|slice(10**10) }}",
            "{{ ('a'*1000000)|replace('a', 'a'*1000000) }}",
            "{{ '%0999999999d'|format(1) }}",
            "{{ '%*d'|format(999999999, 1) }}",
            "{{ range(100000)|join('a text of some length') }}",
        ] {
            assert!(resolve(text, &Context::default()).is_err(), "{text}");
        }
        for (text, shown) in [
            ("x{{ '%.2f'|format(1.234) }}", "x1.23"),
            ("x{{ [1, 'a']|join(', ') }}", "x1, a"),
            ("x{{ 'aba'|replace('a', 'x') }}", "xxbx"),
            ("x{{ [1]|tojson }}", "x[1]"),
        ] {
            assert_eq!(resolve(text, &Context::default()).unwrap(), json!(shown), "{text}");
        }
    }

    /// What the parser makes of these nests one level deeper with each operator. A thread has 2 MB.
    #[test]
    fn nesting_does_not_exhaust_the_stack() {
        for (open, unit, close) in [
            ("", "1+", "1"),
            ("", "not ", "1"),
            ("", "-", "1"),
            ("a", ".a", ""),
            ("a", "|string", ""),
            ("a", "(1)", ""),
            ("a", "[1]", ""),
            ("a", " is defined", ""),
            ("", "1 if 1 else ", "1"),
            ("", "[", ""),
            ("", "a==", "a"),
            ("", "a and ", "a"),
            ("", "2**", "2"),
        ] {
            let expression = |count: usize| format!("{open}{}{close}", unit.repeat(count));
            let long = format!("{{{{ {} }}}}", expression(200_000));
            assert!(references(&long, Form::Template, &|at| at).is_err());
            let longest = expression((MAX_TAG - 16) / unit.len());
            std::thread::Builder::new()
                .stack_size(2 << 20)
                .spawn(move || {
                    let template = format!("{{{{ {longest} }}}}");
                    // What matters is that there is an answer.
                    let _ = references(&template, Form::Template, &|at| at);
                    let _ = references(&longest, Form::Expression, &|at| at);
                    let _ = resolve(&template, &context(json!({"a": "a"})));
                    let _ = resolve(&format!("x{template}"), &context(json!({"a": "a"})));
                })
                .unwrap()
                .join()
                .unwrap();
        }
        let chain = format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(200_000));
        assert!(references(&chain, Form::Template, &|at| at).is_err());
        let chain = format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(256));
        assert!(references(&chain, Form::Template, &|at| at).is_ok());
    }

    #[test]
    fn filters_and_tests_are_those_that_are_known() {
        let there = |what: &str, name: &&str| {
            evaluate(&format!("'{name}' is {what}"), &Context::default()).unwrap() == json!(true)
        };
        assert_eq!(FILTERS.iter().find(|name| !there("filter", name)), None);
        assert_eq!(TESTS.iter().find(|name| !there("test", name)), None);
        let text = "{{ a | lenght }} {{ a is evn }} {{ a is not dfined }} {{ a.is | length is odd }} {{ 'x | y is z' }}";
        let shown: Vec<_> = Tags::new(text, Form::Template).unknown(false, &|at| at);
        let shown: Vec<_> = shown.iter().map(|p| &text[p.span.clone()]).collect();
        assert_eq!(shown, ["lenght", "evn", "dfined"]);
    }

    #[test]
    fn what_could_double_again_and_again_is_not_modest() {
        let modest = |text: &str| Tags::new(text, Form::Template).is_modest(true);
        for text in ["{{ params.n * 2 + 1 }}", "{{ params.a ~ '/' ~ params.b }}", "{{ [1, 2] | join(',') }}"]
        {
            assert!(modest(text), "{text}");
        }
        for text in [
            "{% set a = 'x' %}{% set b = a ~ a %}",
            "{{ 'a' * 100000000 }}",
            "{{ [1] * 100000000 }}",
            "{{ range(100000) * 1000 }}",
            &format!("{{{{ params.a{} }}}}", " ~ params.a".repeat(17)),
        ] {
            assert!(!modest(text), "{text}");
        }
        assert!(!Tags::new("{{ params.text * 2 }}", Form::Template).is_modest(false));
    }

    #[test]
    fn what_is_raw_or_a_comment_is_text() {
        let text = "{% raw %} {{ a | b {% endraw %} {# {{ a | b #} {{ x.y['}}'] }} {{ figure(\"a\") }}";
        let tags = Tags::new(text, Form::Template);
        assert!(tags.unknown(false, &|at| at).is_empty());
        let found = references(text, Form::Template, &|at| at).unwrap();
        let shown: Vec<_> = found.iter().map(|r| &text[r.span.clone()]).collect();
        assert_eq!(shown, ["x.y", "figure"]);
        assert_eq!(tags.figures().iter().map(|call| call.step).collect::<Vec<_>>(), ["a"]);
    }
}
