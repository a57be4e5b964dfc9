//! What the thing at the cursor is: a kind, a key, a step, an output with its last value, a parameter, an instance type.

use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind, Position};
use serde_json::Value;

use super::document::{Analysis, Document, Host};
use super::lens::{outcome, state_in_words};
use super::names::Thing;
use super::schema::{Field, describe_kind, front_matter, instance_in_words, plain};
use crate::diagnostic::Span;
use crate::journal::State;
use crate::price;
use crate::runbook::yaml::{Node, NodeKind};
use crate::runbook::{Declared, outputs_of};
use crate::secret::{shown, shown_value};
use crate::written;

/// The most characters of a value.
const MAX_SHOWN: usize = 1000;

/// Returns what is known of the thing at a position.
pub fn hover(document: &Document, host: &Host, position: Position) -> Option<Hover> {
    let analysis = document.analysis(host)?;
    let at = document.byte(position);
    let (text, span) = instance(analysis, at)
        .or_else(|| name(analysis, document.state(), at))
        .or_else(|| key(analysis, at))?;
    let contents = MarkupContent { kind: MarkupKind::Markdown, value: shown(&text) };
    Some(Hover { contents: HoverContents::Markup(contents), range: Some(document.range(&span)) })
}

/// An instance type, wherever it stands.
fn instance(analysis: &Analysis, at: usize) -> Option<(String, Span)> {
    let text = analysis.text();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let start = text[..at].trim_end_matches(is_part).len();
    let end = at + text[at..].find(|c| !is_part(c)).unwrap_or(text.len() - at);
    // It may end a sentence.
    let word = text[start..end].trim_end_matches('.');
    let instance = price::instance(word)?;
    let words = format!(
        "**{word}**: {}\n\nThe price is of {}, in us-east-1.",
        instance_in_words(&instance),
        price::date(instance.source)
    );
    Some((words, start..start + word.len()))
}

/// A step, an output or a parameter, where it is named.
fn name(analysis: &Analysis, state: Option<&State>, at: usize) -> Option<(String, Span)> {
    let names = analysis.names();
    if let Some((chain, words)) = names.chain_at(at) {
        let (_, last) = words.last()?;
        let span = words[0].1.start..last.end;
        let path: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
        let text = match (chain.own, &*path) {
            (Some(own), path) => output(analysis.runbook.steps.get(own)?, path, state),
            (None, ["params", name, ..]) => param(analysis, name),
            (None, ["params" | "run", ..]) => None,
            (None, [root, path @ ..]) => {
                let declared = analysis.runbook.step(root)?;
                match path {
                    [] => Some(step(declared, state)),
                    path => output(declared, path, state),
                }
            }
            (None, []) => None,
        };
        return Some((text?, span));
    }
    let named = names.at(at)?;
    let text = match &named.thing {
        Thing::Step(id) => step(analysis.runbook.step(id)?, state),
        Thing::Param(name) => param(analysis, name)?,
    };
    Some((text, named.span.clone()))
}

fn step(declared: &Declared, state: Option<&State>) -> String {
    let kind = &declared.kind.name;
    let about = crate::step::kind(kind).map(|kind| kind.about).unwrap_or_default();
    let mut text = format!("**{}**, a step: `{kind}` {about}", declared.id);
    if let Some(row) = state.and_then(|state| state.steps.get(&declared.id)) {
        text.push_str(&format!("\n\n{}", state_in_words(row)));
        let outcome = outcome(row);
        if !outcome.is_empty() {
            text.push_str(&format!(": {outcome}"));
        }
    }
    text
}

fn output(declared: &Declared, path: &[&str], state: Option<&State>) -> Option<String> {
    let field = Field::of(outputs_of(declared)).at(path.iter().map(|name| Some(*name)));
    let title = format!("{}.{}", declared.id, path.join("."));
    let mut text = field.map_or_else(|| format!("**{title}**"), |field| field.describe(&title));
    let row = state.and_then(|state| state.steps.get(&declared.id));
    let last = row.and_then(|row| row.outputs.as_ref());
    let last = last.and_then(|outputs| path.iter().try_fold(outputs, |value, name| value.get(name)));
    if field.is_none() && last.is_none() {
        return None;
    }
    if let Some(value) = last {
        text.push_str(&format!("\n\nAs it last ran:\n\n{}", fenced(value)));
    }
    Some(text)
}

/// Returns a value as a block of code, which nothing in it ends.
fn fenced(value: &Value) -> String {
    let mut shown = written::json(&shown_value(value));
    if let Some((end, _)) = shown.char_indices().nth(MAX_SHOWN) {
        shown.truncate(end);
        shown.push('…');
    }
    let fence = "`".repeat(3 + shown.matches("```").count());
    format!("{fence}json\n{shown}\n{fence}")
}

fn param(analysis: &Analysis, name: &str) -> Option<String> {
    let param = analysis.runbook.front.params.get(name)?;
    let mut text = format!("**params.{name}**, a parameter");
    match (&param.default, param.secret) {
        (_, true) => text.push_str(", which is secret"),
        (Some(default), _) => text.push_str(&format!(", by default `{}`", plain(default))),
        (None, _) => text.push_str(", which must be given"),
    }
    if let Some(help) = &param.help {
        text.push_str(&format!("\n\n{help}"));
    }
    Some(text)
}

/// A key of a block or of the front matter.
fn key(analysis: &Analysis, at: usize) -> Option<(String, Span)> {
    let block = analysis.block(at)?;
    let tree = analysis.tree(block)?;
    let mut path = Vec::new();
    let span = key_at(&tree, at, &mut path)?;
    let last = path.last()?.clone()?;
    let text = match (&block.info, &*path) {
        (Some(_), [Some(kind)]) if describe_kind(kind).is_some() => describe_kind(kind)?,
        (Some(_), [Some(first), rest @ ..]) => {
            Field::in_block(first)?.at(rest.iter().map(Option::as_deref))?.describe(&last)
        }
        (None, path) => Field::of(front_matter()).at(path.iter().map(Option::as_deref))?.describe(&last),
        _ => return None,
    };
    Some((text, span))
}

/// Returns the place of the key at a place, and its path.
fn key_at(node: &Node, at: usize, path: &mut Vec<Option<String>>) -> Option<Span> {
    match &node.kind {
        NodeKind::Map(entries) => {
            // The last key before the place is the one that it belongs to.
            let (key, value) = entries.iter().rfind(|(key, _)| key.span.start <= at)?;
            path.push(Some(key.name.clone()));
            if at <= key.span.end { Some(key.span.clone()) } else { key_at(value, at, path) }
        }
        NodeKind::List(items) => {
            let item = items.iter().rfind(|item| item.span.start <= at)?;
            path.push(None);
            key_at(item, at, path)
        }
        _ => None,
    }
}
