//! Resolves the templates of a step's fields, and checks the result against the kind's schema and rules.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::model::Declared;
use super::shape;
use super::tag::{Form, Tags};
use super::template::{self, Context, Reference};
use super::yaml::{Node, NodeKind};
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::secret;

/// A step's fields with every template resolved, and with their places.
#[derive(Debug)]
pub struct Resolved {
    pub node: Node,
    pub value: Value,
}

/// The parameters, as values and as the context of templates.
#[derive(Debug)]
pub struct Params<'a> {
    values: &'a Map<String, Value>,
    context: Context,
}

impl<'a> Params<'a> {
    pub fn new(values: &'a Map<String, Value>) -> Self {
        let context = Context::default();
        context.set("params", values);
        Self { values, context }
    }
}

/// Resolves a step's fields.
pub fn resolve(step: &Declared, context: &Context) -> Result<Resolved, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let node = replaced(step, &mut |node, text| match template::resolve(text, context) {
        // What a run would send now is no longer the value that it means.
        Ok(value) if secret::holds_mask(&value) => {
            let message = "this uses a secret that an earlier step has put out, and the journal keeps none";
            problems.push(Diagnostic::error(node.span.clone(), message).hint(
                "give it as a parameter with `secret: true`, or let the step itself read it where it is needed",
            ));
            node.clone()
        }
        Ok(value) => Node::at(&node.span, value),
        Err(error) => {
            problems.push(Diagnostic::error(node.span.clone(), template::message(&error)));
            node.clone()
        }
    });
    if problems.is_empty() {
        problems = misfits(step, &node);
        // `check` has reported the warnings.
        problems.retain(|problem| problem.severity == Severity::Error);
    }
    let resolved = || Resolved { value: node.to_value(), node: node.into_owned() };
    if problems.is_empty() { Ok(resolved()) } else { Err(problems) }
}

/// Returns a step's fields with every template replaced. Most steps have none.
fn replaced<'a>(step: &'a Declared, change: &mut dyn FnMut(&Node, &str) -> Node) -> Cow<'a, Node> {
    if !is_open(&step.fields) {
        return Cow::Borrowed(&step.fields);
    }
    let mut node = step.fields.map_texts(&mut |node, text| match template::has_template(text) {
        true => change(node, text),
        false => node.clone(),
    });
    let schema = (step.info.fields)();
    shape::make_texts(&mut node, schema, schema);
    Cow::Owned(node)
}

/// Returns the place of the value of `a.b.0` in a step's fields, or of its nearest parent that exists.
pub fn place(step: &Declared, path: &str) -> Span {
    at_path(&step.fields, path).1.unwrap_or(step.kind.span.clone())
}

/// Returns a step's fields with the values of the parameters, as far as they are known before a run. A list or mapping that is not
/// known yet is empty.
pub fn foreseen(step: &Declared, params: &Params<'_>) -> Value {
    let mut node = partly_resolved(step, params).unwrap_or(Cow::Borrowed(&step.fields));
    if is_open(&node) {
        let schema = (step.info.fields)();
        shape::empty_open(node.to_mut(), schema, schema);
    }
    node.to_value()
}

/// Whether the value of a template in it is not known yet.
fn is_open(node: &Node) -> bool {
    node.any_text(&|_, text| template::has_template(text))
}

/// Returns the problems of resolved fields.
pub fn misfits(step: &Declared, node: &Node) -> Vec<Diagnostic> {
    let kind = step.info;
    let mut problems = shape::check(node, (kind.fields)(), &format_args!("`{}`", kind.name));
    // A problem of the fields as a whole, such as a missing field, is reported at the kind's key.
    for problem in problems.iter_mut() {
        let is_template = |node: &Node, text: &str| node.span == problem.span && template::has_template(text);
        if problem.span == node.span {
            problem.span = step.kind.span.clone();
        } else if problem.message.contains("must be text") && step.fields.any_text(&is_template) {
            problem.hints = vec!["`| tojson` at the expression's end makes text of it".into()];
        }
    }
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return problems;
    }
    let open = is_open(node);
    for problem in (kind.problems)(node.to_value()) {
        let found = problem.field.as_deref().map(|path| at_path(node, path));
        // The value of an unresolved template is unknown, so it has no problem yet.
        if open && found.as_ref().is_none_or(|(_, _, node)| is_open(node)) {
            continue;
        }
        let span = found.and_then(|(key, value, _)| if problem.key { key } else { value });
        problems.push(problem.located(span.unwrap_or(step.kind.span.clone())));
    }
    problems
}

/// Returns the places of the key and the value of `a.b.0` in a tree, and the value. If it is missing, returns those of its
/// nearest parent that exists.
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

/// Resolves the texts that refer only to parameters, if the parameters are known and the text is cheap to resolve: the
/// document is not trusted. A run resolves the others.
pub fn partly_resolved<'a>(step: &'a Declared, params: &Params<'_>) -> Result<Cow<'a, Node>, Diagnostic> {
    let mut failed = None;
    let node = replaced(step, &mut |node, text| {
        let param = |reference: &Reference| match reference.root.as_str() {
            "params" => params.values.get(reference.path.first()?),
            _ => None,
        };
        let Ok(references) = template::references(text, Form::Template, &|at| at) else {
            return node.clone();
        };
        let Some(used) = references.iter().map(param).collect::<Option<Vec<_>>>() else {
            return node.clone();
        };
        let tags = Tags::new(text, Form::Template);
        // `check` reports unknown filters at their places.
        if !tags.is_modest(used.iter().all(|value| value.is_number()))
            || !tags.unknown(false, &|at| at).is_empty()
        {
            return node.clone();
        }
        match template::resolve(text, &params.context) {
            Ok(value) => Node::at(&node.span, value),
            Err(error) => {
                failed.get_or_insert(Diagnostic::error(node.span.clone(), template::message(&error)));
                node.clone()
            }
        }
    });
    failed.map_or(Ok(node), Err)
}
