//! Formats blocks: indentation by two spaces, one space behind a key's colon, no space at the end of a line. Nothing but space
//! is changed, and only where the block then says the same.

use lsp_types::{Range, TextEdit};

use super::document::{Document, Host};
use crate::diagnostic::Span;
use crate::runbook::Block;
use crate::runbook::yaml::{self, Key, Node, NodeKind};

/// The most lines of a comment that goes with the line that follows it.
const MAX_COMMENT: usize = 100;

/// Returns the edits that format the blocks within a range of a document, or all of them.
pub fn format(document: &Document, host: &Host, range: Option<Range>) -> Option<Vec<TextEdit>> {
    let analysis = document.analysis(host)?;
    let wanted = range.map(|range| document.byte(range.start)..document.byte(range.end));
    let is_wanted = |span: &Span| {
        wanted.as_ref().is_none_or(|wanted| span.start <= wanted.end && wanted.start <= span.end)
    };
    let blocks = analysis.blocks.iter().filter(|block| is_wanted(&block.span));
    let edit = |block: &Block| {
        let old = &analysis.text()[block.body.clone()];
        let new_text = formatted(old).filter(|new| new != old)?;
        Some(TextEdit { range: document.range(&block.body), new_text })
    };
    Some(blocks.filter_map(edit).collect())
}

/// Returns a block's YAML formatted, or `None` if it is no YAML or would not be the same.
fn formatted(text: &str) -> Option<String> {
    let once = laid_out(text)?;
    let is_same = tree(&once).is_some_and(|new| tree(text).is_some_and(|old| same(&old, &new)));
    let is_stable = laid_out(&once).as_ref() == Some(&once);
    (is_same && is_stable && solid(text).eq(solid(&once))).then_some(once)
}

/// The characters of a text without space.
fn solid(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| !c.is_whitespace())
}

fn tree(text: &str) -> Option<Node> {
    let mut problems = Vec::new();
    let node = yaml::parse(text, 0..text.len(), &mut problems)?;
    problems.is_empty().then_some(node)
}

/// Whether two trees have the same values, and keys in the same order.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.kind, &other.kind) {
        (NodeKind::Map(one), NodeKind::Map(other)) => {
            let is_same = |((a, x), (b, y)): (&(Key, Node), &(Key, Node))| a.name == b.name && same(x, y);
            one.len() == other.len() && one.iter().zip(other).all(is_same)
        }
        (NodeKind::List(one), NodeKind::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(x, y)| same(x, y))
        }
        (one, other) => one == other,
    }
}

/// What the lines of a block are made of, in the order of the text.
#[derive(Default)]
struct Layout {
    /// Texts and brackets of several lines. The lines within move with the first one, and their space may mean something.
    within: Vec<Span>,
    /// From the end of each key to the beginning of its value, where a colon and spaces stand between.
    colons: Vec<Span>,
}

impl Layout {
    fn read(&mut self, node: &Node, text: &str) {
        let is_flow = text[node.span.clone()].starts_with(['{', '[']);
        match &node.kind {
            NodeKind::Map(entries) if !is_flow => {
                for (key, value) in entries {
                    let gap = key.span.end..value.span.start.max(key.span.end);
                    if gap.len() > 1 && text[gap.clone()].trim_matches(' ') == ":" {
                        self.colons.push(gap);
                    }
                    self.read(value, text);
                }
            }
            NodeKind::List(items) if !is_flow => items.iter().for_each(|item| self.read(item, text)),
            NodeKind::Plain(..) => {}
            NodeKind::Text(_) => {
                let start = header(text, node.span.start).unwrap_or(node.span.start);
                self.several_lines(start..node.span.end, text);
            }
            _ => self.several_lines(node.span.clone(), text),
        }
    }

    fn several_lines(&mut self, span: Span, text: &str) {
        let end = span.start + text[span.clone()].trim_end().len();
        if text[span.start..end].contains('\n') {
            self.within.push(span.start..end);
        }
    }

    /// Returns the text or the brackets within which a line begins.
    fn around(&self, line: usize) -> Option<&Span> {
        let before = self.within.partition_point(|span| span.start < line);
        self.within.get(before.checked_sub(1)?).filter(|span| line < span.end)
    }
}

/// Returns the place of a block scalar's `|` or `>`, if the text that begins here is one: it stands at the end of an earlier line.
fn header(text: &str, start: usize) -> Option<usize> {
    let before = text[..start].trim_end();
    if !text[before.len()..start].contains('\n') {
        return None;
    }
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let head = before[line..].split(" #").next().unwrap_or_default().trim_end();
    let head = head.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
    head.ends_with(['|', '>']).then(|| line + head.len() - 1)
}

/// The columns of the lines around one: as they were, and as they become.
#[derive(Clone, Default)]
struct Levels(Vec<(usize, usize)>);

impl Levels {
    /// Returns where a line of this column goes.
    fn place(&mut self, column: usize) -> usize {
        while self.0.pop_if(|(old, _)| *old > column).is_some() {}
        match self.0.last() {
            Some((old, new)) if *old == column => *new,
            around => {
                let new = around.map_or(0, |(_, new)| new + 2);
                self.0.push((column, new));
                new
            }
        }
    }
}

/// Returns how many spaces a line begins with.
fn column(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Lays out the lines of a block. `None` if it is no YAML.
fn laid_out(text: &str) -> Option<String> {
    let mut layout = Layout::default();
    layout.read(&tree(text)?, text);
    let mut new = String::with_capacity(text.len());
    let (mut levels, end) = (Levels::default(), text.trim_end().len());
    let (mut at, mut moved, mut was_blank) = (0, 0isize, true);
    for whole in text.split_inclusive('\n') {
        let start = at;
        at += whole.len();
        let line = whole.trim_end_matches(['\n', '\r']);
        let (ending, column) = (&whole[line.len()..], column(line));
        let content = line[column..].trim_end_matches([' ', '\t']);
        let place = match (layout.around(start), content) {
            (Some(_), "") => {
                new.push_str(whole);
                continue;
            }
            (Some(_), _) => {
                new.push_str(&" ".repeat(column.saturating_add_signed(moved)));
                new.push_str(&whole[column..]);
                was_blank = false;
                continue;
            }
            // One blank line may part keys, and none begins or ends a block.
            (None, "") => {
                if !was_blank && at < end {
                    new.push_str(ending);
                }
                was_blank = true;
                continue;
            }
            (None, comment) if comment.starts_with('#') => of_comment(column, &text[at..], &levels),
            _ => levels.place(column),
        };
        moved = place as isize - column as isize;
        was_blank = false;
        new.push_str(&" ".repeat(place));
        let mut rest = content;
        let mut items = 0;
        while let Some(item) = rest.strip_prefix("- ") {
            items += 1;
            rest = item.trim_start_matches(' ');
            new.push_str("- ");
            levels.0.push((column + content.len() - rest.len(), place + 2 * items));
        }
        let from = start + column + content.len() - rest.len();
        let last = from + rest.len();
        let next = layout.colons.partition_point(|gap| gap.start < from);
        match layout.colons.get(next).filter(|gap| gap.end <= last && !rest.starts_with('#')) {
            Some(gap) => {
                new.push_str(&text[from..gap.start]);
                new.push_str(": ");
                new.push_str(&text[gap.end..last]);
            }
            None => new.push_str(rest),
        }
        // The line break of a text may have space before it that means something.
        if layout.around(at).is_some_and(|span| span.start < last) {
            new.push_str(&line[column + content.len()..]);
        }
        new.push_str(ending);
    }
    Some(new)
}

/// Returns where a comment goes: with the line that follows it, if it stands in its column, or with the lines around it.
fn of_comment(own: usize, behind: &str, levels: &Levels) -> usize {
    let says = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    match behind.lines().take(MAX_COMMENT).find(says) {
        Some(line) if column(line) == own => levels.clone().place(own),
        _ => levels.0.iter().find(|(old, _)| *old == own).map_or(own, |(_, new)| *new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_laid_out() {
        for (text, expected) in [
            (
                "\n\ntrain:\n    role:   \"x\"  \n    image :  a # why   \n\n\n    inputs: {a:   1}\nwhen: y\t\n\n",
                "train:\n  role: \"x\"\n  image: a # why\n\n  inputs: {a:   1}\nwhen: y\n",
            ),
            (
                "role:\n   # of all\n   allow:\n      -   actions:   [a]\n          resources:\n          - b\n      - actions: [c]\n# end\nwhen: x\n",
                "role:\n  # of all\n  allow:\n    - actions: [a]\n      resources:\n      - b\n    - actions: [c]\n# end\nwhen: x\n",
            ),
            (
                "command:\n    run: |\n        one  \n          two\n\n        three\n    env: {\n        A: 1,\n      B: 2}\n",
                "command:\n  run: |\n      one  \n        two\n\n      three\n  env: {\n      A: 1,\n    B: 2}\n",
            ),
            ("  a:\r\n      b: 1 \r\n", "a:\r\n  b: 1\r\n"),
            ("a:\n - - b\n   -   c\n", "a:\n  - - b\n    - c\n"),
            ("needs:\n- a\n-  b\n", "needs:\n- a\n- b\n"),
            ("é:  \"𝄞\"  \n", "é: \"𝄞\"\n"),
            ("# nothing but this  \n", "# nothing but this\n"),
            ("", ""),
        ] {
            let new = formatted(text).unwrap();
            assert_eq!(new, expected, "{text}");
            assert_eq!(formatted(&new).as_ref(), Some(&new), "{text}");
        }
    }

    #[test]
    fn what_would_change_is_left() {
        for text in ["a: [\n", "a: 1\na: 2\n", "a: &x 1\n", "- a\nb\n  c: d: e"] {
            assert_eq!(formatted(text), None, "{text}");
        }
        // Spaces before the end of a line and line breaks at the end of a text are a part of it.
        let kept = "a: |+\n  b  \n\n\nc: \"d  \n  e\"\n";
        assert!(
            formatted(kept)
                .is_none_or(|new| tree(&new).unwrap().to_value() == tree(kept).unwrap().to_value())
        );
    }

    #[test]
    fn formatting_changes_no_meaning() {
        let pieces = [
            "a:", "b: ", " ", "  ", "\n", "- ", "{c: 1}", "[", "]", "\"", "'", "|\n", "|2+\n", ">-\n", "# x",
            "é", "\r\n", "d\n",
        ];
        let mut seed = 7u32;
        let mut done = 0;
        for _ in 0..20_000 {
            let mut next = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed as usize >> 16
            };
            let text: String = (0..next() % 24).map(|_| pieces[next() % pieces.len()]).collect();
            let Some(new) = formatted(&text) else { continue };
            done += 1;
            assert_eq!(tree(&new).unwrap().to_value(), tree(&text).unwrap().to_value(), "{text:?}");
            assert_eq!(formatted(&new), Some(new), "{text:?}");
        }
        assert!(done > 500, "{done}");
    }
}
