//! Checks a runbook without making a call.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use rayon::prelude::*;
use serde_json::{Map, Value, json};

use super::model::{Declared, Runbook};
use super::place::Places;
use super::resolve::{Params, foreseen, misfits, partly_resolved};
use super::shape;
use super::tag::{FUNCTIONS, Form, PROSE_FUNCTIONS, Tags};
use super::template::{self, Reference};
use super::yaml::{Node, NodeKind};
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::step::{duration, rests_on, unfit};

/// The most names to compare with misspelt ones. Without a limit, n mistakes and n steps would take n² comparisons.
const MAX_COMPARED: usize = 500_000;

/// The most outputs of a step that a hint names.
const MAX_NAMED: usize = 4;

/// The methods that templates have of every mapping.
const MEMBERS: &[&str] = &["items", "keys", "values", "get"];

/// How many steps one processor checks before another takes some over: fewer take less time than to begin with it.
const STEPS_AT_ONCE: usize = 256;

/// What templates know of the run itself, as `run.region`.
pub const RUN: &[&str] = &["id", "stack", "target", "account", "region"];

/// Returns the text of the Python files of a folder that a field names, if there are some.
pub type Scripts<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Returns every problem of the runbook's content. `params` are the known values of the parameters.
pub fn check(runbook: &Runbook, params: &Map<String, Value>, scripts: Scripts<'_>) -> Vec<Diagnostic> {
    let params = Params::new(params);
    let of_step = |index: usize, compared: &Cell<usize>| {
        let (step, mut problems) = (&runbook.steps[index], Vec::new());
        let scope = Scope { runbook, earlier: Some(index), own: None, compared };
        step_templates(step, &scope, &mut problems);
        match partly_resolved(step, &params) {
            Ok(node) => {
                let misfits = misfits(step, &node).into_iter();
                problems.extend(misfits.map(|problem| with_output(problem, runbook, index)));
                problems.extend(respelt(step, runbook, &node));
            }
            Err(problem) => problems.push(problem),
        }
        problems
    };
    let steps = 0..runbook.steps.len();
    // On all processors, and so without suggestions, which must be the same at each check.
    let at_once = steps.clone().into_par_iter().with_min_len(STEPS_AT_ONCE);
    let is_well = at_once.all(|index| of_step(index, &Cell::new(usize::MAX)).is_empty());
    let compared = Cell::new(0);
    let mut problems = Vec::new();
    if !is_well {
        problems.extend(steps.flat_map(|index| of_step(index, &compared)));
    }
    let text = runbook.prose_template();
    let prose = Scope { runbook, earlier: None, own: None, compared: &compared };
    refer(&text, Form::Template, &|at| at, &prose, &mut problems);
    problems.extend(enclosed(runbook, &text));
    problems.extend(wrongly_moved(runbook, &prose));
    problems.extend(runbook.steps.iter().filter_map(|step| misplaced(runbook, step, &params, scripts)));
    if let Some(summary) = &runbook.front.summary_node {
        summary.each_text(&mut |node, text| {
            if template::has_template(text) {
                refer(text, Form::Template, &within(node, text, &prose), &prose, &mut problems);
            }
        });
    }
    problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
    problems.dedup();
    problems
}

/// Returns the problems of the front matter's `moved`.
fn wrongly_moved(runbook: &Runbook, scope: &Scope<'_>) -> Vec<Diagnostic> {
    let mut taken = HashSet::new();
    let mut problems = Vec::new();
    for (old, new) in runbook.front.moved_node.iter().flat_map(Node::entries) {
        let Some(name) = new.text() else { continue };
        if runbook.step(&old.name).is_some() {
            let message = format!("the runbook still has the step `{}`, so it has not moved", old.name);
            problems.push(Diagnostic::error(old.span.clone(), message));
        } else if !taken.insert(name) {
            let message = format!("two steps can't both become `{name}`");
            problems.push(Diagnostic::error(new.span.clone(), message));
        } else {
            problems.extend(unknown_root(name, new.span.clone(), scope, &[]));
        }
    }
    problems
}

/// Returns a warning for each text that is a parameter's number, and spelt otherwise than its default: 2.1 in place of 2.10.
fn respelt(step: &Declared, runbook: &Runbook, resolved: &Node) -> Vec<Diagnostic> {
    let mut numbers = HashMap::new();
    step.fields.each_text(&mut |node, text| {
        let name = template::whole_expression(text).and_then(|expression| expression.strip_prefix("params."));
        let param = name.and_then(|name| runbook.front.params.get(name));
        if let Some((param, spelt)) = param.and_then(|param| Some((param, param.spelt.as_ref()?))) {
            numbers.insert(node.span.start, (param, spelt));
        }
    });
    let mut problems = Vec::new();
    resolved.each_text(&mut |node, text| {
        let Some((param, spelt)) = numbers.get(&node.span.start) else { return };
        let as_text = param.default.as_ref().map(Value::to_string);
        if as_text.as_deref() == Some(text) {
            let message = format!("the number {spelt} is {text} as text");
            let hint = "`type: string` in the parameter's declaration keeps it as it is spelt";
            problems.push(Diagnostic::warning(node.span.clone(), message).hint(hint));
        }
    });
    problems
}

/// Adds the outputs of a step to a problem with a value that is the id of an earlier step.
fn with_output(problem: Diagnostic, runbook: &Runbook, index: usize) -> Diagnostic {
    let given = runbook.source.text.get(problem.span.clone()).unwrap_or_default();
    let given = given.trim_matches(['"', '\'']);
    let maker = runbook.position(given).filter(|at| *at < index).map(|at| &runbook.steps[at]);
    let Some(maker) = maker.filter(|_| problem.severity == Severity::Error) else { return problem };
    let outputs = outputs_of(maker);
    let names = shape::members(outputs, outputs).unwrap_or_default().into_keys().take(MAX_NAMED);
    let names: Vec<String> = names.map(|name| format!("\"{{{{ {given}.{name} }}}}\"")).collect();
    problem.hint(format!("`{given}` is a step, whose outputs are {}", names.join(", ")))
}

/// Returns an error for each step that stands inside a block of the prose: it would run whatever the prose says.
fn enclosed(runbook: &Runbook, prose: &str) -> Vec<Diagnostic> {
    let blocks = Tags::new(prose, Form::Template).blocks();
    let mut blocks: Vec<_> = blocks.iter().filter_map(|block| Some((block, block.end?))).collect();
    blocks.sort_by_key(|(block, _)| block.opening.start);
    let (mut next, mut around) = (blocks.into_iter().peekable(), Vec::new());
    let problem = |step: &Declared| {
        around.extend(std::iter::from_fn(|| next.next_if(|(block, _)| block.opening.start < step.stands_at)));
        while around.pop_if(|(_, end)| *end <= step.stands_at).is_some() {}
        let (block, _) = around.last()?;
        let line = runbook.source.position(block.opening.start).line;
        let (what, hint) = match block.word {
            "if" => ("`{% if %}`", "`when` in the step's block decides whether it runs: when: EXPRESSION"),
            "for" => (
                "`{% for %}`",
                "a step runs once: write a block for each turn, with `when` where it depends on a value",
            ),
            "#" => ("the comment", "remove the block, or put it into a fence of four backticks to show it"),
            "raw" => ("`{% raw %}`", "to show a block and not run it, put it into a fence of four backticks"),
            _ => ("the block", "move it out: `when` in the step's block decides whether it runs"),
        };
        let message = format!(
            "the step `{}` stands inside {what} of the prose in line {line}, which does not keep it from running",
            step.id
        );
        Some(Diagnostic::error(step.id_span.clone(), message).hint(hint))
    };
    runbook.steps.iter().filter_map(problem).collect()
}

/// Returns the problem of a step that doesn't go together with the step that makes what it names, as a model that its image can't
/// serve.
fn misplaced(
    runbook: &Runbook,
    step: &Declared,
    params: &Params<'_>,
    scripts: Scripts<'_>,
) -> Option<Diagnostic> {
    // What must fail may be this.
    let field = rests_on(&step.kind.name).filter(|_| step.common.expect_error.is_none())?;
    let node = step.fields.get(field)?;
    let references = template::references(node.text()?, Form::Template, &|at| at).ok()?;
    let maker = references.iter().find_map(|reference| runbook.step(&reference.root))?;
    let (wanted, made) = (foreseen(step, params), foreseen(maker, params));
    let problem = unfit((&step.kind.name, &wanted), (&maker.kind.name, &made), scripts)?;
    Some(problem.located(node.span.clone()))
}

/// What a template at a place in the document may refer to.
struct Scope<'a> {
    runbook: &'a Runbook,
    /// The steps before this index. In prose, all steps.
    earlier: Option<usize>,
    /// The step whose outputs have no prefix, as in its `expect`.
    own: Option<&'a Declared>,
    /// How many names have been compared with misspelt ones.
    compared: &'a Cell<usize>,
}

impl Scope<'_> {
    fn suggest<'a>(
        &self,
        problem: Diagnostic,
        given: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Diagnostic {
        if self.compared.get() > MAX_COMPARED {
            return problem;
        }
        self.compared.set(self.compared.get() + known.clone().count());
        problem.suggest(given, known)
    }
}

fn step_templates(step: &Declared, scope: &Scope<'_>, problems: &mut Vec<Diagnostic>) {
    step.fields.each_text(&mut |node, text| {
        if template::has_template(text) {
            refer(text, Form::Template, &within(node, text, scope), scope, problems);
        }
    });
    let own = Scope { own: Some(step), ..*scope };
    for (key, scope) in [("when", scope), ("expect", &own)] {
        for node in step.body.get(key).into_iter().flat_map(|node| match &node.kind {
            NodeKind::List(items) => items.iter().collect::<Vec<_>>(),
            _ => vec![node],
        }) {
            let Some(text) = node.text() else { continue };
            if template::has_template(text) {
                let message = format!("`{key}` is an expression, without braces");
                problems.push(Diagnostic::error(node.span.clone(), message));
                continue;
            }
            refer(text, Form::Expression, &within(node, text, scope), scope, problems);
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
        && let Err(message) = duration(timeout)
    {
        let span = step.body.get("timeout").map_or(step.id_span.clone(), |node| node.span.clone());
        problems.push(Diagnostic::error(span, message));
    }
}

/// Says where a byte of a node's text stands in the document.
fn within(node: &Node, text: &str, scope: &Scope<'_>) -> impl Fn(usize) -> usize {
    let document = &scope.runbook.source.text;
    let (places, end) = (Places::of(document, node, text), node.span.end);
    move |at| document.floor_char_boundary(places.at(at).min(end))
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
            let document = &scope.runbook.source.text;
            problems.extend(references.iter().filter_map(|reference| {
                let problem = misreference(reference, scope)?;
                // `${{ … }}` is of GitHub Actions and its like.
                let is_foreign = || {
                    let opening = document[..reference.span.start].rfind("{{").unwrap_or_default();
                    document[..opening].ends_with('$')
                };
                let foreign = form == Form::Template && is_foreign();
                Some(if foreign { problem.hint(template::RAW) } else { problem })
            }));
            let tags = Tags::new(text, form);
            let in_prose = scope.earlier.is_none();
            problems.extend(tags.unknown(in_prose, at));
            problems.extend(tags.figures().into_iter().filter_map(|call| {
                unknown_root(call.step, at(call.span.start)..at(call.span.end), scope, &[])
            }));
        }
    }
}

fn misreference(reference: &Reference, scope: &Scope<'_>) -> Option<Diagnostic> {
    let span = reference.span.clone();
    if let Some(own) = scope.own {
        let outputs = outputs_of(own);
        if shape::members(outputs, outputs)
            .is_none_or(|members| members.contains_key(reference.root.as_str()))
        {
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
            let problem = Diagnostic::error(span, format!("the runbook has no parameter `{name}`"));
            Some(scope.suggest(problem, name, known))
        }
        "run" => {
            let name = reference.path.first()?;
            (!RUN.contains(&name.as_str())).then(|| {
                Diagnostic::error(span, format!("`run` has no `{name}`")).suggest(name, RUN.to_vec())
            })
        }
        name if scope.earlier.is_none() && PROSE_FUNCTIONS.contains(&name) => None,
        // minijinja's own functions.
        "dict" | "range" => None,
        name if is_called(scope, &span) && scope.runbook.step(name).is_none() => {
            let of_prose = if scope.earlier.is_none() { PROSE_FUNCTIONS } else { &[] };
            let functions = FUNCTIONS.iter().chain(of_prose);
            Some(
                Diagnostic::error(span, format!("there is no function `{name}` here"))
                    .suggest(name, functions.copied()),
            )
        }
        root => match scope.runbook.position(root) {
            Some(index) if index < scope.earlier.unwrap_or(usize::MAX) => {
                let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
                missing_output(&scope.runbook.steps[index], &path, span)
            }
            _ => unknown_root(root, span, scope, &beside(scope)),
        },
    }
}

fn is_called(scope: &Scope<'_>, span: &Span) -> bool {
    scope.runbook.source.text.get(span.end..).is_some_and(|rest| rest.trim_start().starts_with('('))
}

/// Returns what a reference may begin with, besides the ids of steps.
fn beside(scope: &Scope<'_>) -> Vec<&'static str> {
    let outputs = scope.own.map(outputs_of);
    let outputs = outputs.and_then(|outputs| shape::members(outputs, outputs)).unwrap_or_default();
    outputs.into_keys().chain(["params", "run"]).collect()
}

fn unknown_root(root: &str, span: Span, scope: &Scope<'_>, beside: &[&str]) -> Option<Diagnostic> {
    let steps = &scope.runbook.steps;
    let visible = scope.earlier.unwrap_or(steps.len());
    match scope.runbook.position(root) {
        // The step's block has mistakes, which are reported there.
        None if scope.runbook.include_unread || scope.runbook.unread.contains(root) => None,
        Some(index) if index < visible => None,
        Some(index) if Some(index) == scope.earlier => {
            Some(Diagnostic::error(span, format!("the step `{root}` refers to itself")))
        }
        Some(_) => Some(
            Diagnostic::error(span, format!("the step `{root}` comes later in the document"))
                .hint("steps run in document order: move its block above this one"),
        ),
        None => {
            let message = match scope.own {
                Some(own) if !beside.is_empty() => {
                    format!("`{}` has no output `{root}`, and there is no such step", own.id)
                }
                _ => format!("there is no step `{root}`"),
            };
            let problem = Diagnostic::error(span, message);
            if scope.runbook.front.params.contains_key(root) {
                return Some(problem.hint(format!("the parameter is `params.{root}`")));
            }
            let ids = steps[..visible].iter().map(|step| step.id.as_str());
            Some(scope.suggest(problem, root, beside.iter().copied().chain(ids)))
        }
    }
}

/// Returns the JSON Schema of a step's outputs: those of its kind, or the error that it must fail with.
pub fn outputs_of(step: &Declared) -> &'static Value {
    static ERROR: LazyLock<Value> = LazyLock::new(|| {
        json!({"type": "object", "additionalProperties": false, "properties": {
            "error": {"type": "object", "additionalProperties": false,
                "properties": {"code": {"type": "string"}, "message": {"type": "string"},
                    "explanation": {"type": "string"}}},
        }})
    });
    match step.common.expect_error {
        None => (step.info.outputs)(),
        Some(_) => &ERROR,
    }
}

fn missing_output(step: &Declared, path: &[&str], span: Span) -> Option<Diagnostic> {
    let root = outputs_of(step);
    let mut schema = root;
    let mut walked = step.id.clone();
    let message =
        |walked: &str, name: &str| format!("`{walked}` (a `{}` step) has no output `{name}`", step.kind.name);
    for (depth, name) in path.iter().enumerate() {
        let Some(members) = shape::members(root, schema) else {
            // Of an output that is any mapping, the step's fields may say the keys.
            let [output] = &path[..depth] else { return None };
            let keys = (step.info.keys)(&step.fields.to_value(), output)?;
            let is_known = keys.iter().any(|key| key == name) || MEMBERS.contains(name);
            let problem = Diagnostic::error(span, message(&walked, name));
            return (!is_known).then(|| problem.suggest(name, keys.iter().map(String::as_str)));
        };
        let Some(next) = members.get(name) else {
            return Some(Diagnostic::error(span, message(&walked, name)).suggest(name, members.into_keys()));
        };
        walked = format!("{walked}.{name}");
        schema = next;
    }
    None
}
