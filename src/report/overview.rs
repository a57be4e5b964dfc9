//! Drawings of a whole run: when each step ran, and what each has cost.

use crate::journal::{Axis, Bar, Bars, Drawing, RunRow, Scale, State};
use crate::written;

/// The most bars that can be read.
const MAX_ROWS: usize = 60;

/// Returns when each step ran in a run, in the order in which they began. `None` if none did, or too many.
pub fn timeline(state: &State, run: &RunRow) -> Option<Drawing> {
    let end = run.ended.unwrap_or(state.last);
    let seconds = |at: i64| (at - run.started).max(0) as f64 / 1000.0;
    let (axis, unit) = Axis::time("time since the run began", seconds(end));
    let rows = state.steps.iter().filter_map(|(id, row)| {
        let attempts = row.attempts.iter().filter(|attempt| attempt.run == run.run);
        let attempts: Vec<(i64, i64)> =
            attempts.map(|attempt| (attempt.started, attempt.ended.unwrap_or(end))).collect();
        let all = attempts.iter().map(|(started, ended)| ended - started).sum();
        let spans =
            attempts.iter().map(|(started, ended)| (seconds(*started) / unit, seconds(*ended) / unit));
        let bar = Bar { label: id.clone(), spans: spans.collect(), text: written::duration(all) };
        (!attempts.is_empty()).then_some((attempts.first()?.0, bar))
    });
    let mut rows: Vec<(i64, Bar)> = rows.collect();
    rows.sort_by_key(|(began, _)| *began);
    let rows: Vec<Bar> = rows.into_iter().map(|(_, bar)| bar).collect();
    (1..=MAX_ROWS).contains(&rows.len()).then(|| Drawing::Bars(Bars { axis, rows, ..Bars::default() }))
}

/// Returns what each step has cost in US dollars, the dearest first, from the costs of its resources. `None` if none has
/// cost anything, or too many.
pub fn cost_by_step<'a>(costs: impl Iterator<Item = (&'a str, f64)>) -> Option<Drawing> {
    let mut steps: Vec<(&str, f64)> = Vec::new();
    for (step, usd) in costs.filter(|(_, usd)| *usd > 0.0) {
        match steps.iter_mut().find(|(known, _)| *known == step) {
            Some((_, sum)) => *sum += usd,
            None => steps.push((step, usd)),
        }
    }
    steps.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let row = |(step, usd): &(&str, f64)| {
        let text = if *usd < 1.0 { format!("{usd:.4}") } else { format!("{usd:.2}") };
        Bar { label: (*step).to_owned(), spans: vec![(0.0, *usd)], text }
    };
    let rows: Vec<Bar> = steps.iter().map(row).collect();
    let axis = Axis::new("cost on AWS", "US dollars", Scale::FromZero);
    (1..=MAX_ROWS).contains(&rows.len()).then(|| Drawing::Bars(Bars { axis, rows, ..Bars::default() }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::failure::Failure;
    use crate::journal::{Event, Record, RunOutcome};

    fn rows(drawing: Option<Drawing>) -> Vec<Bar> {
        let Some(Drawing::Bars(bars)) = drawing else { panic!("{drawing:?}") };
        bars.rows
    }

    fn bar(label: &str, spans: &[(f64, f64)], text: &str) -> Bar {
        Bar { label: label.into(), spans: spans.into(), text: text.into() }
    }

    #[test]
    fn a_timeline_has_the_attempts_of_one_run() {
        let mut state = State::default();
        let mut seq = 0;
        let mut at = |at: i64, event: Event| {
            seq += 1;
            state.apply(Record { seq, at: 1_000_000 + at * 1000, event }).unwrap();
        };
        let text = |text: &str| text.to_owned();
        let started = |step: &str| Event::StepStarted {
            step: text(step),
            kind: text("any"),
            inputs: Value::Null,
            files: Default::default(),
            reason: text("new"),
        };
        let done = |step: &str| {
            let (summary, figures) = (String::new(), Vec::new());
            Event::StepDone { step: text(step), outputs: Value::Null, summary, figures }
        };
        let run = |run: u64| Event::RunStarted { run, params: Map::new(), version: text("0") };
        let ended = |run: u64| Event::RunEnded { run, outcome: RunOutcome::Done, cause: None };
        at(0, Event::Opened { stack: text("s"), target: text("t"), account: text("a"), region: text("r") });
        at(0, run(1));
        at(0, started("a"));
        at(9, done("a"));
        at(9, ended(1));
        at(100, run(2));
        at(100, started("b"));
        at(110, Event::StepFailed { step: text("b"), failure: Failure::new("E", "m"), figures: Vec::new() });
        at(120, started("b"));
        at(125, done("b"));
        at(125, started("a"));
        at(140, done("a"));
        at(140, started("c"));
        at(150, ended(2));
        let expected = [
            bar("b", &[(0.0, 10.0), (20.0, 25.0)], "15 s"),
            bar("a", &[(25.0, 40.0)], "15 s"),
            bar("c", &[(40.0, 50.0)], "10 s"),
        ];
        assert_eq!(rows(timeline(&state, &state.runs[1])), expected);
        assert!(timeline(&State::default(), &state.runs[0]).is_none());
    }

    #[test]
    fn costs_are_summed_by_step_and_sorted() {
        let costs = [("deploy", 0.001), ("tune", 1.5), ("deploy", 0.002), ("role", 0.0), ("x", f64::NAN)];
        let expected = [bar("tune", &[(0.0, 1.5)], "1.50"), bar("deploy", &[(0.0, 0.003)], "0.0030")];
        assert_eq!(rows(cost_by_step(costs.into_iter())), expected);
        assert!(cost_by_step([("role", 0.0)].into_iter()).is_none());
    }
}
