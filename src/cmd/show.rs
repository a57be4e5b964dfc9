//! `opsml show`: one step with its inputs, outputs and resources.

use serde_json::json;

use super::session;
use super::stop::{Stop, Verdict};
use crate::cli::{Format, Show};
use crate::console::status_word;
use crate::diagnostic::{printable, printable_line};
use crate::exit;
use crate::report::{redacted, redacted_value};

pub fn run(arguments: &Show) -> Verdict {
    let journal = session::must_read(&arguments.journaled)?;
    let state = journal.state();
    let id = &arguments.step;
    let step = state.steps.get(id).ok_or_else(|| unknown(id, state.steps.keys().map(String::as_str)))?;
    let resources: Vec<_> = state.resources.iter().filter(|(_, row)| row.step == *id).collect();
    if arguments.journaled.format == Format::Json {
        let resources: Vec<_> = resources.iter().map(|(id, row)| json!({"id": id, "row": row})).collect();
        println!("{}", redacted_value(&json!({"id": id, "step": step, "resources": resources})));
        return Ok(exit::DONE);
    }
    println!(
        "{id} ({}): {}, attempt {}, because: {}",
        step.kind,
        status_word(step.status),
        step.attempts,
        printable_line(&redacted(&step.reason))
    );
    if let Some(failure) = &step.failure {
        println!("{}", printable(&redacted(&failure.to_string())));
        failure.hints.iter().for_each(|hint| println!("  hint: {}", printable(&redacted(hint))));
    }
    println!("inputs {}", printable(&format!("{:#}", redacted_value(&step.inputs))));
    if let Some(outputs) = &step.outputs {
        println!("outputs {}", printable(&format!("{:#}", redacted_value(outputs))));
    }
    for (id, row) in resources {
        let id = printable_line(&id.to_string());
        println!("{id}: {:?} {}", row.status, printable_line(&redacted_value(&json!(row.facts)).to_string()));
    }
    Ok(exit::DONE)
}

pub fn unknown<'a>(id: &str, known: impl Iterator<Item = &'a str>) -> Stop {
    let known: Vec<&str> = known.collect();
    Stop::usage(format!("no step `{id}` has run")).suggest(id, &known)
}
