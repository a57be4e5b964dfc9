//! What is wrong with a runbook, and where: severity, message, span, hints; as text with carets or as JSON.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Bytes of the document.
pub type Span = Range<usize>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub message: String,
    pub span: Span,
    pub hints: Vec<String>,
}

impl Diagnostic {
    pub fn error(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), span, hints: Vec::new() }
    }

    pub fn warning(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds "did you mean …" where one of `known` is close to `given`, and the whole list where it is short.
    pub fn suggest<'a>(self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        match closest(given, known.iter().copied()) {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None if !known.is_empty() && known.len() <= 24 => {
                self.hint(format!("there is: {}", known.join(", ")))
            }
            None => self,
        }
    }
}

/// The known name that a misspelt one most likely stands for.
pub fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .filter(|(distance, name)| *distance <= (name.len().max(given.len()) / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A document and its lines.
#[derive(Debug)]
pub struct Source {
    pub path: PathBuf,
    pub text: String,
    line_starts: Vec<usize>,
}

/// A place in a document as people count: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Source {
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let text = text.into();
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(index, _)| index + 1)).collect();
        Self { path: path.into(), text, line_starts }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let before = self.text.get(self.line_starts[line - 1]..offset).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }

    fn line_text(&self, line: usize) -> &str {
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        self.text[self.line_starts[line - 1]..end].trim_end_matches(['\n', '\r'])
    }

    /// `error: message`, the place, the runbook's own line with carets below it, and the hints.
    pub fn render(&self, diagnostic: &Diagnostic) -> String {
        let start = self.position(diagnostic.span.start);
        let end = self.position(diagnostic.span.end.max(diagnostic.span.start));
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let gutter = start.line.to_string().len();
        let line = self.line_text(start.line);
        let last = if end.line == start.line { end.column } else { line.chars().count() + 1 };
        // Tabs stay tabs, so that the carets stand below what they mean on any terminal.
        let pad: String =
            line.chars().take(start.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let mut text = String::new();
        let _ = writeln!(text, "{severity}: {}", printable(&diagnostic.message));
        let _ = writeln!(text, "{:gutter$}--> {}:{}:{}", "", self.path.display(), start.line, start.column);
        let _ = writeln!(text, "{:gutter$} |", "");
        let _ = writeln!(text, "{} | {}", start.line, printable(line));
        let _ =
            writeln!(text, "{:gutter$} | {pad}{}", "", "^".repeat(last.saturating_sub(start.column).max(1)));
        for hint in &diagnostic.hints {
            let _ = writeln!(text, "{:gutter$} = hint: {}", "", printable(hint));
        }
        text
    }

    /// The same as an object: `severity`, `message`, `line`, `column`, `end_line`, `end_column`, `hints`.
    pub fn to_json(&self, diagnostic: &Diagnostic) -> Value {
        let start = self.position(diagnostic.span.start);
        let end = self.position(diagnostic.span.end);
        json!({
            "severity": if diagnostic.severity == Severity::Error { "error" } else { "warning" },
            "message": diagnostic.message,
            "line": start.line, "column": start.column,
            "end_line": end.line, "end_column": end.column,
            "hints": diagnostic.hints,
        })
    }
}

/// Text from anywhere, safe to print: control characters, which could drive a terminal, are shown escaped.
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_below_the_span() {
        let source = Source::new("a.md", "one\n\ttwo: thrée x\n");
        let start = source.text.find("thrée").unwrap();
        let shown = source.render(&Diagnostic::error(start..start + "thrée".len(), "no").hint("yes"));
        assert_eq!(
            shown,
            "error: no\n --> a.md:2:7\n  |\n2 | \ttwo: thrée x\n  | \t     ^^^^^\n  = hint: yes\n"
        );
    }

    #[test]
    fn suggests_only_what_is_close() {
        assert_eq!(closest("instance_tpye", ["instance_type", "image"]), Some("instance_type"));
        assert_eq!(closest("colour", ["instance_type", "image"]), None);
    }
}
