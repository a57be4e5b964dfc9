//! What a write-up opens and closes with: why the run did not end well, the run itself, and what is alive.

use serde_json::Value;

use super::background::Alive;
use super::step::{capitalised, veiled};
use super::token::words;
use super::veil::Veil;
use super::view::{LiveView, RunView, StepView, Trouble};
use crate::journal::{RunOutcome, RunRow, State};
use crate::runbook::Runbook;
use crate::written::time;

pub fn trouble(
    runbook: &Runbook,
    state: &State,
    steps: &[StepView],
    veil: &Veil,
    file: &str,
) -> Option<Trouble> {
    let run = state.runs.last()?;
    let outcome = run.outcome;
    if outcome == Some(RunOutcome::Done) {
        return None;
    }
    // A step that is done may be what the run ended at: it is not as expected any more, or its files are gone.
    let ended_at = |view: &StepView| match &run.cause {
        Some(cause) => cause.step == view.id,
        None => view.status == "interrupted",
    };
    let step = steps.iter().zip(&runbook.steps).find(|(view, _)| ended_at(view));
    let what = match (outcome, step) {
        (None, _) => "The run has not ended: this is how far it is.".to_owned(),
        (Some(RunOutcome::Interrupted), Some((view, _))) => {
            format!("The run was interrupted in step {}.", view.id)
        }
        (Some(RunOutcome::Interrupted), None) => "The run was interrupted.".to_owned(),
        (Some(RunOutcome::Unexpected), Some((view, _))) => format!("Step {} is not as expected.", view.id),
        (Some(RunOutcome::Unexpected), None) => "A step is not as expected any more.".to_owned(),
        (_, Some((view, _))) => format!("The run failed in step {}.", view.id),
        (_, None) => "The run failed.".to_owned(),
    };
    let failure = run.cause.as_ref().map(|cause| veiled(&cause.failure, veil));
    let mut ways_out = failure.as_ref().map(|failure| failure.hints.clone()).unwrap_or_default();
    ways_out.push(format!("opsml run {file} goes on from here: what is done is kept"));
    Some(Trouble {
        what,
        place: step.map(|(_, step)| format!("{file}, {}", runbook.source.line_in_words(step.id_span.start))),
        failure,
        ways_out,
    })
}

/// Returns the run that filled the write-up: the last one that ran a step. Later ones kept what it had done.
pub fn filling_run(state: &State) -> Option<&RunRow> {
    state.runs.iter().rev().find(|run| run.started_steps > 0).or(state.runs.last())
}

pub fn run_view(state: &State, veil: &Veil, file: &str) -> Option<RunView> {
    let (run, last) = (filling_run(state)?, state.runs.last()?);
    let outcome = |run: &RunRow| match run.outcome {
        None => "has not ended",
        Some(RunOutcome::Done) => "done",
        Some(RunOutcome::Failed) => "failed",
        Some(RunOutcome::Interrupted) => "interrupted",
        Some(RunOutcome::Unexpected) => "not as expected",
    };
    let again = (last.run != run.run).then(|| {
        format!("run {}, {}, {}", last.run, outcome(last), time(last.ended.unwrap_or(last.started)))
    });
    let mut facts = vec![
        ("runbook", file.to_owned()),
        ("run", format!("{}, {}", run.run, outcome(run))),
        ("started", time(run.started)),
        ("ended", run.ended.map(time).unwrap_or_default()),
        ("looked at again by", again.unwrap_or_default()),
        ("target", state.target.clone()),
        ("account", state.account.clone()),
        ("region", state.region.clone()),
        ("stack", state.stack.clone()),
        ("opsml", run.version.clone()),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    let params = veil.value(&Value::Object(run.params.clone()));
    let params = params.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), words(value)));
    Some(RunView {
        facts: facts.into_iter().map(|(name, value)| (name.to_owned(), veil.text(&value))).collect(),
        params: params.collect(),
    })
}

pub fn live_view(state: &State, alive: &[Alive], veil: &Veil) -> LiveView {
    let hourly = |usd: f64| format!("{usd:.3}");
    let rows = alive.iter().map(|one| {
        let what = capitalised(&one.id.what());
        let hour = one.hourly.map(hourly).unwrap_or_default();
        [what, veil.text(&one.id.name), one.step.clone(), time(one.since), hour]
    });
    let sum: f64 = alive.iter().filter_map(|one| one.hourly).sum();
    LiveView {
        at: time(state.last),
        rows: rows.collect(),
        sum: (sum > 0.0).then(|| format!("{} USD an hour", hourly(sum))),
    }
}
