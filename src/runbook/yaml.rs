//! YAML as a tree in which every key and value has its place in the document.
//!
//! The tree has JSON's data model. Anchors, aliases and tags are refused, so that a small text cannot become a large tree
//! and every value has one meaning.

use std::collections::HashSet;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};
use serde_json::{Map, Number, Value};

use super::unclosed;
use crate::diagnostic::{Diagnostic, Span};

/// The deepest nesting that is accepted. The deepest field of any step has four levels.
const MAX_DEPTH: usize = 32;

/// A mapping of fewer keys is looked through for one that stands there twice: that is faster than to hash them.
const FEW: usize = 16;

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Span,
    pub kind: NodeKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// What is no text, and how it is spelt.
    Plain(Scalar, Box<str>),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
}

impl From<&Scalar> for Value {
    fn from(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Null => Self::Null,
            Scalar::Bool(value) => Self::Bool(*value),
            Scalar::Number(number) => Self::Number(number.clone()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub span: Span,
    pub name: String,
}

impl Node {
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.kind {
            NodeKind::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value without its places.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Plain(value, _) => value.into(),
            NodeKind::Text(text) => Value::String(text.clone()),
            NodeKind::List(items) => items.iter().map(Node::to_value).collect(),
            NodeKind::Map(entries) => entries
                .iter()
                .map(|(key, node)| (key.name.clone(), node.to_value()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    /// Returns the value's type in words.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            NodeKind::Plain(value, _) => type_name(value),
            NodeKind::Text(_) => "text",
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a mapping",
        }
    }

    /// Visits every text in the tree, except the keys.
    pub fn each_text(&self, visit: &mut dyn FnMut(&Self, &str)) {
        match &self.kind {
            NodeKind::Text(text) => visit(self, text),
            NodeKind::Plain(..) => {}
            NodeKind::List(items) => items.iter().for_each(|item| item.each_text(visit)),
            NodeKind::Map(entries) => entries.iter().for_each(|(_, value)| value.each_text(visit)),
        }
    }

    /// Returns the tree with every text replaced.
    pub fn map_texts(&self, change: &mut dyn FnMut(&Self, &str) -> Self) -> Self {
        let kind = match &self.kind {
            NodeKind::Text(text) => return change(self, text),
            NodeKind::Plain(..) => self.kind.clone(),
            NodeKind::List(items) => {
                NodeKind::List(items.iter().map(|item| item.map_texts(change)).collect())
            }
            NodeKind::Map(entries) => NodeKind::Map(
                entries.iter().map(|(key, value)| (key.clone(), value.map_texts(change))).collect(),
            ),
        };
        Self { span: self.span.clone(), kind }
    }

    /// Whether a text in the tree passes the test.
    pub fn any_text(&self, test: &dyn Fn(&Self, &str) -> bool) -> bool {
        match &self.kind {
            NodeKind::Text(text) => test(self, text),
            NodeKind::Plain(..) => false,
            NodeKind::List(items) => items.iter().any(|item| item.any_text(test)),
            NodeKind::Map(entries) => entries.iter().any(|(_, value)| value.any_text(test)),
        }
    }

    /// Returns a value as a tree whose parts all have the same place.
    pub fn at(span: &Span, value: Value) -> Self {
        let kind = match value {
            Value::String(text) => NodeKind::Text(text),
            Value::Array(items) => {
                NodeKind::List(items.into_iter().map(|item| Self::at(span, item)).collect())
            }
            Value::Object(map) => NodeKind::Map(
                map.into_iter()
                    .map(|(name, value)| (Key { span: span.clone(), name }, Self::at(span, value)))
                    .collect(),
            ),
            Value::Null => NodeKind::Plain(Scalar::Null, "null".into()),
            Value::Bool(value) => NodeKind::Plain(Scalar::Bool(value), value.to_string().into()),
            Value::Number(number) => {
                let spelt = number.to_string().into();
                NodeKind::Plain(Scalar::Number(number), spelt)
            }
        };
        Self { span: span.clone(), kind }
    }

    /// Returns a number, true or false as text: as it is spelt.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Plain(value, spelt) if *value != Scalar::Null => Some(spelt),
            _ => None,
        }
    }

    /// Returns the value in one line, as a runbook may have it.
    pub fn in_a_line(&self) -> String {
        let quoted = |text: &str| {
            let is_plain = text.starts_with(|c: char| c.is_alphanumeric())
                && text.chars().all(|c| c.is_alphanumeric() || "_-./".contains(c))
                && plain_value(text, ScalarStyle::Plain).is_none();
            if is_plain { text.to_owned() } else { Value::from(text).to_string() }
        };
        let joined = |parts: Vec<String>| parts.join(", ");
        match &self.kind {
            NodeKind::Plain(_, spelt) => spelt.to_string(),
            NodeKind::Text(text) => quoted(text),
            NodeKind::List(items) => format!("[{}]", joined(items.iter().map(Self::in_a_line).collect())),
            NodeKind::Map(entries) => {
                let entry =
                    |(key, value): &(Key, Self)| format!("{}: {}", quoted(&key.name), value.in_a_line());
                format!("{{{}}}", joined(entries.iter().map(entry).collect()))
            }
        }
    }
}

/// Returns a value's type in words: `nothing`, `an integer`, …
fn type_name(value: &Scalar) -> &'static str {
    match value {
        Scalar::Null => "nothing",
        Scalar::Bool(_) => "true or false",
        Scalar::Number(number) if number.is_f64() => "a number",
        Scalar::Number(_) => "an integer",
    }
}

/// Reads the YAML document at `span` of `document`. An empty one is an empty mapping.
pub fn parse(document: &str, span: Span, problems: &mut Vec<Diagnostic>) -> Option<Node> {
    let text = &document[span.clone()];
    let before = problems.len();
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        offsets: Offsets::new(text, span.start),
        document,
        problems,
    };
    match reader.document() {
        Ok(None) => Some(Node { span: span.clone(), kind: NodeKind::Map(Vec::new()) }),
        Ok(Some(node)) => (problems.len() == before).then_some(node),
        Err(error) => {
            let at = reader.offsets.byte(error.marker().index()).min(span.end);
            let line_start = document[..at].rfind('\n').map_or(0, |i| i + 1).max(span.start);
            let line_end = document[at..].find('\n').map_or(document.len(), |i| at + i);
            let mut problem = unclosed::explain(text, at - span.start, error.info());
            problem = unclosed::moved(problem, span.start);
            if has_bare_expression(&document[line_start..line_end]) {
                // It opens no mapping: it is only not in quotes.
                problem.span = at..at;
                problem.message = "this is not YAML: an expression stands here without quotes".into();
                problem.hints = vec![QUOTE_HINT.into()];
            }
            problems.push(problem);
            None
        }
    }
}

const QUOTE_HINT: &str = "an expression is quoted in YAML: \"{{ … }}\"";

fn has_bare_expression(line: &str) -> bool {
    line.contains(": {{") || line.trim_start().starts_with("- {{")
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    offsets: Offsets,
    document: &'a str,
    problems: &'a mut Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), ScanError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let start = self.offsets.byte(span.start.index());
                let end = self.offsets.byte(span.end.index()).max(start);
                Ok((event, start..end))
            }
            Some(Err(error)) => Err(error),
            None => Ok((Event::StreamEnd, self.offsets.end()..self.offsets.end())),
        }
    }

    fn document(&mut self) -> Result<Option<Node>, ScanError> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(root),
                (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
                (event, span) if root.is_none() => root = Some(self.node(event, span, 0)?),
                (_, span) => {
                    self.problems.push(Diagnostic::error(span, "only one YAML document may stand here"));
                    return Ok(root);
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, ScanError> {
        if depth > MAX_DEPTH {
            // It is returned as an error of the scanner, which stops there.
            let info = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(ScanError::new(self.offsets.marker(span.start), info));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(&span, anchor, tag.is_some());
                let kind = match plain_value(&text, style) {
                    Some(value) => NodeKind::Plain(value, text.into()),
                    None => NodeKind::Text(text.into_owned()),
                };
                Ok(Node { span, kind })
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(&span, anchor, tag.is_some());
                // One item is what most have, and a vector that grows makes room for four.
                let mut items = Vec::with_capacity(1);
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, end) => {
                            return Ok(Node {
                                span: span.start..self.trim(span.start, end.end),
                                kind: NodeKind::List(items),
                            });
                        }
                        (event, at) => items.push(self.node(event, at, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(&span, anchor, tag.is_some());
                self.mapping(span, depth)
            }
            Event::Alias(_) => {
                self.problems
                    .push(Diagnostic::error(span.clone(), "YAML aliases are not supported in a runbook"));
                Ok(Node::at(&span, Value::Null))
            }
            _ => Ok(Node::at(&span, Value::Null)),
        }
    }

    fn mapping(&mut self, span: Span, depth: usize) -> Result<Node, ScanError> {
        let bare = self.document[span.start..].starts_with("{{");
        let mut entries: Vec<(Key, Node)> = Vec::with_capacity(1);
        // The names, once they are too many to look through.
        let mut names: HashSet<String> = HashSet::new();
        let end = loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break at.end;
            }
            let key = self.node(event, at, depth + 1)?;
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            if bare {
                continue;
            }
            let name = match &key.kind {
                NodeKind::Text(name) => name.clone(),
                NodeKind::Plain(Scalar::Number(_) | Scalar::Bool(_), spelt) => spelt.to_string(),
                _ => {
                    self.problems.push(Diagnostic::error(key.span, "a key is plain text"));
                    continue;
                }
            };
            if entries.len() == FEW {
                names.extend(entries.iter().map(|(key, _)| key.name.clone()));
            }
            let is_taken = match entries.len() < FEW {
                true => entries.iter().any(|(key, _)| key.name == name),
                false => !names.insert(name.clone()),
            };
            if is_taken {
                self.problems
                    .push(Diagnostic::error(key.span, format!("the key `{name}` stands here twice")));
                continue;
            }
            entries.push((Key { span: key.span, name }, value));
        };
        let span = span.start..self.trim(span.start, end);
        if bare {
            self.problems.push(
                Diagnostic::error(span.clone(), "an expression without quotes is a YAML mapping")
                    .hint(QUOTE_HINT),
            );
        }
        Ok(Node { span, kind: NodeKind::Map(entries) })
    }

    /// Returns the end of a block collection: its last line. The parser says where the next thing starts.
    fn trim(&self, start: usize, end: usize) -> usize {
        start + self.document[start..end.max(start)].trim_end().len()
    }

    fn refuse_extras(&mut self, span: &Span, anchor: usize, tagged: bool) {
        if anchor > 0 {
            self.problems
                .push(Diagnostic::error(span.clone(), "YAML anchors are not supported in a runbook"));
        }
        if tagged {
            self.problems.push(Diagnostic::error(span.clone(), "YAML tags are not supported in a runbook"));
        }
    }
}

/// Returns the value of a text if it stood without quotes: a number, true, false or nothing.
pub fn unquoted(text: &str) -> Option<Scalar> {
    plain_value(text, ScalarStyle::Plain)
}

/// Reads a plain scalar by YAML 1.2's core schema. Returns `None` for text.
fn plain_value(text: &str, style: ScalarStyle) -> Option<Scalar> {
    if style != ScalarStyle::Plain {
        return None;
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Scalar::Null),
        "true" | "True" | "TRUE" => return Some(Scalar::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Scalar::Bool(false)),
        _ => {}
    }
    let digits = text.trim_start_matches(['-', '+']);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || text.len() - digits.len() > 1 {
        return None;
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        // An account id with a leading zero is text, not a number.
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        let number = unsigned.parse::<i64>().map(Number::from);
        return number.or_else(|_| unsigned.parse::<u64>().map(Number::from)).ok().map(Scalar::Number);
    }
    if digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-')) {
        return unsigned.parse::<f64>().ok().and_then(Number::from_f64).map(Scalar::Number);
    }
    None
}

/// The parser counts characters from the start of the text; spans count bytes of the document.
struct Offsets {
    base: usize,
    /// The byte offset of each character and of the end. Empty if every character is one byte.
    bytes: Vec<usize>,
    length: usize,
}

impl Offsets {
    fn new(text: &str, base: usize) -> Self {
        let bytes = match text.is_ascii() {
            true => Vec::new(),
            false => text.char_indices().map(|(at, _)| at).chain([text.len()]).collect(),
        };
        Self { base, bytes, length: text.len() }
    }

    fn byte(&self, index: usize) -> usize {
        self.base
            + match self.bytes.is_empty() {
                true => index.min(self.length),
                false => self.bytes.get(index).copied().unwrap_or(self.length),
            }
    }

    fn end(&self) -> usize {
        self.base + self.length
    }

    fn marker(&self, byte: usize) -> saphyr_parser::Marker {
        let at = byte - self.base;
        let index = if self.bytes.is_empty() { at } else { self.bytes.partition_point(|b| *b < at) };
        saphyr_parser::Marker::new(index, 1, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
        let mut problems = Vec::new();
        let node = parse(text, 0..text.len(), &mut problems);
        (node, problems)
    }

    #[test]
    fn values_and_places() {
        let text = "é: 1\ntrain:\n  rate: 1e-3\n  id: 0123\n  on: [yes, true]\n";
        let (node, problems) = read(text);
        let node = node.unwrap();
        assert_eq!(problems, []);
        assert_eq!(
            node.to_value(),
            json!({"é": 1, "train": {"rate": 0.001, "id": "0123", "on": ["yes", true]}})
        );
        let rate = node.get("train").unwrap().get("rate").unwrap();
        assert_eq!(&text[rate.span.clone()], "1e-3");
    }

    #[test]
    fn what_is_not_plain_data_is_refused() {
        for (text, message) in [
            ("a: {{ x }}", "without quotes"),
            ("a: {{ x }}/y", "not YAML"),
            ("a: 1\na: 2", "twice"),
            ("a: &x 1\nb: *x", "anchors"),
            ("a: !!binary aGk=", "tags"),
        ] {
            let (_, problems) = read(text);
            assert!(problems.iter().any(|p| p.message.contains(message)), "{text}: {problems:?}");
        }
        // However many keys there are.
        for keys in 1..3 * FEW {
            let text: String = (0..keys).map(|number| format!("k{number}: 1\n")).collect();
            let (node, problems) = read(&text);
            assert_eq!((node.unwrap().entries().len(), problems), (keys, Vec::new()));
            for again in [0, keys - 1] {
                let problems = read(&format!("{text}k{again}: 2\nlast: 1")).1;
                assert_eq!(problems.len(), 1, "{problems:?}");
                assert_eq!(problems[0].message, format!("the key `k{again}` stands here twice"));
            }
        }
        let (_, problems) = read("a: {{ x }}/y");
        assert_eq!(problems[0].hints, [QUOTE_HINT]);
        assert!(!read(&"[".repeat(10_000)).1.is_empty());
    }
}
