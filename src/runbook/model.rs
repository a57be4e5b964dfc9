//! What a runbook file declares: front matter, steps and prose.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::front::{FrontMatter, Param};
use super::tag::{FigureCall, Tags};
use super::template::{self, Form};
use super::yaml::{Key, Node};
use crate::diagnostic::{Source, Span, closest};
use crate::step::{Common, KindInfo};

#[derive(Debug)]
pub struct Runbook {
    pub source: Source,
    pub front: FrontMatter,
    /// In document order; ids are unique.
    pub steps: Vec<Declared>,
    /// The document in order.
    pub pieces: Vec<Piece>,
    /// Whether the front matter has mistakes, so that its declarations are unknown.
    pub front_unread: bool,
    /// Whether an `include` block can't be read, so that its steps are unknown.
    pub include_unread: bool,
    /// Ids of blocks that have mistakes, and so are not among `steps`.
    pub unread: HashSet<String>,
    /// How many `opsml` blocks there are, with those that have mistakes.
    pub blocks: usize,
    /// The index of each id's step.
    pub(super) positions: HashMap<String, usize>,
}

/// A step as written, before its templates are resolved.
#[derive(Clone, Debug)]
pub struct Declared {
    pub id: String,
    pub id_span: Span,
    /// The whole block, fences included.
    pub span: Span,
    /// Where in the document it stands: of an included step, where the `include` block begins.
    pub stands_at: usize,
    /// The key that names the kind.
    pub kind: Key,
    /// What its kind is like.
    pub info: &'static KindInfo,
    /// The kind's fields.
    pub fields: Node,
    /// The common keys. Most steps have none, and share the defaults.
    pub common: Arc<Common>,
    /// The common keys as written, for the places of their values.
    pub body: Node,
    pub uses: Uses,
}

/// What a step depends on, by its fields, `when` and `needs`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Uses {
    pub steps: BTreeSet<String>,
    /// Whether it refers to the run itself.
    pub run: bool,
}

impl Uses {
    pub fn of(fields: &Node, common: &Common) -> Self {
        let mut uses = Self { steps: BTreeSet::from_iter(common.needs.iter().cloned()), run: false };
        let mut collect = |text: &str, form: Form| {
            for reference in template::references(text, form, &|at| at).unwrap_or_default() {
                match reference.root.as_str() {
                    "params" => {}
                    "run" => uses.run = true,
                    _ => drop(uses.steps.insert(reference.root)),
                }
            }
        };
        fields.each_text(&mut |_, text| {
            if template::has_template(text) {
                collect(text, Form::Template);
            }
        });
        common.when.iter().for_each(|when| collect(when, Form::Expression));
        uses
    }
}

/// What `figure("…")` or `ref("…")` in the prose names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureUse {
    pub step: String,
    /// Which of the step's figures: 1 is the first.
    pub nth: usize,
    /// Where in the document the figure is placed. `None` if it is only referred to.
    pub places_at: Option<usize>,
}

/// A part of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Markdown in which templates are resolved.
    Prose(Span),
    /// Fenced code of another language. The report shows it unchanged.
    Literal(Span),
    /// The block of the step with this index.
    Step(usize, Span),
}

impl Runbook {
    pub fn step(&self, id: &str) -> Option<&Declared> {
        self.position(id).map(|index| &self.steps[index])
    }

    /// The step's index in `steps`.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.positions.get(id).copied()
    }

    /// Returns the ids in the order of the document.
    pub fn in_order<'s>(&self, ids: impl Iterator<Item = &'s str>) -> Vec<&'s str> {
        let mut ids: Vec<&str> = ids.collect();
        ids.sort_by_key(|id| self.position(id));
        ids
    }

    /// Returns the file's name without its ending, which names the state folder, the report folder and the resources.
    pub fn stem(&self) -> &str {
        self.source.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("runbook")
    }

    /// Returns the title, or the file's name if there is none.
    pub fn title(&self) -> &str {
        self.front.title.as_deref().unwrap_or(self.stem())
    }

    /// Returns the parameters' values: those of `given`, or else the defaults. Returns a message for each unknown name, value
    /// of another type and missing value.
    pub fn params(&self, given: &BTreeMap<String, Value>) -> Result<Map<String, Value>, Vec<String>> {
        let mut problems = Vec::new();
        for name in given.keys().filter(|name| !self.front.params.contains_key(*name)) {
            let known: Vec<&str> = self.front.params.keys().map(String::as_str).collect();
            problems.push(match closest(name, known.iter().copied()) {
                Some(close) => format!("the runbook has no parameter `{name}`; did you mean `{close}`?"),
                None => format!("the runbook has no parameter `{name}`; it has: {}", known.join(", ")),
            });
        }
        let mut values = Map::new();
        for (name, param) in &self.front.params {
            match given.get(name).map(|value| param.accept(value)).or_else(|| param.default.clone().map(Ok)) {
                Some(Ok(value)) => {
                    values.insert(name.clone(), value);
                }
                Some(Err(message)) => problems.push(format!("parameter `{name}`: {message}")),
                None if param.secret => problems.push(format!(
                    "parameter `{name}` is secret, and no run keeps it: give it with -p {name}=…, in the file of -f, or in \
                     the environment variable {}",
                    Param::variable(name)
                )),
                None => {
                    let help = param.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
                    problems
                        .push(format!("parameter `{name}`{help} has no default: give it with -p {name}=…"));
                }
            }
        }
        if problems.is_empty() || self.front_unread { Ok(values) } else { Err(problems) }
    }

    /// Returns what the prose places by `figure("…")` and refers to by `ref("…")`, in order.
    pub fn figure_uses(&self) -> Vec<FigureUse> {
        let text = self.prose_template();
        let summary =
            self.front.summary.iter().flat_map(|line| Tags::new(&line.value, Form::Template).figures());
        let uses = Tags::new(&text, Form::Template).figures();
        let owned =
            |call: FigureCall<'_>, at| FigureUse { step: call.step.to_owned(), nth: call.nth, places_at: at };
        let in_prose = uses.into_iter().map(|call| {
            let at = call.places.then_some(call.span.start);
            owned(call, at)
        });
        summary.map(|call| owned(call, None)).chain(in_prose).collect()
    }

    /// Returns the document with spaces in place of everything that is not prose, so that a place in the result is the same
    /// place in the document.
    pub fn prose_template(&self) -> String {
        let mut text = String::with_capacity(self.source.text.len());
        for piece in &self.pieces {
            if let Piece::Prose(span) = piece {
                blank(&self.source.text[text.len()..span.start], &mut text);
                text.push_str(&self.source.text[span.clone()]);
            }
        }
        blank(&self.source.text[text.len()..], &mut text);
        text
    }
}

fn blank(original: &str, text: &mut String) {
    text.extend(original.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
}
