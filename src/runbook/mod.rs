//! A Markdown file as a runbook: front matter, prose, and `opsml` blocks that each declare one step.
//!
//! Parsing never fails and does no I/O: it returns what it understood, and diagnostics for the rest.

mod check;
mod document;
mod front;
mod prose;
pub mod shape;
pub mod template;
pub mod yaml;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use check::{Context, Resolved, check, foreseen, resolve, used_steps, uses_run};
pub use document::options as markdown_options;
pub use front::{FrontMatter, Param, ParamType, front_matter_schema};
pub use prose::Piece;

use crate::diagnostic::{Diagnostic, Source, Span};
use crate::step::Common;
use yaml::{Key, Node};

/// What a file declares.
#[derive(Debug)]
pub struct Runbook {
    pub source: Source,
    pub front: FrontMatter,
    /// In document order; ids are unique.
    pub steps: Vec<Declared>,
    /// The document in order: prose, fenced code that stays literal, and the places of the steps.
    pub pieces: Vec<Piece>,
}

/// One step as it is written, before its templates are resolved.
#[derive(Clone, Debug)]
pub struct Declared {
    pub id: String,
    pub id_span: Span,
    /// The whole block, fences included.
    pub span: Span,
    /// The key that names the kind.
    pub kind: Key,
    /// The kind's fields.
    pub fields: Node,
    pub common: Common,
    /// The common keys as written, for the places of their values.
    pub body: Node,
}

impl Runbook {
    /// Reads a runbook. The diagnostics are about its form alone; [`check`] adds what its content gets wrong.
    pub fn parse(source: Source) -> (Self, Vec<Diagnostic>) {
        document::parse(source)
    }

    pub fn step(&self, id: &str) -> Option<&Declared> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The file's name without its ending: it names the state folder, the report folder and the resources.
    pub fn stem(&self) -> &str {
        self.source.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("runbook")
    }

    /// The title, or the file's name where there is none.
    pub fn title(&self) -> &str {
        self.front.title.as_deref().unwrap_or(self.stem())
    }

    /// The parameters' values: `given` over the defaults. An unknown name, a value of another type or a missing
    /// one is a message that names it.
    pub fn params(&self, given: &BTreeMap<String, Value>) -> Result<Map<String, Value>, Vec<String>> {
        let mut problems = Vec::new();
        for name in given.keys().filter(|name| !self.front.params.contains_key(*name)) {
            let known = self.front.params.keys().map(String::as_str);
            let known: Vec<&str> = known.collect();
            problems.push(match crate::diagnostic::closest(name, known.iter().copied()) {
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
                None => {
                    let help = param.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
                    problems
                        .push(format!("parameter `{name}`{help} has no default: give it with -p {name}=…"));
                }
            }
        }
        if problems.is_empty() { Ok(values) } else { Err(problems) }
    }
}
