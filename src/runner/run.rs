//! A run from its start to its end.

use std::cell::{Cell, RefCell};

use super::options::{Ended, Options};
use super::work::Runner;
use crate::aws::Aws;
use crate::decide::Live;
use crate::failure::FailureKind;
use crate::journal::{Cause, Event, JournalError, RunOutcome, SharedJournal};
use crate::runbook::Runbook;

/// Runs the runbook. Returns an error only if the journal fails: all other failures are recorded in it.
pub async fn run(
    runbook: &Runbook,
    journal: &SharedJournal,
    aws: &Aws,
    options: &Options,
) -> Result<Ended, JournalError> {
    let number = journal.state().runs.last().map_or(1, |last| last.run + 1);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let mut closing = Vec::new();
    if let Some(killed) = journal.state().runs.last().filter(|last| last.outcome.is_none()) {
        closing.push(Event::RunEnded { run: killed.run, outcome: RunOutcome::Interrupted, cause: None });
    }
    closing.push(Event::RunStarted { run: number, params: options.params.clone(), version });
    journal.append(closing)?;
    let mut runner = Runner {
        runbook,
        journal,
        aws,
        options,
        ran: Cell::new(0),
        cached: Cell::new(0),
        deleted: Cell::new(0),
        live: Live::new(),
        detached: RefCell::default(),
    };
    let mut ended = runner.steps().await?;
    let missing = runner.still_detached();
    if !missing.is_empty() {
        let message = format!(
            "detached, and not attached again yet: {}; the next run attaches it again",
            missing.join(", ")
        );
        match &mut ended {
            Ended::Failed { failure, .. } => failure.hints.push(message),
            Ended::Done { .. } | Ended::Interrupted => journal.note("run", &message),
        }
    }
    let outcome = match &ended {
        Ended::Done { .. } => RunOutcome::Done,
        Ended::Failed { failure, .. } if failure.kind == FailureKind::Expectation => RunOutcome::Unexpected,
        Ended::Failed { failure, .. } if failure.kind.pauses() => RunOutcome::Interrupted,
        Ended::Failed { .. } => RunOutcome::Failed,
        Ended::Interrupted => RunOutcome::Interrupted,
    };
    let cause = match &ended {
        Ended::Failed { step, failure } => Some(Cause { step: step.clone(), failure: failure.clone() }),
        _ => None,
    };
    journal.append([Event::RunEnded { run: number, outcome, cause }])?;
    Ok(ended)
}
