//! Reads the cells of a notebook (nbformat 4).

use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    Markdown,
    Code,
    Raw,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Counts from 1, as a reader counts them.
    pub number: usize,
    pub kind: CellKind,
    pub source: String,
}

/// Returns the cells, and the numbers of those that can't be read. Hostile files are refused: JSON that is nested too deeply,
/// and what isn't JSON.
pub fn read(bytes: &[u8]) -> Result<(Vec<Cell>, Vec<usize>), String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let notebook: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("it is no notebook, which is JSON: {error}"))?;
    if notebook["metadata"]["opsml"]["runbook"].is_string() {
        let runbook = notebook["metadata"]["opsml"]["runbook"].as_str().unwrap_or_default();
        return Err(format!(
            "`opsml export` made it of {runbook}: go on with that, whose prose still has its templates"
        ));
    }
    if notebook.get("worksheets").is_some() || notebook["nbformat"].as_u64().is_some_and(|form| form < 4) {
        return Err("its format is older than 4: `jupyter nbconvert --to notebook` makes a newer one".into());
    }
    let Some(found) = notebook["cells"].as_array() else {
        return Err("it is no notebook: it has no list `cells`".into());
    };
    let (mut cells, mut unread) = (Vec::new(), Vec::new());
    for (index, cell) in found.iter().enumerate() {
        let number = index + 1;
        let kind = match cell["cell_type"].as_str() {
            Some("markdown" | "heading") => Some(CellKind::Markdown),
            Some("code") => Some(CellKind::Code),
            Some("raw") => Some(CellKind::Raw),
            _ => None,
        };
        match (kind, text(&cell["source"])) {
            (Some(kind), Some(source)) => cells.push(Cell { number, kind, source }),
            _ => unread.push(number),
        }
    }
    Ok((cells, unread))
}

/// Text stands as one string, or as a list of its lines.
fn text(source: &Value) -> Option<String> {
    let text = match source {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.concat(),
        _ => return None,
    };
    // A NUL means nothing in Markdown, and ends a line in no language.
    Some(text.replace("\r\n", "\n").replace(['\r', '\0'], "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weird_cells_are_numbered_and_weird_files_refused() {
        let (cells, unread) = read(
            br#"{"nbformat": 4, "cells": [7, {"cell_type": "code", "source": ["a\r\n", "b"]}, {"cell_type": "code"},
            {"cell_type": "odd", "source": ""}, {"cell_type": "markdown", "source": [1]}, {"cell_type": "raw", "source": "r"}]}"#,
        )
        .unwrap();
        assert_eq!(unread, [1, 3, 4, 5]);
        let read_cells: Vec<_> = cells.iter().map(|cell| (cell.number, cell.source.as_str())).collect();
        assert_eq!(read_cells, [(2, "a\nb"), (6, "r")]);
        let deep = "[".repeat(1_000_000);
        for (bytes, said) in [
            (&b"\x00\xff"[..], "no notebook"),
            (b"", "no notebook"),
            (b"[]", "no list `cells`"),
            (b"{\"cells\": 3}", "no list `cells`"),
            (b"{\"nbformat\": 3, \"worksheets\": []}", "older than 4"),
            (b"{\"cells\": [], \"metadata\": {\"opsml\": {\"runbook\": \"a.md\"}}}", "go on with that"),
            (deep.as_bytes(), "recursion limit"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
