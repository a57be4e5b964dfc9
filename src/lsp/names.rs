//! Where the document names steps and parameters: declarations, templates and expressions, `needs`, figures.

use std::collections::HashSet;

use crate::diagnostic::{Diagnostic, Span};
use crate::runbook::template::{self, Form};
use crate::runbook::yaml::{Node, NodeKind};
use crate::runbook::{Block, Declared, Places, Runbook, Tags, outputs_of, shape};

/// A thing that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    Step(String),
    Param(String),
}

/// A place where a thing is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub thing: Thing,
    /// The place of its name.
    pub span: Span,
    pub declares: bool,
}

/// A dotted name in a template, as `train.metrics.test_loss`, with its words and their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub words: Vec<(String, Span)>,
    /// The step, by its index, whose outputs have no prefix here, as in its `expect`.
    pub own: Option<usize>,
}

/// All names of a document.
#[derive(Debug, Default)]
pub struct Names {
    /// In the order of the document.
    pub all: Vec<Named>,
    /// In the order of the document.
    pub chains: Vec<Chain>,
    /// What hides names: a block, or a template that can't be read, or a text whose place is not found.
    pub unread: Option<(Span, String)>,
}

impl Names {
    /// Returns the name at a place. The place behind its last letter is one of it, too.
    pub fn at(&self, at: usize) -> Option<&Named> {
        self.all.iter().find(|named| named.span.start <= at && at <= named.span.end)
    }

    /// Returns the dotted name at a place, up to the word there.
    pub fn chain_at(&self, at: usize) -> Option<(&Chain, &[(String, Span)])> {
        self.chains.iter().find_map(|chain| {
            let touched = |(_, span): &(String, Span)| span.start <= at && at <= span.end;
            let last = chain.words.iter().rposition(touched)?;
            Some((chain, &chain.words[..=last]))
        })
    }

    pub fn of<'a>(&'a self, thing: &'a Thing) -> impl Iterator<Item = &'a Named> {
        self.all.iter().filter(move |named| named.thing == *thing)
    }
}

/// Finds the names of a document. `front` is the tree of its front matter.
pub fn names(runbook: &Runbook, front: Option<&Node>, blocks: &[Block]) -> Names {
    let mut reader = Reader { runbook, names: Names::default() };
    let own = runbook.source.own();
    let read: HashSet<usize> = runbook.steps.iter().map(|step| step.span.start).collect();
    let is_unread = |block: &&Block| block.info.is_some() && !read.contains(&block.span.start);
    if let Some(block) = blocks.iter().find(is_unread) {
        reader.unread(block.span.clone(), "a block that can't be read");
    }
    if runbook.front_unread {
        reader.unread(0..0, "a front matter that can't be read");
    }
    for (key, _) in front.and_then(|front| front.get("params")).into_iter().flat_map(Node::entries) {
        reader.name(Thing::Param(key.name.clone()), key.span.clone(), true);
    }
    for (_, new) in front.and_then(|front| front.get("moved")).into_iter().flat_map(Node::entries) {
        if let Some(id) = new.text() {
            let start = reader.places(new, id).at(0);
            reader.name(Thing::Step(id.to_owned()), start..start + id.len(), false);
        }
    }
    // An editor has the document's own text alone.
    for (index, step) in runbook.steps.iter().enumerate().filter(|(_, step)| step.span.start < own.end) {
        reader.name(Thing::Step(step.id.clone()), step.id_span.clone(), true);
        reader.step(index, step);
    }
    let prose = runbook.prose_template();
    reader.text(&prose, Form::Template, &Places::From(0), None);
    if let Some(summary) = &runbook.front.summary_node {
        reader.templates(summary);
    }
    let mut names = reader.names;
    names.all.sort_by_key(|named| named.span.start);
    names.chains.sort_by_key(|chain| chain.words[0].1.start);
    names
}

struct Reader<'a> {
    runbook: &'a Runbook,
    names: Names,
}

impl Reader<'_> {
    fn name(&mut self, thing: Thing, span: Span, declares: bool) {
        self.names.all.push(Named { thing, span, declares });
    }

    fn unread(&mut self, span: Span, what: &str) {
        self.names.unread.get_or_insert_with(|| (span, what.to_owned()));
    }

    fn step(&mut self, index: usize, step: &Declared) {
        self.templates(&step.fields);
        for (key, own) in [("when", None), ("expect", Some(index))] {
            for node in items(step.body.get(key)) {
                if let Some(text) = node.text() {
                    self.node(node, text, Form::Expression, own);
                }
            }
        }
        for node in items(step.body.get("needs")) {
            let Some(id) = node.text() else { continue };
            let start = self.places(node, id).at(0);
            self.name(Thing::Step(id.to_owned()), start..start + id.len(), false);
        }
    }

    fn templates(&mut self, node: &Node) {
        node.each_text(&mut |node, text| {
            if template::has_template(text) {
                self.node(node, text, Form::Template, None);
            }
        });
    }

    fn node(&mut self, node: &Node, text: &str, form: Form, own: Option<usize>) {
        let places = self.places(node, text);
        self.text(text, form, &places, own);
    }

    fn places(&mut self, node: &Node, text: &str) -> Places {
        let places = Places::of(&self.runbook.source.text, node, text);
        if matches!(places, Places::Unknown(_)) {
            self.unread(node.span.clone(), "a text whose place in the document is not found");
        }
        places
    }

    fn text(&mut self, text: &str, form: Form, places: &Places, own: Option<usize>) {
        let free: Option<HashSet<String>> = match template::references(text, form, &|at| at) {
            Ok(free) => Some(free.into_iter().map(|reference| reference.root).collect()),
            // It is being typed, and is still searched.
            Err(Diagnostic { span, .. }) => {
                self.unread(places.at(span.start)..places.at(span.end), "a template that can't be read");
                None
            }
        };
        let outputs = own.map(|own| outputs_of(&self.runbook.steps[own]));
        let tags = Tags::new(text, form);
        for chain in tags.chains() {
            let root = chain[0].0;
            // A name that the template itself declares is none of the document's.
            if free.as_ref().is_some_and(|free| !free.contains(root)) {
                continue;
            }
            let placed = |(word, span): &(&str, Span)| {
                let start = places.at(span.start);
                ((*word).to_owned(), start..start + word.len())
            };
            let words: Vec<(String, Span)> = chain.iter().map(placed).collect();
            let is_own = outputs.is_some_and(|outputs| {
                shape::members(outputs, outputs).is_none_or(|members| members.contains_key(root))
            });
            match &*words {
                [(root, _), (name, span), ..] if root == "params" => {
                    self.name(Thing::Param(name.clone()), span.clone(), false);
                }
                [(root, span), ..] if !is_own && root != "params" && root != "run" => {
                    self.name(Thing::Step(root.clone()), span.clone(), false);
                }
                _ => {}
            }
            self.names.chains.push(Chain { words, own: own.filter(|_| is_own) });
        }
        for call in tags.figures() {
            let start = places.at(call.span.start);
            self.name(Thing::Step(call.step.to_owned()), start..start + call.step.len(), false);
        }
    }
}

/// Returns the items of a list, or the node itself.
fn items(node: Option<&Node>) -> Vec<&Node> {
    match node.map(|node| &node.kind) {
        Some(NodeKind::List(items)) => items.iter().collect(),
        _ => node.into_iter().collect(),
    }
}
