//! Finds the front matter, the `opsml` blocks and the prose in a Markdown document.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use indexmap::IndexMap;
use opsml_contract::worded;
use pulldown_cmark::{CodeBlockKind, Event, MetadataBlockKind, Options, Parser, Tag, TagEnd};
use rayon::prelude::*;

use super::front::{self, FrontMatter};
use super::model::{Declared, Piece, Runbook, Uses};
use super::yaml::{self, Key, Node, NodeKind, Scalar};
use super::{include, shape, template};
use crate::diagnostic::{Diagnostic, Severity, Source, Span, closest};
use crate::secret;
use crate::step::{Common, KindInfo, common_keys, common_schema, kind, kind_names};

/// How many blocks one processor reads before another takes some over: fewer take less time than to begin with it.
const BLOCKS_AT_ONCE: usize = 256;

/// The extensions of CommonMark that a runbook is written in; the report renders the same.
pub fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
}

impl Runbook {
    /// Reads a runbook. The diagnostics are about its form; [`check`](super::check()) returns those about its content.
    pub fn parse(source: Source) -> (Self, Vec<Diagnostic>) {
        parse(source)
    }
}

fn parse(source: Source) -> (Runbook, Vec<Diagnostic>) {
    let mut reading = Reading::default();
    let own = source.own();
    let fences = fences(&source.text[own.clone()], &mut reading.problems);
    reading.problems.extend(empty(&source.text[own.clone()]));
    reading.problems.extend(open_front_matter(&source.text, &fences));
    let mut at = 0;
    let read = read_blocks(&source, &fences);
    // Steps are large, and a vector that grows moves them.
    reading.steps.reserve(read.len());
    reading.positions.reserve(read.len());
    reading.pieces.reserve(2 * fences.len() + 1);
    let mut read = read.into_iter();
    for fence in &fences {
        if at < fence.span.start {
            reading.pieces.push(Piece::Prose(at..fence.span.start));
        }
        at = fence.span.end;
        let literal = Piece::Literal(fence.span.clone());
        match &fence.kind {
            FenceKind::FrontMatter => {
                if let Some(front) = reading.front_matter(&source, fence) {
                    reading.front = front;
                }
            }
            FenceKind::Unclosed { info } => {
                reading.unread.extend(named(&source.text[info.clone()]));
                reading.pieces.push(literal);
            }
            FenceKind::Other => reading.pieces.push(literal),
            FenceKind::Include => reading.include(&source, fence),
            FenceKind::Opsml { info } => {
                let (step, wrong) = read.next().unwrap_or_default();
                if !reading.step(&source, step, wrong) {
                    reading.unread.extend(named(&source.text[info.clone()]));
                    reading.pieces.push(literal);
                }
            }
        }
    }
    if at < own.end {
        reading.pieces.push(Piece::Prose(at..own.end));
    }
    if secret::may_hold_secret(&source.text) {
        let fields: Vec<_> = reading.steps.iter().map(|step| step.fields.to_value()).collect();
        secret::know_fields(&fields);
    }
    let Reading { front, steps, pieces, problems, positions, front_unread, include_unread, unread, .. } =
        reading;
    let is_block =
        |fence: &&Fence| matches!(fence.kind, FenceKind::Opsml { .. } | FenceKind::Unclosed { .. });
    let included = steps.iter().filter(|step| step.id_span.start >= own.end).count();
    let blocks = fences.iter().filter(is_block).count() + included;
    let runbook =
        Runbook { source, front, steps, pieces, front_unread, include_unread, unread, blocks, positions };
    (runbook, problems)
}

/// The front matter, or the block of a step, whether or not it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its whole lines, with the fences.
    pub span: Span,
    /// The lines between. If nothing closes the block, all behind its first line.
    pub body: Span,
    /// The text behind the opening fence: `opsml ID`. `None` for the front matter.
    pub info: Option<Span>,
}

/// Returns the front matter and the blocks of steps, for editors: while one is being typed, it can't be read. Its text has no
/// byte order mark.
pub fn blocks(text: &str) -> Vec<Block> {
    let block = |fence: Fence| {
        let (info, body) = match fence.kind {
            FenceKind::Other | FenceKind::Include => return None,
            FenceKind::FrontMatter => (None, fence.body),
            FenceKind::Opsml { info } => (Some(info), fence.body),
            FenceKind::Unclosed { info } => {
                let first = text[fence.span.clone()].find('\n').map_or(fence.span.len(), |at| at + 1);
                (Some(info), fence.span.start + first..fence.span.end)
            }
        };
        Some(Block { span: fence.span, body, info })
    };
    fences(text, &mut Vec::new()).into_iter().filter_map(block).collect()
}

/// Returns the files that the `include` blocks of a document name, each once.
pub fn included_files(source: &Source) -> Vec<String> {
    let own = source.own();
    if !source.text[own.clone()].contains("include") {
        return Vec::new();
    }
    let fences = fences(&source.text[own], &mut Vec::new());
    let named = |fence: &Fence| {
        let body = yaml::parse(&source.text, fence.body.clone(), &mut Vec::new())?;
        body.get("file")?.text().map(str::to_owned)
    };
    let includes = fences.iter().filter(|fence| matches!(fence.kind, FenceKind::Include));
    let mut files: Vec<String> = Vec::new();
    for name in includes.filter_map(named) {
        if !files.contains(&name) {
            files.push(name);
        }
    }
    files
}

/// Returns the id of a block, by the text after its fence.
fn named(info: &str) -> Option<String> {
    info.split_whitespace().nth(1).map(str::to_owned)
}

/// A document as far as it has been read.
#[derive(Default)]
struct Reading {
    front: FrontMatter,
    steps: Vec<Declared>,
    pieces: Vec<Piece>,
    problems: Vec<Diagnostic>,
    /// The index of each id's step.
    positions: HashMap<String, usize>,
    /// Where each included file is named.
    included: HashMap<String, usize>,
    front_unread: bool,
    include_unread: bool,
    unread: HashSet<String>,
}

impl Reading {
    fn front_matter(&mut self, source: &Source, fence: &Fence) -> Option<FrontMatter> {
        let before = self.problems.len();
        let node = yaml::parse(&source.text, fence.body.clone(), &mut self.problems);
        let front = node.map(|node| front::read(&node, &mut self.problems));
        self.front_unread |= self.problems[before..].iter().any(|p| p.severity == Severity::Error);
        front
    }

    /// Adds a step, if it could be read and its id is free.
    fn step(&mut self, source: &Source, step: Option<Declared>, mut wrong: Vec<Diagnostic>) -> bool {
        let step = match step.as_ref().and_then(|step| Some((step, self.positions.get(&step.id)?))) {
            Some((again, first)) => {
                let place = source.line_in_words(self.steps[*first].id_span.start);
                let message = format!("the id `{}` is taken by the step in {place}", again.id);
                wrong = vec![Diagnostic::error(again.id_span.clone(), message)];
                None
            }
            None => step,
        };
        self.problems.append(&mut wrong);
        let Some(step) = step else { return false };
        self.pieces.push(Piece::Step(self.steps.len(), step.span.clone()));
        self.positions.insert(step.id.clone(), self.steps.len());
        self.steps.push(step);
        true
    }

    /// Adds the steps and the parameters of an included file.
    fn include(&mut self, source: &Source, block: &Fence) {
        let unread = (self.front_unread, self.include_unread);
        // Until it is read, nobody knows what it declares.
        (self.front_unread, self.include_unread) = (true, true);
        let Some(node) = yaml::parse(&source.text, block.body.clone(), &mut self.problems) else { return };
        let Some(include) = include::read(&node, &mut self.problems) else { return };
        let at = node.get("file").map_or(node.span.clone(), |file| file.span.clone());
        if let Some(first) = self.included.insert(include.file.clone(), at.start) {
            let place = source.line_in_words(first);
            let message = format!("{} is included already, in {place}", include.file);
            return self.problems.push(Diagnostic::error(at, message));
        }
        let text = match source.included(&include.file).map(|included| &included.text) {
            Some(Ok(text)) => text.clone(),
            Some(Err(why)) => return self.problems.push(Diagnostic::error(at, why)),
            None => {
                return self.problems.push(Diagnostic::error(at, format!("{} was not read", include.file)));
            }
        };
        (self.front_unread, self.include_unread) = unread;
        let mut wrong = Vec::new();
        let mut fences = fences(&source.text[text.clone()], &mut wrong);
        wrong.iter_mut().for_each(|problem| shift(&mut problem.span, text.start));
        fences.iter_mut().for_each(|fence| fence.shift(text.start));
        self.problems.append(&mut wrong);
        let mut front = FrontMatter::default();
        for fence in &fences {
            match &fence.kind {
                FenceKind::FrontMatter => front = self.front_matter(source, fence).unwrap_or_default(),
                FenceKind::Include => {
                    let message = "an included file includes no other";
                    let problem = Diagnostic::error(fence.body.clone(), message);
                    self.problems.push(problem.hint("include both files in the runbook itself"));
                    self.include_unread = true;
                }
                FenceKind::Opsml { info } => {
                    let mut wrong = Vec::new();
                    let step = declared(&source.text, fence, info.clone(), &mut wrong);
                    let step = step.map(|step| Declared { stands_at: block.span.start, ..step });
                    if !self.step(source, step, wrong) {
                        self.unread.extend(named(&source.text[info.clone()]));
                    }
                }
                FenceKind::Unclosed { info } => self.unread.extend(named(&source.text[info.clone()])),
                FenceKind::Other => {}
            }
        }
        include::merge(&mut self.front, front, (&include, &node), &mut self.problems);
    }
}

fn shift(span: &mut Span, by: usize) {
    *span = span.start + by..span.end + by;
}

/// Returns an error for a file that has nothing in it.
fn empty(text: &str) -> Option<Diagnostic> {
    let problem = Diagnostic::error(0..0, "this file is empty: a runbook is prose with `opsml` blocks");
    text.trim().is_empty().then(|| problem.hint("opsml new NAME writes a runbook to start from"))
}

/// Returns an error for a front matter that no line `---` ends: it would be prose.
fn open_front_matter(text: &str, fences: &[Fence]) -> Option<Diagnostic> {
    let mut lines = text.lines();
    let opens = lines.next().is_some_and(|line| line.trim_end() == "---");
    let first = lines.next().unwrap_or_default();
    let is_key = first.split_once(':').is_some_and(|(key, _)| template::is_identifier(key));
    let is_read = fences.iter().any(|fence| matches!(fence.kind, FenceKind::FrontMatter));
    let problem = Diagnostic::error(0..3, "this front matter is never closed")
        .hint("a line of its own with `---` ends it");
    (opens && is_key && !is_read).then_some(problem)
}

struct Fence {
    span: Span,
    body: Span,
    kind: FenceKind,
}

enum FenceKind {
    FrontMatter,
    /// The text after the opening fence.
    Opsml {
        info: Span,
    },
    /// An `opsml` fence that nothing closes.
    Unclosed {
        info: Span,
    },
    /// An `include` block.
    Include,
    Other,
}

impl Fence {
    fn shift(&mut self, by: usize) {
        shift(&mut self.span, by);
        shift(&mut self.body, by);
        match &mut self.kind {
            FenceKind::Opsml { info } | FenceKind::Unclosed { info } => shift(info, by),
            FenceKind::FrontMatter | FenceKind::Include | FenceKind::Other => {}
        }
    }
}

/// Whether the text after a fence nearly is that of a step: `{opsml} b`, `Opsml d`, `opsml:a`, `opsml-step c`, `yaml opsml e`.
fn is_near(info: &str) -> bool {
    let mut words = info.split_whitespace().take(2).map(|word| {
        let word = word.trim_start_matches(|c: char| !c.is_alphanumeric()).to_ascii_lowercase();
        let end = word.find(|c: char| !c.is_alphanumeric()).unwrap_or(word.len());
        word[..end].to_owned()
    });
    let first = words.next().unwrap_or_default();
    closest(&first, ["opsml"]).is_some() || words.next().is_some_and(|second| second == "opsml")
}

/// Returns the warning for a block that nearly is a step.
fn near(at: Span) -> Diagnostic {
    Diagnostic::warning(at, "this block nearly is a step, and is none: a run passes it over")
        .hint("a step's block begins with ```opsml ID in a line of its own, without indentation")
}

/// Returns the places of fences of steps in text that is not read as Markdown: what is indented, and HTML.
fn unread_fences<'a>(text: &'a str, span: &Span) -> impl Iterator<Item = Span> + 'a {
    let start = span.start;
    let lines = text[span.clone()].split_inclusive('\n').scan(start, |at, line| {
        let here = *at;
        *at += line.len();
        Some((here, line))
    });
    lines.filter_map(|(at, line)| {
        let fence = line.trim();
        let info = fence.strip_prefix("```").or_else(|| fence.strip_prefix("~~~"))?;
        let is_step = info.split_whitespace().next() == Some("opsml");
        let start = at + line.len() - line.trim_start().len();
        is_step.then_some(start..start + fence.len())
    })
}

/// Returns the top-level fences of the document in order. An `opsml` fence anywhere else is an error.
fn fences(text: &str, problems: &mut Vec<Diagnostic>) -> Vec<Fence> {
    let mut found = Vec::new();
    let mut depth = 0usize;
    for (event, span) in Parser::new_ext(text, options()).into_offset_iter() {
        match event {
            Event::Start(Tag::MetadataBlock(MetadataBlockKind::YamlStyle)) => {
                let body = inner_lines(text, &span);
                found.push(Fence { span: whole_lines(text, span), body, kind: FenceKind::FrontMatter });
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let opsml = info.split_whitespace().next() == Some("opsml");
                let at = info_span(text, &span);
                if !opsml && is_near(&info) {
                    problems.push(near(at.clone()));
                }
                if !opsml && depth == 0 {
                    found.push(Fence { span: whole_lines(text, span), body: 0..0, kind: FenceKind::Other });
                } else if opsml && depth > 0 {
                    problems.push(
                        Diagnostic::error(at, "an `opsml` block inside a list or quote is not a step")
                            .hint("move it to the top level of the document, without indentation"),
                    );
                } else if opsml && !is_closed(text, &span) {
                    problems.push(
                        Diagnostic::error(at.clone(), "this `opsml` block is never closed")
                            .hint("close it with the same fence on a line of its own"),
                    );
                    // It contains the rest of the file, so errors in it would only confuse.
                    found.push(Fence { span, body: 0..0, kind: FenceKind::Unclosed { info: at } });
                } else if opsml {
                    let body = inner_lines(text, &span);
                    let includes = text[at.clone()].split_whitespace().eq(["opsml", "include"]);
                    let kind = if includes { FenceKind::Include } else { FenceKind::Opsml { info: at } };
                    found.push(Fence { span: whole_lines(text, span), body, kind });
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)) => {
                problems.extend(unread_fences(text, &span).map(near));
            }
            // Who writes a comment means that it doesn't run.
            Event::Start(Tag::HtmlBlock) if !text[span.clone()].trim_start().starts_with("<!--") => {
                problems.extend(unread_fences(text, &span).map(near));
            }
            Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::Item | Tag::FootnoteDefinition(_)) => {
                depth += 1
            }
            Event::End(
                TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item | TagEnd::FootnoteDefinition,
            ) => {
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
    }
    found
}

/// Returns the text after the fence characters on the opening line.
fn info_span(text: &str, span: &Span) -> Span {
    let line = text[span.clone()].lines().next().unwrap_or_default();
    let info = line.trim_start().trim_start_matches(['`', '~']).trim();
    let start = span.start + line.find(info).unwrap_or_default();
    start..start + info.len()
}

fn is_closed(text: &str, span: &Span) -> bool {
    let mut lines = text[span.clone()].trim_end_matches(['\n', '\r']).lines();
    let run = |line: &str| {
        let line = line.trim();
        let first = line.chars().next().unwrap_or(' ');
        (first, line.chars().take_while(|c| *c == first).count(), line.len())
    };
    let (Some(opening), Some(closing)) = (lines.next(), lines.next_back()) else { return false };
    let ((open, open_count, _), (close, close_count, length)) = (run(opening), run(closing));
    open == close && close_count >= open_count && close_count == length
}

/// Returns the lines between the first and the last of `span`.
fn inner_lines(text: &str, span: &Span) -> Span {
    let block = text[span.clone()].trim_end_matches(['\n', '\r']);
    let start = block.find('\n').map_or(block.len(), |at| at + 1);
    let end = block.rfind('\n').map_or(start, |at| at + 1).max(start);
    span.start + start..span.start + end
}

/// Returns `span` from the start of its first line to the line break after its last.
fn whole_lines(text: &str, span: Span) -> Span {
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = match text[..span.end].ends_with('\n') {
        true => span.end,
        false => text[span.end..].find('\n').map_or(text.len(), |at| span.end + at + 1),
    };
    start..end
}

/// Reads the blocks of the steps, on all processors. Whether an id is taken is not looked at.
fn read_blocks(source: &Source, fences: &[Fence]) -> Vec<(Option<Declared>, Vec<Diagnostic>)> {
    let blocks: Vec<(&Fence, &Span)> = fences
        .iter()
        .filter_map(|fence| match &fence.kind {
            FenceKind::Opsml { info } => Some((fence, info)),
            _ => None,
        })
        .collect();
    let read = |(fence, info): &(&Fence, &Span)| {
        let mut problems = Vec::new();
        let step = declared(&source.text, fence, (*info).clone(), &mut problems);
        (step, problems)
    };
    blocks.par_iter().with_min_len(BLOCKS_AT_ONCE).map(read).collect()
}

fn declared(text: &str, fence: &Fence, info: Span, problems: &mut Vec<Diagnostic>) -> Option<Declared> {
    let words: Vec<&str> = text[info.clone()].split_whitespace().collect();
    let id = match words.as_slice() {
        [_, id] => (*id).to_owned(),
        [_] => {
            problems.push(
                Diagnostic::error(info, "this `opsml` block has no id").hint("name the step: ```opsml train"),
            );
            return None;
        }
        _ => {
            problems.push(Diagnostic::error(info, "an `opsml` block has one id and nothing behind it"));
            return None;
        }
    };
    let id_span = info.end - id.len()..info.end;
    if !template::is_identifier(&id) {
        problems.push(
            Diagnostic::error(id_span, format!("`{id}` cannot be a step's id"))
                .hint("prose refers to a step by its id, so it is letters, digits and _, 32 at most, and begins with no digit"),
        );
        return None;
    }
    if template::RESERVED.contains(&id.as_str()) {
        problems.push(Diagnostic::error(
            id_span,
            format!("`{id}` means something in templates and cannot be a step's id"),
        ));
        return None;
    }
    let mut body = yaml::parse(text, fence.body.clone(), problems)?;
    let (kind, info, fields) = kind_of(&mut body, &id_span, problems)?;
    let common = common(&body, &kind, problems);
    let uses = Uses::of(&fields, &common);
    let (span, stands_at) = (fence.span.clone(), fence.span.start);
    Some(Declared { id, id_span, span, stands_at, kind, info, fields, common, body, uses })
}

/// Takes the key that names the step's kind out of its mapping, and the value, in which text stands where text is meant.
fn kind_of(
    body: &mut Node,
    id_span: &Span,
    problems: &mut Vec<Diagnostic>,
) -> Option<(Key, &'static KindInfo, Node)> {
    let NodeKind::Map(entries) = &mut body.kind else {
        problems.push(
            Diagnostic::error(body.span.clone(), "a step is a mapping with one key that names its kind")
                .suggest("", kind_names()),
        );
        return None;
    };
    let common = common_keys();
    let others: Vec<&(Key, Node)> = entries.iter().filter(|(key, _)| !common.contains(&key.name)).collect();
    let known: Vec<(&Key, &KindInfo)> =
        others.iter().filter_map(|(key, _)| Some((key, kind(&key.name)?))).collect();
    match (known.as_slice(), others.as_slice()) {
        ([(kind, info)], _) => {
            for (key, _) in others.iter().filter(|(key, _)| key != *kind) {
                let names: Vec<&str> = common.iter().map(String::as_str).collect();
                let mut problem =
                    Diagnostic::error(key.span.clone(), format!("a step has no key `{}`", key.name));
                problem = match fields_of(&kind.name).contains(&key.name.as_str()) {
                    true => problem.hint(format!("`{}` belongs below `{}`: indent it", key.name, kind.name)),
                    false => problem.suggest(&key.name, names),
                };
                problems.push(problem);
            }
            let (info, at) = (*info, entries.iter().position(|(key, _)| key == *kind)?);
            let (kind, mut fields) = entries.remove(at);
            // `bucket:` without fields has every default.
            if matches!(fields.kind, NodeKind::Plain(Scalar::Null, _)) {
                fields = Node { span: kind.span.clone(), kind: NodeKind::Map(Vec::new()) };
            }
            shape::make_texts(&mut fields, (info.fields)(), (info.fields)());
            Some((kind, info, fields))
        }
        ([_, second, ..], _) => {
            let message = format!("a step has one kind, and `{}` is a second one", second.0.name);
            problems
                .push(Diagnostic::error(second.0.span.clone(), message).hint("make it a block of its own"));
            None
        }
        ([], [(key, _), ..]) => {
            let message = format!("there is no kind of step `{}`", key.name);
            problems.push(Diagnostic::error(key.span.clone(), message).suggest(&key.name, kind_names()));
            None
        }
        ([], []) => {
            problems.push(
                Diagnostic::error(id_span.clone(), "this step has no kind")
                    .hint(format!("one key names it: {}", kind_names().collect::<Vec<_>>().join(", "))),
            );
            None
        }
    }
}

fn fields_of(name: &str) -> Vec<&'static str> {
    let members = kind(name).and_then(|kind| shape::members((kind.fields)(), (kind.fields)()));
    members.into_iter().flat_map(IndexMap::into_keys).collect()
}

fn common(body: &Node, kind: &Key, problems: &mut Vec<Diagnostic>) -> Arc<Common> {
    static NONE: LazyLock<Arc<Common>> = LazyLock::new(Arc::default);

    let entries =
        body.entries().iter().filter(|(key, _)| common_keys().contains(&key.name)).cloned().collect();
    let mut node = Node { span: kind.span.clone(), kind: NodeKind::Map(entries) };
    if node.entries().is_empty() {
        return NONE.clone();
    }
    shape::make_texts(&mut node, common_schema(), common_schema());
    let misfits = shape::check(&node, common_schema(), &"a step");
    if misfits.is_empty() {
        match serde_json::from_value(node.to_value()) {
            Ok(common) => return Arc::new(common),
            Err(error) => problems.push(Diagnostic::error(kind.span.clone(), worded(&error))),
        }
    }
    problems.extend(misfits);
    NONE.clone()
}
