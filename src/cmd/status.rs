//! `opsml status`: the steps that have run, and the live resources with their prices.

use serde_json::json;

use super::output;
use super::session;
use super::stop::Verdict;
use crate::cli::{Format, Journaled};
use crate::console::{duration_words, status_word};
use crate::costs;
use crate::diagnostic::{counted, printable_line};
use crate::exit;
use crate::secret::shown;

pub fn run(arguments: &Journaled) -> Verdict {
    let journal = session::must_read(&arguments.file, &arguments.target)?;
    let state = journal.state();
    if arguments.format == Format::Json {
        output::json(&json!(state));
        return Ok(exit::DONE);
    }
    output::say(format_args!(
        "stack {} on {} (account {}, {})",
        state.stack, state.target, state.account, state.region
    ));
    let width = state.steps.keys().map(String::len).max().unwrap_or_default();
    for (id, step) in state.steps.iter() {
        let took = step.ended.map(|ended| duration_words(ended - step.started)).unwrap_or_default();
        let said = step.failure.as_ref().map_or(step.summary.clone(), |failure| failure.to_string());
        output::say(format_args!(
            "{id:width$}  {:8} {:8} {took:>8}  {}",
            step.kind,
            status_word(step.status),
            printable_line(&shown(&said))
        ));
    }
    if let Some(cause) = state.runs.last().and_then(|run| run.cause.as_ref()) {
        output::say(format_args!(
            "the last run ended at `{}`: {}",
            cause.step,
            printable_line(&shown(&cause.failure.to_string()))
        ));
    }
    let live: Vec<_> = state.resources.live().collect();
    output::say(counted(live.len(), "live resource"));
    let now = jiff::Timestamp::now().as_millisecond();
    let costs = costs::costs(state, now)?;
    for (id, _) in live {
        let cost = costs.iter().find(|cost| cost.id == *id && cost.bills);
        let bills = cost.map(|cost| match cost.hourly {
            Some(usd) => {
                format!(": {usd:.3} USD an hour on AWS, {} × {}", cost.instance_count, cost.instance_type)
            }
            None => format!(": bills by the hour on AWS, {} × {}", cost.instance_count, cost.instance_type),
        });
        output::say(format_args!("  {}{}", printable_line(&id.to_string()), bills.unwrap_or_default()));
    }
    let (spent, hourly) = costs::sums(&costs);
    output::say(format_args!(
        "{spent:.4} USD so far and {hourly:.3} USD an hour on AWS (`opsml costs` says for what)"
    ));
    Ok(exit::DONE)
}
