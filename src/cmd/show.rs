//! `opsml show`: one step with its inputs, outputs and resources.

use serde_json::json;

use super::output;
use super::session;
use super::stop::{Stop, Verdict};
use crate::cli::{Format, Show};
use crate::console::status_word;
use crate::diagnostic::printable_line;
use crate::exit;
use crate::secret::{shown, shown_value};

pub fn run(arguments: &Show) -> Verdict {
    let journal = session::must_read(&arguments.journaled.file, &arguments.journaled.target)?;
    let state = journal.state();
    let id = &arguments.step;
    let step = state.steps.get(id).ok_or_else(|| unknown(id, state.steps.keys().map(String::as_str)))?;
    let resources: Vec<_> = state.resources.iter().filter(|(_, row)| row.step == *id).collect();
    if arguments.journaled.format == Format::Json {
        let resources: Vec<_> = resources.iter().map(|(id, row)| json!({"id": id, "row": row})).collect();
        output::json(&json!({"id": id, "step": step, "resources": resources}));
        return Ok(exit::DONE);
    }
    output::say(format_args!(
        "{id} ({}): {}, attempt {}, because: {}",
        step.kind,
        status_word(step.status),
        step.attempts.len(),
        printable_line(&shown(&step.reason))
    ));
    if let Some(failure) = &step.failure {
        output::say(failure);
        failure.hints.iter().for_each(|hint| output::say(format_args!("  hint: {hint}")));
    }
    output::say(format_args!("inputs {:#}", shown_value(&step.inputs)));
    if let Some(outputs) = &step.outputs {
        output::say(format_args!("outputs {:#}", shown_value(outputs)));
    }
    for (id, row) in resources {
        let id = printable_line(&id.to_string());
        let facts = printable_line(&shown_value(&json!(row.facts)).to_string());
        output::say(format_args!("{id}: {:?} {facts}", row.status));
    }
    Ok(exit::DONE)
}

pub fn unknown<'a>(id: &str, known: impl Iterator<Item = &'a str>) -> Stop {
    let known: Vec<&str> = known.collect();
    Stop::usage(format!("no step `{id}` has run")).suggest(id, &known)
}
