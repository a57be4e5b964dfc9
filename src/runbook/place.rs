//! Where the bytes of a YAML text stand in the document: quotes, escapes, indentation and folded lines shift them.

use super::yaml::Node;
use crate::diagnostic::Span;

/// The places of a node's text in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Places {
    /// The text stands in the document as it is, from this byte on.
    From(usize),
    /// The place of each of its bytes, and of its end.
    Each(Vec<usize>),
    /// It is not found: each place is that of the node.
    Unknown(Span),
}

impl Places {
    /// Finds the text of a node in the document.
    pub fn of(document: &str, node: &Node, text: &str) -> Self {
        let Some(raw) = document.get(node.span.clone()) else { return Self::Unknown(node.span.clone()) };
        if let Some(at) = raw.find(text) {
            return Self::From(node.span.start + at);
        }
        // The content of a block scalar may begin with a quote, too.
        let quote = raw.chars().next().filter(|c| matches!(c, '"' | '\''));
        let written = quote.map(|quote| quoted(raw, quote)).into_iter().chain([raw.char_indices().collect()]);
        let found = written.filter_map(|written| aligned(&written, text, node.span.start)).next();
        found.map_or_else(|| Self::Unknown(node.span.clone()), Self::Each)
    }

    /// Returns the place in the document of a byte of the text.
    pub fn at(&self, byte: usize) -> usize {
        match self {
            Self::From(start) => start + byte,
            Self::Each(places) => places.get(byte).or(places.last()).copied().unwrap_or_default(),
            Self::Unknown(span) => span.start,
        }
    }
}

/// Returns the characters of a quoted scalar with their places: without the quotes, and each escape as what it means.
fn quoted(raw: &str, quote: char) -> Vec<(usize, char)> {
    let mut written = Vec::new();
    let mut chars = raw.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            // A single quote is doubled; any other one is the last.
            if quote != '\'' || chars.next_if(|(_, next)| *next == quote).is_none() {
                break;
            }
            written.push((at, c));
            continue;
        }
        if quote == '\'' || c != '\\' {
            written.push((at, c));
            continue;
        }
        let Some((_, escape)) = chars.next() else { break };
        let digits = match escape {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let code: String = chars.by_ref().take(digits).map(|(_, digit)| digit).collect();
        let meant = match escape {
            'x' | 'u' | 'U' => u32::from_str_radix(&code, 16).ok().and_then(char::from_u32),
            '0' => Some('\0'),
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'e' => Some('\u{1b}'),
            // Space is not compared.
            't' | 'n' | 'v' | 'f' | 'r' | 'N' | '_' | 'L' | 'P' => None,
            other => Some(other),
        };
        written.extend(meant.map(|meant| (at, meant)));
    }
    written
}

/// Returns the place of each byte of `text`, and of its end, if it has the characters of `written` but for space: lines are
/// folded and lose their indentation.
fn aligned(written: &[(usize, char)], text: &str, base: usize) -> Option<Vec<usize>> {
    let mut written = written.iter().filter(|(_, c)| !c.is_whitespace());
    let mut places = Vec::with_capacity(text.len() + 1);
    let mut next = base;
    for c in text.chars() {
        if c.is_whitespace() {
            places.extend(std::iter::repeat_n(next, c.len_utf8()));
            continue;
        }
        let (at, _) = written.next().filter(|(_, other)| *other == c)?;
        places.extend((0..c.len_utf8()).map(|byte| base + at + byte));
        next = base + at + c.len_utf8();
    }
    places.push(next);
    written.next().is_none().then_some(places)
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    #[test]
    fn names_are_found_however_the_text_is_written() {
        for document in [
            "a: é {{ train.x }}",
            "a: \"é {{ train.x }}\"",
            "a: '{{ it''s }} {{ train.x }}'",
            "a: \"{{ figure(\\\"b\\\") }} \\u00e9 {{ train.x }}\"",
            "a: \"one\\\n    \\ two\n\n    {{ train.x }}\"",
            "a: |\n    one\n    \"é\" {{ train.x }}\n",
            "a: |\n    \"é\"\n    {{ train.x }}\"\n",
            "a: >-\n    one\n    two {{ train.x }}\n\n    three\n",
            "a: one\n  two {{ train.x }}\n",
            "a: \"\\x41\\U0001F600\\t{{ train.x }}\"",
        ] {
            let mut problems = Vec::new();
            let node = yaml::parse(document, 0..document.len(), &mut problems).unwrap();
            let node = node.get("a").unwrap();
            let text = node.text().unwrap();
            let places = Places::of(document, node, text);
            let start = text.find("train").unwrap();
            assert_eq!(&document[places.at(start)..places.at(start + 5)], "train", "{document}");
            assert!(places.at(text.len()) <= document.len(), "{document}");
        }
    }

    #[test]
    fn a_text_that_is_not_there_has_the_place_of_the_node() {
        let node = Node { span: 2..5, kind: yaml::NodeKind::Text("other".into()) };
        assert_eq!(Places::of("a: {b}", &node, "other").at(3), 2);
        assert_eq!(Places::of("", &node, "other").at(9), 2);
    }
}
