//! Why a text is not YAML: which bracket or quote is never closed, and the parser's reasons in plain words.

use crate::diagnostic::{Diagnostic, Span};

/// Returns the message for a text that the parser stopped in: at the bracket or quote that is never closed, if there is
/// one, or else where the parser stopped. The places are bytes of `text`.
pub fn explain(text: &str, stopped: usize, info: &str) -> Diagnostic {
    match unclosed(text) {
        Some((at, sign)) => {
            let message = format!("this is not YAML: this `{sign}` is never closed");
            let partner = match sign {
                '[' => ']',
                '{' => '}',
                quote => quote,
            };
            let hint = format!("close it by `{partner}`, where the {} ends", what(sign));
            Diagnostic::error(at..at + sign.len_utf8(), message).hint(hint)
        }
        None => {
            let (message, hint) = in_words(info);
            let problem = Diagnostic::error(stopped..stopped, format!("this is not YAML: {message}"));
            hint.into_iter().fold(problem, Diagnostic::hint)
        }
    }
}

fn what(sign: char) -> &'static str {
    match sign {
        '[' => "list",
        '{' => "mapping",
        _ => "text",
    }
}

/// Returns the parser's reason without its own words, and a way out.
fn in_words(info: &str) -> (String, Option<&'static str>) {
    let known: [(&str, &str, Option<&str>); 9] = [
        ("misplaced bracket", "this bracket closes nothing", None),
        (
            "mapping values are not allowed",
            "a `:` with a space behind it makes a key of what is before it, and no key can stand here",
            Some("text that has `: ` in it goes into quotes"),
        ),
        (
            "simple key expect",
            "this line has no `:`, and is no part of the line above",
            Some("a key has a colon and a space behind it, as `key: value`; a long text goes into quotes"),
        ),
        (
            "did not find expected key",
            "this line stands at a depth that no line above has",
            Some("the keys of a mapping begin in the same column"),
        ),
        (
            "did not find expected '-'",
            "this line is no item of the list above it",
            Some("each item of a list begins with `- `, in the same column"),
        ),
        ("tab", "a tab stands where a line is indented", Some("YAML is indented by spaces")),
        (
            "unknown escape character",
            "in double quotes, this `\\` begins no sign that YAML knows",
            Some("single quotes leave it as it is"),
        ),
        ("unexpected character", "text can't begin with this sign", Some("in quotes it can")),
        (
            "invalid trailing content",
            "something follows the closing quote",
            Some("the whole text goes into quotes, or none of it"),
        ),
    ];
    match known.into_iter().find(|(words, ..)| info.contains(words)) {
        Some((_, message, hint)) => (message.to_owned(), hint),
        None => {
            let plain = [
                ("flow sequence", "list in brackets"),
                ("flow mapping", "mapping in braces"),
                ("flow construct", "list or mapping in brackets"),
                ("block collection", "list"),
                ("block mapping", "mapping"),
                ("block scalar", "text"),
                ("plain scalar", "text"),
                ("quoted scalar", "quoted text"),
                ("scalar", "text"),
            ];
            let words = plain.into_iter().fold(info.to_owned(), |text, (from, to)| text.replace(from, to));
            (words, None)
        }
    }
}

/// Returns the first bracket or quote that is never closed: at the end of the text, before a bracket that closes another
/// kind, and where a line begins a key to the left of the line that the bracket stands in.
fn unclosed(text: &str) -> Option<(usize, char)> {
    // Each open bracket, and the indentation of the line in which the first of them stands.
    let (mut open, mut indent): (Vec<(usize, char)>, usize) = (Vec::new(), 0);
    // The lines of a text after `|` or `>` are deeper than this.
    let mut literal: Option<usize> = None;
    let mut at = 0;
    let mut quoted_until = 0;
    for line in text.split_inclusive('\n') {
        let (start, depth) = (at, line.len() - line.trim_start_matches(' ').len());
        at += line.len();
        if at <= quoted_until || line.trim().is_empty() {
            continue;
        }
        if let Some(outer) = literal {
            if depth > outer {
                continue;
            }
            literal = None;
        }
        if let Some((place, sign)) = open.last()
            && depth <= indent
            && begins_a_key(&line[depth..])
        {
            return Some((*place, *sign));
        }
        let mut scan = start.max(quoted_until);
        while scan < at {
            let rest = &text[scan..];
            let sign = rest.chars().next()?;
            let begins = begins_a_value(&text[start..scan], !open.is_empty());
            match sign {
                '#' if text[start..scan].ends_with([' ', '\t']) || scan == start => break,
                '"' | '\'' if begins => match closing_quote(rest, sign) {
                    Some(length) => {
                        quoted_until = scan + length;
                        scan = quoted_until;
                        continue;
                    }
                    None => return Some((scan, sign)),
                },
                '[' | '{' if begins || (!open.is_empty() && !rest.starts_with("{{")) => {
                    if open.is_empty() {
                        indent = depth;
                    }
                    open.push((scan, sign));
                }
                ']' | '}' if !open.is_empty() => {
                    let (place, opening) = open.pop()?;
                    if (opening == '[') != (sign == ']') {
                        return Some((place, opening));
                    }
                }
                _ => {}
            }
            scan += sign.len_utf8();
        }
        if open.is_empty() && is_literal(line) {
            literal = Some(depth);
        }
    }
    open.first().copied()
}

/// Whether a value may begin behind this part of a line.
fn begins_a_value(before: &str, in_brackets: bool) -> bool {
    let sign = before.trim_end_matches([' ', '\t']);
    // In a block, `a:b` and `a-b` are text.
    let is_apart = sign.len() < before.len();
    sign.is_empty()
        || (is_apart && sign.ends_with([':', '-', '?']))
        || (in_brackets && sign.ends_with(['[', '{', ',', ':']))
}

/// Whether a line's text begins with a key, or is an item of a list.
fn begins_a_key(line: &str) -> bool {
    let word = line.trim_start_matches(['"', '\'']);
    let end = word.find(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).unwrap_or(word.len());
    let rest = word[end..].trim_start_matches(['"', '\'']);
    line.starts_with("- ") || (end > 0 && (rest.starts_with(": ") || rest.trim_end() == ":"))
}

/// Whether a line ends in `|` or `>`, after which text of several lines stands.
fn is_literal(line: &str) -> bool {
    let line = line.trim_end();
    let line = line.split(" #").next().unwrap_or(line).trim_end();
    let sign = line.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '+');
    sign.ends_with(": |") || sign.ends_with(": >") || sign.ends_with("- |") || sign.ends_with("- >")
}

/// Returns how long a quoted text is, both quotes included.
fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut signs = text.char_indices().skip(1).peekable();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' if quote == '"' => _ = signs.next(),
            '\'' if quote == '\'' && signs.peek().is_some_and(|(_, next)| *next == '\'') => _ = signs.next(),
            sign if sign == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Moves a message from a part of the document to its place in it.
pub fn moved(mut problem: Diagnostic, by: usize) -> Diagnostic {
    let Span { start, end } = problem.span;
    problem.span = start + by..end + by;
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_never_closed_is_told_where_it_opens() {
        for (text, found) in [
            ("command:\n  run: [echo, hi\nneeds: [x]\n", Some((16, '['))),
            ("title: [\n", Some((7, '['))),
            ("a: {b: [1, 2}\n", Some((7, '['))),
            ("a: {b: 1, c: {d: 2}\n", Some((3, '{'))),
            ("a: [\n  one,\n  two\nb: 1\n", Some((3, '['))),
            ("a: \"text\nb: 1\n", Some((3, '"'))),
            ("a: 'it''s\n", Some((3, '\''))),
            ("- [a\n- b\n", Some((2, '['))),
            ("a: [1, 2]\nb: {c: \"]\", d: ']'}\n", None),
            ("a: |\n  {\"json\": [\nb: 1\n", None),
            ("a: x [ y\nb: it's\nc: 1\n", None),
            ("a: [b, # a ] comment [\n  c]\n", None),
            ("a: [\n  one,\n]\nb: 1\n", None),
            ("run: [sh, -c, \"echo {{ a }} [\"]\n", None),
            ("a: [\"one\n  two\", 3]\nb: 1\n", None),
            ("", None),
        ] {
            assert_eq!(unclosed(text), found, "{text}");
        }
    }

    #[test]
    fn the_parsers_words_do_not_reach_the_user() {
        let (message, hint) = in_words("mapping values are not allowed in this context");
        assert!(message.contains("no key can stand here") && hint.is_some());
        let (message, _) = in_words("while parsing a flow sequence, expected ',' or ']'");
        assert_eq!(message, "while parsing a list in brackets, expected ',' or ']'");
    }
}
