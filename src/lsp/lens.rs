//! Above each step: run it, its state and its result, by the journal.

use lsp_types::{CodeLens, Command};
use serde_json::json;

use super::document::{Document, Host};
use crate::diagnostic::{Span, printable_line};
use crate::journal::{StepRow, StepStatus};
use crate::runbook::Declared;
use crate::secret::shown;
use crate::written;

/// The command of every lens. The editor runs its words in a terminal: the program and its arguments.
const COMMAND: &str = "opsml.terminal";
/// The most characters of a result.
const MAX_RESULT: usize = 120;

/// Returns the lenses of a document that has a file.
pub fn lenses(document: &Document, host: &Host) -> Option<Vec<CodeLens>> {
    let analysis = document.analysis(host)?;
    let file = document.path.as_ref()?.to_str()?;
    let lens = |span: &Span, title: String, words: &[&str]| {
        let mut words: Vec<&str> = std::iter::once(&*host.program).chain(words.iter().copied()).collect();
        words.extend(host.options.iter().map(String::as_str));
        let arguments = Some(vec![json!(words)]);
        let command = Some(Command { title, command: COMMAND.to_owned(), arguments });
        CodeLens { range: document.range(&(span.start..span.start)), command, data: None }
    };
    let of_step = |step: &Declared| {
        let mut lenses = vec![lens(&step.span, "▶ run".into(), &["run", file, "--only", &step.id])];
        if let Some(row) = document.state().and_then(|state| state.steps.get(&step.id)) {
            let show = ["show", file, &step.id];
            lenses.push(lens(&step.span, state_in_words(row), &show));
            let outcome = outcome(row);
            if !outcome.is_empty() {
                lenses.push(lens(&step.span, outcome, &show));
            }
        }
        lenses
    };
    Some(analysis.own_steps().flat_map(of_step).collect())
}

/// Returns how a step stands: `done in 12 s, 29 November 2026, 20:01 UTC`.
pub fn state_in_words(row: &StepRow) -> String {
    let word = row.status.word();
    match (row.status, row.ended) {
        (StepStatus::Done | StepStatus::Failed, Some(ended)) => {
            let how_long = if row.status == StepStatus::Done { "in" } else { "after" };
            let took = written::duration(ended - row.started);
            format!("{word} {how_long} {took}, {}", written::date(ended))
        }
        _ => format!("{word}, {}", written::date(row.started)),
    }
}

/// Returns what came of a step, in one line: its summary, or why it failed or was skipped.
pub fn outcome(row: &StepRow) -> String {
    let text = match (&row.failure, row.status) {
        (Some(failure), _) => failure.to_string(),
        (None, StepStatus::Skipped) => row.reason.clone(),
        (None, _) => row.summary.clone(),
    };
    let line = text.lines().next().unwrap_or_default();
    let mut line = printable_line(&shown(line));
    if let Some((end, _)) = line.char_indices().nth(MAX_RESULT) {
        line.truncate(end);
        line.push('…');
    }
    line
}
