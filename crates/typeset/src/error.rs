//! What is wrong with a template, and where.

use std::fmt;

use typst::diag::SourceDiagnostic;
use typst::syntax::DiagSpan;
use typst::{World as _, WorldExt as _};

use crate::world::Files;

/// Why a template makes no document.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// The template's name.
    pub name: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The line of the template, from 1; `None` where typst doesn't know it.
    pub line: Option<usize>,
    pub message: String,
    pub hints: Vec<String>,
}

impl Problem {
    pub(crate) fn new(found: &SourceDiagnostic, world: &Files) -> Self {
        let line = |span: DiagSpan| {
            let here = span.id() == Some(world.main());
            here.then(|| world.line(world.range(span)?.start)).flatten()
        };
        // What is wrong in a file, as in its JSON, is found where the template reads it.
        let callers = found.trace.iter().map(|point| DiagSpan::from(point.span));
        Self {
            line: std::iter::once(found.span).chain(callers).find_map(line),
            message: found.message.to_string(),
            hints: found.hints.iter().map(|hint| hint.v.to_string()).collect(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(to, "line {line}: ")?;
        }
        to.write_str(&self.message)?;
        match self.hints.is_empty() {
            true => Ok(()),
            false => write!(to, " ({})", self.hints.join("; ")),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        write!(to, "{}, {}", self.name, problems.join("; "))
    }
}

impl std::error::Error for Error {}
