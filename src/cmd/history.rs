//! `opsml history`: the runs of a runbook, with what was new in each.

use serde_json::{Map, Value, json};

use super::output;
use super::session;
use super::stop::Verdict;
use crate::cli::{Format, Journaled};
use crate::costs;
use crate::diagnostic::{counted, printable_line};
use crate::exit;
use crate::journal::{RunOutcome, State};
use crate::secret::{shown, shown_value};
use crate::written::{duration, money, time};

pub fn run(arguments: &Journaled) -> Verdict {
    let journal = session::must_read(&arguments.file, &arguments.target)?;
    let state = journal.state();
    if arguments.format == Format::Json {
        output::json(&json!(state.runs));
        return Ok(exit::DONE);
    }
    let mut before = Map::new();
    for run in &state.runs {
        let spent = money(spent_until(state, run.ended.unwrap_or(state.last))?);
        output::say(format_args!(
            "run {}  {}  {:>11}  {:11}  {} ran, {spent} by its end",
            run.run,
            time(run.started),
            run.ended.map(|ended| duration(ended - run.started)).unwrap_or_default(),
            // A run that was killed has no end until the next one begins.
            run.outcome.map_or("running", RunOutcome::word),
            counted(run.started_steps, "step"),
        ));
        if run.run != state.runs[0].run {
            params(&before, &run.params).iter().for_each(|line| output::say(format_args!("       {line}")));
        }
        before.clone_from(&run.params);
        if let Some(cause) = &run.cause {
            let why = shown(&cause.failure.to_string());
            output::say(format_args!(
                "       {}: {}",
                cause.step,
                printable_line(why.lines().next().unwrap_or_default())
            ));
        }
    }
    Ok(exit::DONE)
}

/// Returns what the stack had cost by a time, in US dollars.
fn spent_until(state: &State, at: i64) -> crate::failure::Outcome<f64> {
    Ok(costs::sums(&costs::costs(state, at)?).0)
}

/// Returns a line for each parameter that differs.
fn params(before: &Map<String, Value>, now: &Map<String, Value>) -> Vec<String> {
    let names = before.keys().chain(now.keys().filter(|name| !before.contains_key(*name)));
    let value = |params: &Map<String, Value>, name: &str| {
        let value = params.get(name).map(shown_value);
        value.map_or("nothing".to_owned(), |value| {
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        })
    };
    let changed = names.filter(|name| before.get(*name) != now.get(*name));
    changed
        .map(|name| printable_line(&format!("{name}: {} → {}", value(before, name), value(now, name))))
        .collect()
}
