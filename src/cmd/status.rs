//! `opsml status`: every step and what has become of it, and the live resources with what they have cost and cost an hour.

use std::collections::HashMap;

use serde_json::json;

use super::output;
use super::session;
use super::stop::Verdict;
use crate::cli::{Format, Journaled};
use crate::console::{duration_words, status_word};
use crate::costs::{self, Cost};
use crate::diagnostic::{counted, printable_line};
use crate::exit;
use crate::journal::{Lifetime, ResourceId, State, StepRow, StepStatus};
use crate::runbook::Runbook;
use crate::secret::shown;

/// A line of the table of steps.
struct Line {
    id: String,
    kind: String,
    status: &'static str,
    took: String,
    said: String,
}

pub fn run(arguments: &Journaled) -> Verdict {
    let journal = session::must_read(&arguments.file, &arguments.target)?;
    // The journal of a runbook that is gone still says what is live.
    let runbook = match arguments.file.exists() {
        true => Some(session::parsed(&arguments.file)?.0),
        false => None,
    };
    let state = match &runbook {
        Some(runbook) => session::state_as_moved(runbook, Some(&journal))?,
        None => std::borrow::Cow::Borrowed(journal.state()),
    };
    let state = state.as_ref();
    if arguments.format == Format::Json {
        output::json(&json!(state));
        return Ok(exit::DONE);
    }
    output::say(format_args!(
        "stack {} on {} (account {}, {})",
        state.stack, state.target, state.account, state.region
    ));
    let lines = lines(runbook.as_ref(), state);
    let widest =
        |part: fn(&Line) -> &str| lines.iter().map(|line| part(line).len()).max().unwrap_or_default();
    let (ids, kinds, statuses) =
        (widest(|line| &line.id), widest(|line| &line.kind), widest(|line| line.status));
    for Line { id, kind, status, took, said } in &lines {
        let row = format!("{id:ids$}  {kind:kinds$}  {status:statuses$}  {took:>11}  {said}");
        output::say(row.trim_end());
    }
    if let Some(cause) = state.runs.last().and_then(|run| run.cause.as_ref()) {
        output::say(format_args!(
            "the last run ended at `{}`: {}",
            cause.step,
            first_line(&cause.failure.to_string())
        ));
    }
    let live: Vec<_> = state.resources.live().collect();
    output::say(counted(live.len(), "live resource"));
    let costs = costs::costs(state, jiff::Timestamp::now().as_millisecond())?;
    // A name that is used again has an earlier cost, too.
    let by_id: HashMap<&ResourceId, &Cost> = costs.iter().map(|cost| (&cost.id, cost)).collect();
    for (id, _) in live {
        let cost = by_id.get(id).map(|cost| format!(": {}", in_words(cost))).unwrap_or_default();
        output::say(format_args!("  {}{cost}", printable_line(&id.to_string())));
    }
    let (spent, hourly) = costs::sums(&costs);
    output::say(format_args!(
        "{spent:.4} USD so far and {hourly:.3} USD an hour on AWS (`opsml costs` says for what)"
    ));
    Ok(exit::DONE)
}

/// Returns the steps in the order of the runbook, and then those that are no longer in it.
fn lines(runbook: Option<&Runbook>, state: &State) -> Vec<Line> {
    let declared = runbook.map(|runbook| runbook.steps.as_slice()).unwrap_or_default();
    let in_runbook = declared.iter().map(|step| match state.steps.get(&step.id) {
        Some(row) => line(&step.id, row, state),
        None => Line {
            id: step.id.clone(),
            kind: step.kind.name.clone(),
            status: "not begun",
            took: String::new(),
            said: String::new(),
        },
    });
    let is_forgotten = |id: &&String| runbook.is_some_and(|runbook| runbook.step(id).is_none());
    let others = state.steps.iter().filter(|(id, _)| runbook.is_none() || is_forgotten(id));
    let others = others.map(|(id, row)| {
        let mut line = line(id, row, state);
        if is_forgotten(&id) {
            line.said = format!("no longer in the runbook; {}", line.said);
        }
        line
    });
    in_runbook.chain(others).collect()
}

fn line(id: &str, row: &StepRow, state: &State) -> Line {
    let said = row.failure.as_ref().map_or(row.summary.clone(), |failure| failure.to_string());
    Line {
        id: id.to_owned(),
        kind: row.kind.clone(),
        status: status(id, row, state),
        took: row.ended.map(|ended| duration_words(ended - row.started)).unwrap_or_default(),
        said: first_line(&said),
    }
}

/// Returns the step's status, and of a step that is done, whether what it made is still there.
fn status(id: &str, row: &StepRow, state: &State) -> &'static str {
    let made = state.resources.of_step(id).into_iter().filter(|(_, row)| row.lifetime == Lifetime::Stack);
    let (live, deleted): (Vec<_>, Vec<_>) = made.partition(|(_, row)| row.is_live());
    match (row.status, live.is_empty(), deleted.is_empty()) {
        (StepStatus::Done, true, false) => "deleted",
        (StepStatus::Done, false, false) => "partly deleted",
        (status, ..) => status_word(status),
    }
}

/// Returns what a resource has cost, and costs.
fn in_words(cost: &Cost) -> String {
    let instances = format!("{} × {}", cost.instance_count, cost.instance_type);
    let spent = cost.usd.map_or("an unknown price".to_owned(), |usd| format!("{usd:.4} USD"));
    match (cost.bills, cost.hourly) {
        (true, Some(hourly)) => format!("{spent} so far, and {hourly:.3} USD an hour on AWS, {instances}"),
        (true, None) => format!("{spent}; bills by the hour on AWS, {instances}"),
        (false, _) => format!("{spent} on AWS, {instances}"),
    }
}

/// Returns the first line of a text, and a sign if there are more.
fn first_line(text: &str) -> String {
    let text = shown(text);
    let mut lines = text.lines();
    let first = printable_line(lines.next().unwrap_or_default().trim_end());
    if lines.all(|line| line.trim().is_empty()) { first } else { format!("{first} …") }
}
