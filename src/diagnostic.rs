//! Problems of a runbook: severity, message, span and hints, printed as text with carets or as JSON.

use std::fmt::{Display, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::secret;

/// The most characters to print of a line.
const SHOWN: usize = 200;

/// A range of bytes of the document.
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

    /// Adds "did you mean …" if one of the known names is close to the given one, or else all known names if they are few.
    pub fn suggest<'a>(self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        match closest(given, known.iter().copied()) {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None if !known.is_empty() && known.len() <= 24 => {
                self.hint(format!("known names: {}", known.join(", ")))
            }
            None => self,
        }
    }
}

/// A name that a list of names lacks. One that is close to a name of the list is misspelt; another may be newer than the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    pub message: String,
    /// What it most likely means.
    pub meant: Option<String>,
    /// What else is to be said of it.
    pub hints: Vec<String>,
    /// Whether it is wrong in any case.
    pub is_wrong: bool,
}

impl Unknown {
    pub fn new(message: impl Into<String>, meant: Option<impl Into<String>>) -> Self {
        Self { message: message.into(), meant: meant.map(Into::into), hints: Vec::new(), is_wrong: false }
    }

    /// A name that is wrong, whatever it means.
    pub fn wrong(self) -> Self {
        Self { is_wrong: true, ..self }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Returns it with its place: an error if it is wrong or misspelt, and else a warning.
    pub fn located(self, span: Span) -> Diagnostic {
        let is_error = self.is_wrong || self.meant.is_some();
        let severity = if is_error { Severity::Error } else { Severity::Warning };
        let meant = self.meant.map(|meant| format!("did you mean `{meant}`?"));
        Diagnostic {
            severity,
            message: self.message,
            span,
            hints: meant.into_iter().chain(self.hints).collect(),
        }
    }
}

/// Returns the known name that a misspelt one most likely means: the same in another case, or else one that is close.
pub fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(same) = known.iter().find(|name| name.eq_ignore_ascii_case(given)) {
        return Some(same);
    }
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .filter(|(distance, name)| *distance <= (name.len().max(given.len()) / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A document and its lines. The texts of the files that it includes stand behind its own, so that each place in any of them is
/// one offset.
#[derive(Debug)]
pub struct Source {
    pub path: PathBuf,
    pub text: String,
    /// How much of the text is the document's own.
    own: usize,
    included: Vec<Included>,
    line_starts: Vec<usize>,
    /// The places of the secrets in it, once they are asked for.
    secrets: OnceLock<Vec<Span>>,
}

/// A file that a document includes.
#[derive(Clone, Debug)]
pub struct Included {
    /// As the document names it.
    pub name: String,
    pub path: PathBuf,
    /// Where its text is, or why it can't be read.
    pub text: Result<Span, String>,
}

/// A place in a document. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Source {
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        // A byte order mark would hide the front matter.
        let text: String = text.into();
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let (own, line_starts) = (text.len(), line_starts(&text));
        let (path, included, secrets) = (path.into(), Vec::new(), OnceLock::new());
        Self { path, text, own, included, line_starts, secrets }
    }

    /// Returns the document with a file that it includes, or with the reason why that can't be read.
    pub fn include(mut self, name: String, path: PathBuf, text: Result<String, String>) -> Self {
        let text = text.map(|text| {
            self.text.push('\n');
            let start = self.text.len();
            self.text.push_str(text.strip_prefix('\u{feff}').unwrap_or(&text));
            start..self.text.len()
        });
        self.included.push(Included { name, path, text });
        (self.line_starts, self.secrets) = (line_starts(&self.text), OnceLock::new());
        self
    }

    /// Returns the place of the document's own text.
    pub fn own(&self) -> Span {
        0..self.own
    }

    /// Returns the names of the files that the document includes.
    pub fn included_files(&self) -> impl Iterator<Item = &str> {
        self.included.iter().map(|included| included.name.as_str())
    }

    pub fn included(&self, name: &str) -> Option<&Included> {
        self.included.iter().find(|included| included.name == name)
    }

    /// Returns the included file in which an offset lies, and where its text begins.
    fn included_at(&self, offset: usize) -> Option<(&Included, usize)> {
        let of = |included: &Included| included.text.as_ref().ok().map(|text| (text.start, text.end));
        self.included.iter().find_map(|included| {
            let (start, end) = of(included)?;
            (start <= offset && offset <= end).then_some((included, start))
        })
    }

    /// Returns the file in which an offset lies.
    pub fn path_at(&self, offset: usize) -> &Path {
        self.included_at(offset).map_or(&self.path, |(included, _)| &included.path)
    }

    /// Returns `line 7`, and of an included file `line 7 of roles.md`.
    pub fn line_in_words(&self, offset: usize) -> String {
        let line = self.position(offset).line;
        match self.included_at(offset) {
            Some((included, _)) => format!("line {line} of {}", included.name),
            None => format!("line {line}"),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.line_of_all(offset);
        let before = self.text.get(self.line_starts[line - 1]..offset).unwrap_or_default();
        let first = self.included_at(offset).map_or(1, |(_, start)| self.line_of_all(start));
        Position { line: line - first + 1, column: before.chars().count() + 1 }
    }

    /// Returns the line of an offset, counted from the start of the document, whatever file it lies in.
    fn line_of_all(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Returns the places of the secrets in the document. They are found in all of it at once, since a key has many lines.
    fn secrets(&self) -> &[Span] {
        self.secrets.get_or_init(|| secret::spans(&self.text))
    }

    /// Returns a part of the document as it is shown: without its secrets.
    pub fn shown(&self, span: &Span) -> String {
        let mut text = String::with_capacity(span.len());
        let mut at = span.start;
        for hidden in self.secrets().iter().filter(|it| it.start < span.end && span.start < it.end) {
            text.push_str(&self.text[at..hidden.start.max(at)]);
            text.push_str(secret::MASK);
            at = hidden.end.min(span.end);
        }
        text.push_str(&self.text[at..span.end]);
        text
    }

    fn line_text(&self, line: usize) -> &str {
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        self.text[self.line_starts[line - 1]..end].trim_end_matches(['\n', '\r'])
    }

    fn secret_at(&self, offset: usize) -> Option<&Span> {
        let after = self.secrets().partition_point(|secret| secret.end <= offset);
        self.secrets().get(after).filter(|secret| secret.start <= offset)
    }

    /// Returns `error: message`, the place, the line of the document with carets below it, and the hints. Of a long line,
    /// only the part around the span is printed.
    pub fn render(&self, diagnostic: &Diagnostic) -> String {
        let start = self.position(diagnostic.span.start);
        let end = self.position(diagnostic.span.end.max(diagnostic.span.start));
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let gutter = start.line.to_string().len();
        let line_of_all = self.line_of_all(diagnostic.span.start.min(self.text.len()));
        let line = self.line_text(line_of_all);
        let last = if end.line == start.line { end.column } else { line.chars().count() + 1 };
        let width = last.saturating_sub(start.column).clamp(1, SHOWN / 2);
        let skipped = match line.chars().count() > SHOWN {
            true => (start.column - 1).saturating_sub((SHOWN - width) / 2),
            false => 0,
        };
        let (mut shown, mut pad, mut carets) = (String::new(), String::new(), 0);
        let (line_start, mut hidden) = (self.line_starts[line_of_all - 1], None);
        for (index, (at, c)) in line.char_indices().enumerate().skip(skipped).take(SHOWN) {
            let safe = match self.secret_at(line_start + at) {
                // A mask stands for all characters of a secret.
                Some(secret) if hidden == Some(secret) => String::new(),
                Some(secret) => {
                    hidden = Some(secret);
                    secret::MASK.to_owned()
                }
                // Tabs stay tabs, so that the carets are below the span on any terminal.
                None if c == '\t' => "\t".to_owned(),
                None => printable_line(c.encode_utf8(&mut [0; 4])),
            };
            if index < start.column - 1 {
                pad.extend(safe.chars().map(|c| if c == '\t' { '\t' } else { ' ' }));
            } else if index < last - 1 {
                carets += safe.chars().count();
            }
            shown.push_str(&safe);
        }
        if skipped > 0 {
            (shown, pad) = (format!("…{shown}"), format!(" {pad}"));
        }
        if line.chars().nth(skipped + SHOWN).is_some() {
            shown.push('…');
        }
        let place = printable_line(&self.path_at(diagnostic.span.start).display().to_string());
        let mut text = String::new();
        let _ = writeln!(text, "{severity}: {}", printable(&secret::shown(&diagnostic.message)));
        let _ = writeln!(text, "{:gutter$}--> {place}:{}:{}", "", start.line, start.column);
        let _ = writeln!(text, "{:gutter$} |", "");
        let _ = writeln!(text, "{} | {shown}", start.line);
        let _ = writeln!(text, "{:gutter$} | {pad}{}", "", "^".repeat(carets.clamp(1, SHOWN / 2)));
        for hint in &diagnostic.hints {
            let _ = writeln!(text, "{:gutter$} = hint: {}", "", printable(&secret::shown(hint)));
        }
        text
    }

    /// Returns the same as an object: `severity`, `message`, `line`, `column`, `end_line`, `end_column`, `hints`, and `file` if it
    /// is one that the document includes.
    pub fn to_json(&self, diagnostic: &Diagnostic) -> Value {
        let start = self.position(diagnostic.span.start);
        let end = self.position(diagnostic.span.end);
        let mut value = json!({
            "severity": if diagnostic.severity == Severity::Error { "error" } else { "warning" },
            "message": diagnostic.message,
            "line": start.line, "column": start.column,
            "end_line": end.line, "end_column": end.column,
            "hints": diagnostic.hints,
        });
        if let Some((included, _)) = self.included_at(diagnostic.span.start) {
            value["file"] = json!(included.path);
        }
        value
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(index, _)| index + 1)).collect()
}

/// Returns text that is safe to print. Escapes control characters, which could control the terminal, and characters that
/// are invisible or change the direction of text. Line breaks and tabs stay.
pub fn printable(text: &str) -> String {
    escaped(text, |c| c == '\n' || c == '\t')
}

/// As [`printable`], but escapes line breaks and tabs too.
pub fn printable_line(text: &str) -> String {
    escaped(text, |_| false)
}

/// Returns a number with its noun: `1 step`, `2 steps`, `0 classes`.
pub fn counted<N: PartialEq + From<u8> + Display>(number: N, noun: &str) -> String {
    let ending = match number == N::from(1) {
        true => "",
        false if noun.ends_with('s') => "es",
        false => "s",
    };
    format!("{number} {noun}{ending}")
}

fn escaped(text: &str, stays: fn(char) -> bool) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        let unseen = matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if (c.is_control() && !stays(c)) || unseen {
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
    fn of_a_long_line_what_is_around_the_span_is_shown() {
        let text = format!("{}wrong{}", "x".repeat(100_000), "y".repeat(100_000));
        let source = Source::new("a\nb\u{202e}.md", text);
        let shown = source.render(&Diagnostic::error(100_000..100_005, "no"));
        assert!(shown.len() < 1000 && shown.contains("wrong"), "{shown}");
        assert!(shown.contains("--> a\\nb\\u{202e}.md:1:100001\n"), "{shown}");
        let lines: Vec<&str> = shown.lines().collect();
        let column = |line: &str, what: &str| line.find(what).map(|at| line[..at].chars().count());
        assert_eq!(column(lines[3], "wrong"), column(lines[4], "^^^^^"));
    }

    #[test]
    fn what_is_not_seen_is_escaped() {
        let text = "a\u{1b}[1m\n\tb\u{200b}\u{2066}\u{feff}é";
        assert_eq!(printable(text), "a\\u{1b}[1m\n\tb\\u{200b}\\u{2066}\\u{feff}é");
        assert_eq!(printable_line("a\n\tb"), "a\\n\\tb");
    }

    #[test]
    fn numbers_have_their_nouns() {
        assert_eq!(counted(1_usize, "live resource"), "1 live resource");
        assert_eq!(counted(0_u64, "step"), "0 steps");
        assert_eq!(counted(2_i32, "class"), "2 classes");
        assert_eq!(counted(0.5, "request"), "0.5 requests");
    }

    #[test]
    fn suggests_only_what_is_close() {
        assert_eq!(closest("instance_tpye", ["instance_type", "image"]), Some("instance_type"));
        assert_eq!(closest("BAYESIAN", ["Random", "Bayesian"]), Some("Bayesian"));
        assert_eq!(closest("colour", ["instance_type", "image"]), None);
    }
}
