//! `opsml check`: every problem of a runbook that can be known before a call.

use serde_json::json;

use super::ci;
use super::output;
use super::session;
use super::stop::Verdict;
use crate::cli::{Check, Format};
use crate::diagnostic::{Diagnostic, Severity, counted, printable_line};
use crate::exit;
use crate::runbook::Runbook;

pub fn run(arguments: &Check) -> Verdict {
    let checked = session::check(&arguments.file.file, &arguments.file.params)?;
    let runbook = &checked.runbook;
    ci::annotate_problems(&runbook.source, checked.diagnostics.iter().take(session::MAX_SHOWN));
    match arguments.format {
        Format::Json => {
            let shown = checked.diagnostics.iter().take(10 * session::MAX_SHOWN);
            let diagnostics: Vec<_> = shown.map(|problem| runbook.source.to_json(problem)).collect();
            let more = checked.diagnostics.len() - diagnostics.len();
            output::json(&json!({
                "file": runbook.source.path, "title": runbook.title(), "diagnostics": diagnostics,
                "more": more,
                "params": checked.wrong_params,
                "unread": unread(runbook),
                "steps": runbook.steps.iter().map(|s| json!({"id": s.id, "kind": s.kind.name})).collect::<Vec<_>>(),
            }));
        }
        Format::Text => {
            for problem in checked.diagnostics.iter().take(session::MAX_SHOWN) {
                output::say(runbook.source.render(problem));
            }
            if let Some(more) = checked.diagnostics.len().checked_sub(session::MAX_SHOWN + 1) {
                output::say(format_args!("and {} more\n", more + 1));
            }
            for wrong in &checked.wrong_params {
                output::say(format_args!("error: {wrong}"));
            }
            let is_error = |problem: &&Diagnostic| problem.severity == Severity::Error;
            let errors = checked.diagnostics.iter().filter(is_error).count();
            let counts = [
                (errors + checked.wrong_params.len(), "error"),
                (checked.diagnostics.len() - errors, "warning"),
            ];
            let found = counts.iter().filter(|(count, _)| *count > 0);
            let mut found: Vec<String> = found.map(|(count, what)| counted(*count, what)).collect();
            if found.is_empty() {
                found.push("no problems".to_owned());
            }
            output::say(format_args!(
                "{}: {}{}, {}",
                printable_line(&runbook.source.path.display().to_string()),
                counted(runbook.blocks, "step"),
                match unread(runbook) {
                    0 => String::new(),
                    all if all == runbook.blocks => " (unread)".to_owned(),
                    some => format!(" ({some} unread)"),
                },
                found.join(", ")
            ));
        }
    }
    let wrong = checked.has_errors() || !checked.wrong_params.is_empty();
    Ok(if wrong { exit::USAGE } else { exit::DONE })
}

/// Returns how many blocks have mistakes because of which they are not read as steps.
fn unread(runbook: &Runbook) -> usize {
    runbook.blocks.saturating_sub(runbook.steps.len())
}
