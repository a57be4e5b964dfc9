//! Two runs of a runbook side by side: their settings, results, times and costs. No I/O.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::costs;
use crate::failure::Outcome;
use crate::journal::{RunOutcome, RunRow, State, StepRow};
use crate::secret::{shown, shown_value};
use crate::written;

/// The most characters of a value.
const LONGEST: usize = 60;

#[derive(Debug, PartialEq, Serialize)]
pub struct RunDiff {
    /// The runs: number, start and outcome.
    pub runs: [String; 2],
    pub sections: Vec<Section>,
}

/// The differences of one sort.
#[derive(Debug, PartialEq, Serialize)]
pub struct Section {
    pub title: &'static str,
    pub rows: Vec<Row>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Row {
    /// The step, or nothing for the runbook's own.
    pub step: String,
    pub name: String,
    /// What it was after each run; empty if it was not there.
    pub values: [String; 2],
    /// By how much a number has changed.
    pub change: String,
}

/// A run and the state after it.
pub struct After<'a> {
    pub run: &'a RunRow,
    pub state: &'a State,
}

impl RunDiff {
    /// Compares what the steps were after each run. A step that a run kept is as an earlier run left it.
    pub fn of(both: [After<'_>; 2]) -> Outcome<Self> {
        let ids: Vec<&String> = {
            let [first, second] = &both;
            let new = second.state.steps.keys().filter(|id| !first.state.steps.contains_key(*id));
            first.state.steps.keys().chain(new).collect()
        };
        let both = &both;
        let rows_of = |values: fn(&StepRow) -> Vec<(String, Value)>| {
            ids.iter().flat_map(move |id| {
                let of = |after: &After<'_>| after.state.steps.get(*id).map(values).unwrap_or_default();
                differing(id, both.each_ref().map(of))
            })
        };
        let costs = both.each_ref().map(|after| cost_by_step(after));
        let [first, second] = costs;
        let costs = [first?, second?];
        let costs = ids.iter().flat_map(|id| {
            let of = |costs: &Map<String, Value>| {
                costs.get(*id).map(|usd| ("USD".to_owned(), usd.clone())).into_iter().collect()
            };
            differing(id, costs.each_ref().map(of))
        });
        let params = both.each_ref().map(|after| leaves(&Value::Object(after.run.params.clone())));
        let sections = [
            ("Parameters", differing("", params)),
            ("Settings", rows_of(|row| leaves(&row.inputs)).collect()),
            ("Results", rows_of(results).collect()),
            ("Times in seconds", rows_of(|row| took(row).into_iter().collect()).collect()),
            ("Costs on AWS", costs.collect()),
        ];
        let sections = sections.into_iter().filter(|(_, rows): &(_, Vec<Row>)| !rows.is_empty());
        Ok(Self {
            runs: both.each_ref().map(|after| title(after.run)),
            sections: sections.map(|(title, rows)| Section { title, rows }).collect(),
        })
    }
}

fn title(run: &RunRow) -> String {
    let outcome = run.outcome.map_or("running", RunOutcome::word);
    format!("run {}, {}, {outcome}", run.run, written::time(run.started))
}

/// Returns the numbers among a step's outputs, and how it ended.
fn results(row: &StepRow) -> Vec<(String, Value)> {
    let outputs = row.outputs.iter().flat_map(leaves).filter(|(_, value)| value.is_number());
    let status = ("status".to_owned(), Value::from(row.status.word()));
    std::iter::once(status).chain(outputs).collect()
}

fn took(row: &StepRow) -> Option<(String, Value)> {
    let (milliseconds, _) = row.took()?;
    Some(("took".to_owned(), Value::from(milliseconds as f64 / 1000.0)))
}

/// Returns what each step's resources have cost by the end of a run, in US dollars.
fn cost_by_step(after: &After<'_>) -> Outcome<Map<String, Value>> {
    let mut sums: Map<String, Value> = Map::new();
    for cost in costs::costs(after.state, after.run.ended.unwrap_or(after.state.last))? {
        let before = sums.get(&cost.step).and_then(Value::as_f64).unwrap_or_default();
        sums.insert(cost.step, Value::from(before + cost.usd.unwrap_or_default()));
    }
    Ok(sums)
}

/// Returns a row for each name whose values differ.
fn differing(step: &str, both: [Vec<(String, Value)>; 2]) -> Vec<Row> {
    let [first, second] = &both;
    let mut seen = BTreeSet::new();
    let names = first.iter().chain(second).map(|(name, _)| name).filter(|name| seen.insert(*name));
    let find = |values: &[(String, Value)], name: &str| {
        values.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
    };
    let row = |name: &String| {
        let values = [find(first, name), find(second, name)];
        (values[0] != values[1]).then(|| Row {
            step: step.to_owned(),
            name: name.clone(),
            change: change(&values),
            values: values.map(|value| value.map(|value| in_words(&value)).unwrap_or_default()),
        })
    };
    names.filter_map(row).collect()
}

fn change([first, second]: &[Option<Value>; 2]) -> String {
    let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_f64);
    let (Some(first), Some(second)) = (number(first), number(second)) else { return String::new() };
    let difference = second - first;
    let sign = if difference >= 0.0 { "+" } else { "-" };
    let share = match first == 0.0 {
        true => String::new(),
        false => format!(" ({sign}{})", written::percent((difference / first).abs())),
    };
    format!("{sign}{}{share}", written::decimal(difference.abs()))
}

fn in_words(value: &Value) -> String {
    let text = match shown_value(value) {
        Value::String(text) => text,
        Value::Number(number) if number.is_f64() => written::decimal(number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    };
    let text = shown(&text);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let short: String = first.chars().take(LONGEST).collect();
    if short.len() < first.len() || lines.next().is_some() { format!("{short} …") } else { short }
}

/// Returns the values that hold no others, each with its path: `inputs.training`, `epochs[0].train_loss`.
fn leaves(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    collect("", value, &mut found);
    found
}

fn collect(path: &str, value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(&path, value, found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                collect(&format!("{path}[{index}]"), value, found);
            }
        }
        Value::Null => {}
        leaf => found.push((path.to_owned(), leaf.clone())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_has_a_row_and_a_number_its_change() {
        let first = json!({"epochs": 2, "inputs": {"training": "s3://a"}, "same": [1, 2], "gone": true});
        let second = json!({"epochs": 3, "inputs": {"training": "s3://b"}, "same": [1, 2], "rate": 0.5});
        let rows = differing("train", [leaves(&first), leaves(&second)]);
        let shown: Vec<[&str; 4]> =
            rows.iter().map(|row| [&*row.name, &*row.values[0], &*row.values[1], &*row.change]).collect();
        assert_eq!(
            shown,
            [
                ["epochs", "2", "3", "+1 (+50.0 %)"],
                ["inputs.training", "s3://a", "s3://b", ""],
                ["gone", "true", "", ""],
                ["rate", "", "0.5", ""],
            ]
        );
        assert_eq!(change(&[Some(json!(0.0)), Some(json!(2.5))]), "+2.5");
        assert_eq!(change(&[Some(json!(4.0)), Some(json!(3.0))]), "-1 (-25.0 %)");
        assert!(in_words(&json!("x".repeat(99))).ends_with(" …"));
    }
}
