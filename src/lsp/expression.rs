//! What is typed of an expression, up to the cursor: while it is typed, it can't be parsed.

use crate::diagnostic::Span;
use crate::runbook::MAX_TAG;

/// What the word at the cursor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// A name, or a member of what the path leads to. `None` in the path is an item, as of `x[0]`.
    Name(Vec<Option<&'a str>>),
    Filter,
    Test,
    /// The step that `figure` or `ref` names in quotes.
    Step,
}

/// Returns where the expression begins in which the cursor is: behind the `{{` or `{%` before it. `from` is where the text begins
/// that may have one.
pub fn opening(text: &str, from: usize, cursor: usize) -> Option<usize> {
    let from = text.ceil_char_boundary(from.max(cursor.saturating_sub(MAX_TAG)));
    let before = text.get(from..cursor)?;
    let start = before.rfind("{{").max(before.rfind("{%"))? + 2;
    let inside = &before[start..];
    let is_open = !inside.contains("}}") && !inside.contains("%}");
    // `{{-` trims the space before it.
    let start = start + usize::from(inside.starts_with(['-', '+']));
    is_open.then_some(from + start)
}

/// Returns what the word before the cursor is, and its place. `None` where nothing can be completed, as within quotes.
pub fn word(text: &str, start: usize, cursor: usize) -> Option<(Word<'_>, Span)> {
    let typed = text.get(start..cursor)?;
    if let Some(quote) = open_quote(typed) {
        let before = typed[..quote].trim_end();
        let names_step = ["figure", "ref"]
            .iter()
            .any(|name| before.strip_suffix('(').is_some_and(|call| last_word(call.trim_end()) == *name));
        // In a text of YAML the quote may be escaped, and then the other one is the first.
        let begin = start + quote + 1;
        return names_step.then_some((Word::Step, begin..cursor));
    }
    let name = last_word(typed);
    let begin = typed.len() - name.len();
    let span = start + begin..cursor;
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let before = typed[..begin].trim_end();
    if let Some(owner) = before.strip_suffix('.') {
        return Some((Word::Name(path(owner)?), span));
    }
    let word = match last_word(before) {
        _ if before.ends_with('|') => Word::Filter,
        "is" => Word::Test,
        "not" if last_word(before[..before.len() - 3].trim_end()) == "is" => Word::Test,
        _ => Word::Name(Vec::new()),
    };
    Some((word, span))
}

/// Reads the path that ends a text: `a.b[0].c`.
fn path(text: &str) -> Option<Vec<Option<&str>>> {
    let mut path = Vec::new();
    let mut rest = text.trim_end();
    loop {
        while let Some(inner) = rest.strip_suffix(']') {
            let open = inner.rfind('[')?;
            path.push(match inner[open + 1..].trim() {
                key if key.len() > 1 && key.starts_with(['"', '\'']) => Some(key.trim_matches(['"', '\''])),
                _ => None,
            });
            rest = inner[..open].trim_end();
        }
        let name = last_word(rest);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        path.push(Some(name));
        rest = rest[..rest.len() - name.len()].trim_end();
        match rest.strip_suffix('.') {
            Some(owner) => rest = owner.trim_end(),
            None => break,
        }
    }
    path.reverse();
    Some(path)
}

/// Returns the word that ends a text.
fn last_word(text: &str) -> &str {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let end = text.trim_end_matches(is_word).len();
    &text[end..]
}

/// Returns the place of the quote that is open at the end of a text.
fn open_quote(text: &str) -> Option<usize> {
    let mut open: Option<(usize, char)> = None;
    for (at, c) in text.char_indices() {
        match open {
            Some((_, quote)) if c == quote => open = None,
            None if c == '"' || c == '\'' => open = Some((at, c)),
            _ => {}
        }
    }
    open.map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says what the word at the cursor, `^`, is.
    fn at(marked: &str) -> String {
        let cursor = marked.find('^').unwrap();
        let text = marked.replace('^', "");
        let Some(start) = opening(&text, 0, cursor) else { return "text".to_owned() };
        let Some((word, span)) = word(&text, start, cursor) else { return "nothing".to_owned() };
        let what = match word {
            Word::Name(path) => path.iter().map(|name| format!("{}.", name.unwrap_or("-"))).collect(),
            other => format!("{other:?} "),
        };
        format!("{what}{}", &text[span])
    }

    #[test]
    fn the_word_is_known_while_it_is_typed() {
        for (marked, shown) in [
            ("a {{ ^", ""),
            ("a {{^", ""),
            ("a {{- tr^ain }}", "tr"),
            ("a }} tr^", "text"),
            ("{{ a }} tr^", "text"),
            ("{{ train.^ }}", "train."),
            ("{{ train.metrics.te^", "train.metrics.te"),
            ("{{ a.b[0].c^", "a.b.-.c"),
            ("{{ a[\"b\"].c^", "a.b.c"),
            ("{{ a[b.c].d^", "a.-.d"),
            ("{{ f(a).b^", "nothing"),
            ("{{ 'a'.b^", "nothing"),
            ("{{ x | ^", "Filter "),
            ("{{ x |le^", "Filter le"),
            ("{{ x is de^", "Test de"),
            ("{{ x is not de^", "Test de"),
            ("{{ this^", "this"),
            ("{{ figure(\"tr^", "Step tr"),
            ("{{ ref('^", "Step "),
            ("{{ \"tr^", "nothing"),
            ("{{ 1.^", "nothing"),
            ("{{ 12^", "nothing"),
            ("{% if é and tr^", "tr"),
            ("{% if a %} {{ b.c ~ d.e^", "d.e"),
            ("é { {tr^", "text"),
        ] {
            assert_eq!(at(marked), shown, "{marked}");
        }
    }

    #[test]
    fn what_is_long_is_no_expression() {
        assert_eq!(opening(&format!("{{{{ {}", "é".repeat(3000)), 0, 6003), None);
    }
}
