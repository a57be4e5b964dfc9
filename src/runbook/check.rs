//! Everything that can be known about a runbook before a call is made; and, during a run, the resolution of a
//! step's templates with the same checks.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::tag::{FUNCTIONS, Tags};
use super::template::{self, Form, Reference};
use super::yaml::{Node, NodeKind};
use super::{Declared, Runbook, shape};
use crate::diagnostic::{Diagnostic, Span};
use crate::step;

/// What templates may refer to: `params`, `run`, and the outputs of steps by id.
pub type Context = Map<String, Value>;

/// A step's fields with every template resolved, and with their places.
#[derive(Debug)]
pub struct Resolved {
    pub node: Node,
    pub value: Value,
}

/// Reports every problem of the runbook's content. `params` are the values it would run with; a parameter that is
/// not in them is not known yet.
pub fn check(runbook: &Runbook, params: &Map<String, Value>) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let context = Context::from_iter([("params".to_owned(), Value::Object(params.clone()))]);
    for (index, step) in runbook.steps.iter().enumerate() {
        let scope = Scope { runbook, earlier: Some(index), own: None };
        step_templates(step, &scope, &mut problems);
        match partly_resolved(&step.fields, &context) {
            Ok(node) => problems.extend(misfits(step, &node)),
            Err(problem) => problems.push(problem),
        }
    }
    prose(runbook, &mut problems);
    problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
    problems.dedup();
    problems
}

/// Resolves a step's fields and holds them against its kind's schema and rules.
pub fn resolve(step: &Declared, context: &Context) -> Result<Resolved, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let node = map_texts(&step.fields, &mut |node, text| match template::has_template(text) {
        false => node.clone(),
        true => match template::resolve(text, &Value::Object(context.clone())) {
            Ok(value) => with_value(&node.span, value),
            Err(error) => {
                problems.push(Diagnostic::error(node.span.clone(), template::message(&error)));
                node.clone()
            }
        },
    });
    if problems.is_empty() {
        problems = misfits(step, &node);
    }
    if problems.is_empty() { Ok(Resolved { value: node.to_value(), node }) } else { Err(problems) }
}

fn misfits(step: &Declared, node: &Node) -> Vec<Diagnostic> {
    let Some(kind) = step::kind(&step.kind.name) else { return Vec::new() };
    let mut problems = shape::check(node, (kind.fields)(), &format!("`{}`", kind.name));
    // What is wrong with the fields as a whole, as that one is missing, is shown at the kind's key.
    for problem in problems.iter_mut() {
        if problem.span == node.span {
            problem.span = step.kind.span.clone();
        } else if problem.message.contains("must be text") && is_template(&step.fields, &problem.span) {
            problem.hints.push("`| string` at the expression's end makes text of it".into());
        }
    }
    if !problems.is_empty() {
        return problems;
    }
    let open = any_text(node, &template::has_template);
    for problem in (kind.problems)(node.to_value()) {
        let found = problem.field.as_deref().map(|path| at_path(node, path));
        // What a template will give is not known yet, and what can't be read for it says nothing.
        if open && found.as_ref().is_none_or(|(_, _, node)| any_text(node, &template::has_template)) {
            continue;
        }
        let span = found.and_then(|(key, value, _)| if problem.key { key } else { value });
        let mut diagnostic = Diagnostic::error(span.unwrap_or(step.kind.span.clone()), problem.message);
        diagnostic.hints = problem.hints;
        problems.push(diagnostic);
    }
    problems
}

/// The places of the key and the value of `a.b.0` in a tree, or of the nearest thing around it that is there, and
/// the value.
fn at_path<'a>(node: &'a Node, path: &str) -> (Option<Span>, Option<Span>, &'a Node) {
    let (mut key, mut span, mut here) = (None, None, node);
    for name in path.split('.') {
        let next = match &here.kind {
            NodeKind::List(items) => {
                name.parse().ok().and_then(|index: usize| Some((None, items.get(index)?)))
            }
            _ => here.entries().iter().find(|(key, _)| key.name == name).map(|(key, node)| (Some(key), node)),
        };
        let Some((found, next)) = next else { break };
        key = found.map(|key| key.span.clone());
        (span, here) = (Some(next.span.clone()), next);
    }
    (key, span, here)
}

/// A step's fields with the parameters filled in: what is known of them before anything has run.
pub fn foreseen(step: &Declared, params: &Map<String, Value>) -> Value {
    let context = Context::from_iter([("params".to_owned(), Value::Object(params.clone()))]);
    partly_resolved(&step.fields, &context).unwrap_or_else(|_| step.fields.clone()).to_value()
}

/// Resolves the texts that refer to parameters alone, as far as those are known, and as far as a document that nobody
/// has looked at may be trusted with it; a run resolves the rest.
fn partly_resolved(node: &Node, context: &Context) -> Result<Node, Diagnostic> {
    let params = context.get("params").and_then(Value::as_object);
    let mut failed = None;
    let node = map_texts(node, &mut |node, text| {
        if !template::has_template(text) {
            return node.clone();
        }
        let param = |reference: &Reference| match reference.root.as_str() {
            "params" => params?.get(reference.path.first()?),
            _ => None,
        };
        let Ok(references) = template::references(text, Form::Template, &|at| at) else {
            return node.clone();
        };
        let Some(used) = references.iter().map(param).collect::<Option<Vec<_>>>() else {
            return node.clone();
        };
        let tags = Tags::new(text, Form::Template);
        // Filters that there aren't are told already, at their places.
        if !tags.is_modest(used.iter().all(|value| value.is_number())) || !tags.unknown(&|at| at).is_empty() {
            return node.clone();
        }
        match template::resolve(text, &Value::Object(context.clone())) {
            Ok(value) => with_value(&node.span, value),
            Err(error) => {
                failed.get_or_insert(Diagnostic::error(node.span.clone(), template::message(&error)));
                node.clone()
            }
        }
    });
    failed.map_or(Ok(node), Err)
}

fn map_texts(node: &Node, change: &mut dyn FnMut(&Node, &str) -> Node) -> Node {
    let kind = match &node.kind {
        NodeKind::Text(text) => return change(node, text),
        NodeKind::Plain(value) => NodeKind::Plain(value.clone()),
        NodeKind::List(items) => NodeKind::List(items.iter().map(|item| map_texts(item, change)).collect()),
        NodeKind::Map(entries) => NodeKind::Map(
            entries.iter().map(|(key, value)| (key.clone(), map_texts(value, change))).collect(),
        ),
    };
    Node { span: node.span.clone(), kind }
}

/// Whether a template stands at this place.
fn is_template(node: &Node, span: &Span) -> bool {
    match &node.kind {
        NodeKind::Text(text) => node.span == *span && template::has_template(text),
        NodeKind::Plain(_) => false,
        NodeKind::List(items) => items.iter().any(|item| is_template(item, span)),
        NodeKind::Map(entries) => entries.iter().any(|(_, value)| is_template(value, span)),
    }
}

fn any_text(node: &Node, test: &dyn Fn(&str) -> bool) -> bool {
    match &node.kind {
        NodeKind::Text(text) => test(text),
        NodeKind::Plain(_) => false,
        NodeKind::List(items) => items.iter().any(|item| any_text(item, test)),
        NodeKind::Map(entries) => entries.iter().any(|(_, value)| any_text(value, test)),
    }
}

fn with_value(span: &Span, value: Value) -> Node {
    let kind = match value {
        Value::String(text) => NodeKind::Text(text),
        Value::Array(items) => NodeKind::List(items.into_iter().map(|item| with_value(span, item)).collect()),
        Value::Object(map) => NodeKind::Map(
            map.into_iter()
                .map(|(name, value)| (super::yaml::Key { span: span.clone(), name }, with_value(span, value)))
                .collect(),
        ),
        plain => NodeKind::Plain(plain),
    };
    Node { span: span.clone(), kind }
}

/// The steps that a step's templates use, by their fields and `when`.
pub fn used_steps(step: &Declared) -> BTreeSet<String> {
    let mut used = BTreeSet::from_iter(step.common.needs.iter().cloned());
    let mut collect = |text: &str, form: Form| {
        let references = template::references(text, form, &|at| at).unwrap_or_default();
        used.extend(references.into_iter().map(|r| r.root).filter(|root| root != "params" && root != "run"));
    };
    map_texts(&step.fields, &mut |node, text| {
        collect(text, Form::Template);
        node.clone()
    });
    step.common.when.iter().for_each(|when| collect(when, Form::Expression));
    used
}

/// Whether a step's fields or `when` refer to the run itself.
pub fn uses_run(step: &Declared) -> bool {
    let mut found = false;
    let mut look = |text: &str, form: Form| {
        let references = template::references(text, form, &|at| at).unwrap_or_default();
        found |= references.iter().any(|reference| reference.root == "run");
    };
    map_texts(&step.fields, &mut |node, text| {
        look(text, Form::Template);
        node.clone()
    });
    step.common.when.iter().for_each(|when| look(when, Form::Expression));
    found
}

/// What a template at some place may refer to.
struct Scope<'a> {
    runbook: &'a Runbook,
    /// Steps before this index; all of them in prose.
    earlier: Option<usize>,
    /// A step whose outputs stand at the top, as in its `expect`.
    own: Option<&'a Declared>,
}

fn step_templates(step: &Declared, scope: &Scope<'_>, problems: &mut Vec<Diagnostic>) {
    map_texts(&step.fields, &mut |node, text| {
        if template::has_template(text) {
            // In quoted text, the value's first byte is the quote; what escapes shift is no more than a column.
            let literal = scope.runbook.source.text[node.span.clone()].find(text).unwrap_or(0);
            let start = node.span.start + literal;
            refer(text, Form::Template, &|at| (start + at).min(node.span.end), scope, problems);
        }
        node.clone()
    });
    let own = Scope { own: Some(step), ..*scope };
    for (key, scope) in [("when", scope), ("expect", &own)] {
        for node in step.body.get(key).into_iter().flat_map(|node| match &node.kind {
            NodeKind::List(items) => items.iter().collect::<Vec<_>>(),
            _ => vec![node],
        }) {
            let Some(text) = node.text() else { continue };
            let start =
                node.span.start + scope.runbook.source.text[node.span.clone()].find(text).unwrap_or(0);
            if template::has_template(text) {
                let message = format!("`{key}` is an expression, without braces");
                problems.push(Diagnostic::error(node.span.clone(), message));
                continue;
            }
            refer(text, Form::Expression, &|at| (start + at).min(node.span.end), scope, problems);
        }
    }
    for (index, name) in step.common.needs.iter().enumerate() {
        let span = match step.body.get("needs").map(|node| &node.kind) {
            Some(NodeKind::List(items)) => items.get(index).map(|item| item.span.clone()),
            _ => None,
        };
        problems.extend(unknown_root(name, span.unwrap_or(step.id_span.clone()), scope, &[]));
    }
    if let Some(timeout) = &step.common.timeout
        && let Err(message) = step::duration(timeout)
    {
        let span = step.body.get("timeout").map_or(step.id_span.clone(), |node| node.span.clone());
        problems.push(Diagnostic::error(span, message));
    }
}

fn prose(runbook: &Runbook, problems: &mut Vec<Diagnostic>) {
    let text = runbook.prose_template();
    refer(&text, Form::Template, &|at| at, &Scope { runbook, earlier: None, own: None }, problems);
}

fn refer(
    text: &str,
    form: Form,
    at: &dyn Fn(usize) -> usize,
    scope: &Scope<'_>,
    problems: &mut Vec<Diagnostic>,
) {
    match template::references(text, form, at) {
        Err(problem) => problems.push(problem),
        Ok(references) => {
            problems.extend(references.iter().filter_map(|reference| misreference(reference, scope)));
            let tags = Tags::new(text, form);
            problems.extend(tags.unknown(at));
            let figures = tags.figures().into_iter();
            problems.extend(
                figures
                    .filter_map(|(step, span)| unknown_root(step, at(span.start)..at(span.end), scope, &[])),
            );
        }
    }
}

fn misreference(reference: &Reference, scope: &Scope<'_>) -> Option<Diagnostic> {
    let span = reference.span.clone();
    if let Some(own) = scope.own {
        let outputs = outputs_of(own);
        if shape::members(&outputs, &outputs).is_none_or(|members| members.contains_key(&reference.root)) {
            let path: Vec<&str> =
                std::iter::once(&reference.root).chain(&reference.path).map(String::as_str).collect();
            return missing_output(own, &path, span);
        }
    }
    match reference.root.as_str() {
        "params" => {
            let name = reference.path.first()?;
            if scope.runbook.front_unread || scope.runbook.front.params.contains_key(name) {
                return None;
            }
            let known = scope.runbook.front.params.keys().map(String::as_str);
            Some(
                Diagnostic::error(span, format!("the runbook has no parameter `{name}`"))
                    .suggest(name, known),
            )
        }
        "run" => {
            let name = reference.path.first()?;
            let known = ["id", "stack", "target", "account", "region"];
            (!known.contains(&name.as_str()))
                .then(|| Diagnostic::error(span, format!("`run` has no `{name}`")).suggest(name, known))
        }
        "table" | "figure" if scope.earlier.is_none() => None,
        // minijinja's own functions.
        "dict" | "range" => None,
        name if is_called(scope, &span) && scope.runbook.step(name).is_none() => {
            let functions = FUNCTIONS
                .iter()
                .filter(|name| scope.earlier.is_none() || !["table", "figure"].contains(name));
            Some(
                Diagnostic::error(span, format!("there is no function `{name}` here"))
                    .suggest(name, functions.copied()),
            )
        }
        root => match unknown_root(root, span.clone(), scope, &beside(scope)) {
            Some(problem) => Some(problem),
            None => {
                let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
                missing_output(scope.runbook.step(root)?, &path, span)
            }
        },
    }
}

fn is_called(scope: &Scope<'_>, span: &Span) -> bool {
    scope.runbook.source.text.get(span.end..).is_some_and(|rest| rest.trim_start().starts_with('('))
}

/// What a template may begin with beside the ids of steps.
fn beside(scope: &Scope<'_>) -> Vec<String> {
    let outputs = scope.own.map(outputs_of);
    let outputs = outputs.and_then(|outputs| shape::members(&outputs, &outputs)).unwrap_or_default();
    outputs.into_iter().map(|(name, _)| name).chain(["params".to_owned(), "run".to_owned()]).collect()
}

fn unknown_root(root: &str, span: Span, scope: &Scope<'_>, beside: &[String]) -> Option<Diagnostic> {
    let steps = &scope.runbook.steps;
    let visible = scope.earlier.unwrap_or(steps.len());
    match steps.iter().position(|step| step.id == root) {
        // Its block has mistakes, which are told there.
        None if scope.runbook.unread.iter().any(|id| id == root) => None,
        Some(index) if index < visible => None,
        Some(index) if Some(index) == scope.earlier => {
            Some(Diagnostic::error(span, format!("the step `{root}` refers to itself")))
        }
        Some(_) => Some(
            Diagnostic::error(span, format!("the step `{root}` comes later in the document"))
                .hint("steps run in document order: move its block above this one"),
        ),
        None => {
            let known =
                beside.iter().map(String::as_str).chain(steps[..visible].iter().map(|step| step.id.as_str()));
            let message = match scope.own {
                Some(own) if !beside.is_empty() => {
                    format!("`{}` has no output `{root}`, and there is no such step", own.id)
                }
                _ => format!("there is no step `{root}`"),
            };
            let mut problem = Diagnostic::error(span, message);
            if scope.runbook.front.params.contains_key(root) {
                problem = problem.hint(format!("the parameter is `params.{root}`"));
            } else {
                problem = problem.suggest(root, known);
            }
            Some(problem)
        }
    }
}

/// JSON Schema of what a step puts out: its kind's outputs, or the error that it expects.
fn outputs_of(step: &Declared) -> Value {
    match (&step.common.expect_error, step::kind(&step.kind.name)) {
        (None, Some(kind)) => (kind.outputs)().clone(),
        _ => json!({"type": "object", "additionalProperties": false, "properties": {
            "error": {"type": "object", "additionalProperties": false,
                "properties": {"code": {"type": "string"}, "message": {"type": "string"},
                    "explanation": {"type": "string"}}},
        }}),
    }
}

fn missing_output(step: &Declared, path: &[&str], span: Span) -> Option<Diagnostic> {
    let root = outputs_of(step);
    let mut schema = root.clone();
    let mut walked = step.id.clone();
    for name in path {
        let mut members = shape::members(&root, &schema)?;
        let Some(next) = members.remove(*name) else {
            let message = format!("`{walked}` (a `{}` step) has no output `{name}`", step.kind.name);
            return Some(Diagnostic::error(span, message).suggest(name, members.keys().map(String::as_str)));
        };
        walked = format!("{walked}.{name}");
        schema = next;
    }
    None
}
