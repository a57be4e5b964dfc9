//! A whole notebook: prose as it stands, and the steps that its code becomes.

use std::sync::LazyLock;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use regex::Regex;

use super::draft::{Note, Part};
use super::emit;
use super::notebook::{self, CellKind};
use super::reader::Reader;
use crate::runbook::markdown_options;

/// What a notebook became.
#[derive(Debug)]
pub struct Imported {
    pub runbook: String,
    pub steps: usize,
    pub cells: usize,
    /// What was not read, in the order of the cells.
    pub notes: Vec<Note>,
}

/// Drafts the runbook of a notebook. `name` is its title if its prose has none.
///
/// # Errors
/// Why it is no notebook.
pub fn import(bytes: &[u8], name: &str) -> Result<Imported, String> {
    let (cells, unread) = notebook::read(bytes)?;
    let mut reader = Reader::default();
    for number in &unread {
        reader.scene.draft.at = (*number, 0);
        reader.scene.draft.note("it is no cell that can be read");
    }
    let mut title = None;
    for cell in &cells {
        reader.scene.draft.at = (cell.number, 0);
        match cell.kind {
            CellKind::Code => reader.cell(cell.number, &cell.source),
            CellKind::Markdown => {
                let mut text = cell.source.as_str();
                if title.is_none()
                    && let Some((heading, rest)) = heading(text)
                {
                    (title, text) = (Some(heading), rest);
                }
                if text.contains("](attachment:") {
                    reader.scene.draft.note("its pictures are kept in the cell, and are not here");
                }
                let (prose, changed) = prose(text);
                reader.scene.draft.parts.push(Part::Prose(prose));
                changed.into_iter().for_each(|change| reader.scene.draft.note(change));
            }
            CellKind::Raw => reader.scene.draft.note("a raw cell is not read"),
        }
    }
    let mut draft = reader.scene.draft;
    draft.title = title.unwrap_or_else(|| name.to_owned());
    draft.finish();
    draft.notes.sort_by_key(|note| note.cell);
    let runbook = emit::runbook(&draft);
    Ok(Imported { runbook, steps: draft.steps.len(), cells: cells.len() + unread.len(), notes: draft.notes })
}

/// Returns the heading that a text begins with, and the rest: it becomes the title of the runbook, which the report prints.
fn heading(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start_matches('\n');
    let rest = text.strip_prefix("# ")?;
    let (line, rest) = rest.split_once('\n').unwrap_or((rest, ""));
    let line = line.trim().trim_end_matches('#').trim();
    (!line.is_empty()).then(|| (line.to_owned(), rest))
}

static STEP: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?mi)^([ >\t*+0-9.)-]*(?:`{3,}|~{3,}))([ \t]*)([^\w\n`~]*opsml\b)")
        .expect("the pattern is a constant")
});

/// Returns Markdown of a cell as prose of a runbook: no step, no template, and nothing that would take in what follows. Says
/// what was changed.
fn prose(text: &str) -> (String, Vec<&'static str>) {
    let mut changed = Vec::new();
    let mut prose = text.trim_matches('\n').to_owned();
    if STEP.is_match(&prose) {
        changed.push("what looked like a step of opsml's is shown as text");
        prose = STEP.replace_all(&prose, "${1}text ${3}").into_owned();
    }
    if !stands_alone(&prose) {
        changed.push("a fence, a comment or HTML in it has no end, so it is shown as it is written");
        let longest = prose.split(|c| c != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat((longest + 1).max(3));
        prose = format!("{fence}text\n{prose}\n{fence}");
    }
    if ["{{", "{%", "{#"].iter().any(|opens| prose.contains(opens)) {
        // What is no template must not end this one.
        prose = prose.replace("{%", "{ %");
        prose = format!("{{% raw %}}\n{prose}\n{{% endraw %}}");
    }
    (prose, changed)
}

/// Whether what follows a text is no part of it.
fn stands_alone(text: &str) -> bool {
    const NEXT: &str = "the next paragraph";
    let followed = format!("{text}\n\n{NEXT}\n");
    let (mut depth, mut last) = (0usize, false);
    let mut events = Parser::new_ext(&followed, markdown_options()).peekable();
    while let Some(event) = events.next() {
        match event {
            Event::Start(Tag::Paragraph) if depth == 0 => {
                last = matches!(events.peek(), Some(Event::Text(text)) if **text == *NEXT);
                depth += 1;
            }
            Event::Start(_) => {
                depth += 1;
                last = false;
            }
            Event::End(TagEnd::Paragraph) => depth = depth.saturating_sub(1),
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                last = false;
            }
            _ => {}
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_takes_in_nothing_that_follows_and_is_no_template() {
        let open = ["```python\nx", "<!-- no end", "<script>\nx", "~~~", "<pre>\n\nx"];
        for text in open {
            let (prose, changed) = prose(text);
            assert!(prose.starts_with("```") && !changed.is_empty() && stands_alone(&prose), "{prose}");
        }
        for text in [
            "",
            "a",
            "- a\n  - b",
            "> a",
            "| a |\n| - |\n| b |",
            "```\na\n```",
            "    code",
            "[^1]: note",
            "# a\n***",
        ] {
            assert_eq!(prose(text), (text.to_owned(), vec![]), "{text}");
        }
        assert_eq!(prose("a {{ b }} {% endraw %}").0, "{% raw %}\na {{ b }} { % endraw %}\n{% endraw %}");
        for step in
            ["```opsml a\n```", "- ~~~ opsml b\n  ~~~", "> ```{opsml} c\n> ```", "````  Opsml d\n````"]
        {
            let (prose, changed) = prose(step);
            assert!(prose.contains("text ") && changed.len() == 1, "{prose}");
            assert!(!prose.contains("` opsml") && !prose.contains("`opsml"), "{prose}");
        }
    }
}
