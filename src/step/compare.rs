//! `compare`: compares training jobs by their times and prices.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::{Context, Done};
use super::kind::{Kind, Problem};
use super::trained::Measured;
use crate::failure::Outcome;
use crate::journal::Figure;
use crate::price;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// The rows by name, each with the outputs of a training step: `"{{ train }}"`.
    pub runs: BTreeMap<String, Measured>,
    /// Other instance types, to estimate the price of the same seconds on them.
    #[serde(default)]
    pub elsewhere: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The rows of the comparison.
    pub rows: Vec<Row>,
    /// The row with the lowest price, or nothing if no price is known.
    pub cheapest: Option<String>,
    /// The row with the shortest epochs, or nothing if none was measured.
    pub fastest: Option<String>,
    /// A sentence that says which numbers are estimates.
    pub note: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Row {
    pub name: String,
    pub instance_type: String,
    pub instance_count: i32,
    pub billable_seconds: i64,
    /// US dollars an hour for one instance.
    pub hourly: Option<f64>,
    pub epoch_seconds: Option<f64>,
    pub test_seconds: Option<f64>,
    pub setup_seconds: Option<f64>,
    /// US dollars for the training time of an epoch, on all instances.
    pub cost_per_epoch: Option<f64>,
    /// US dollars for the billable seconds, on all instances.
    pub total_cost: Option<f64>,
    /// Whether the seconds were measured on this instance type.
    pub measured: bool,
}

impl Kind for Compare {
    const NAME: &'static str = "compare";
    const ABOUT: &'static str = "sets training jobs side by side: seconds, prices, costs";
    const OWNS: bool = false;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        if self.runs.is_empty() {
            return vec![Problem::at("runs", "there is nothing to compare")];
        }
        let unknown = self.elsewhere.iter().filter(|name| price::instance(name).is_none());
        unknown
            .map(|name| Problem::at("elsewhere", format!("the price table doesn't know `{name}`")))
            .collect()
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let mut rows: Vec<Row> =
            self.runs.iter().map(|(name, run)| row(name, run, &run.instance_type, true)).collect();
        for (name, run) in &self.runs {
            for other in self.elsewhere.iter().filter(|other| **other != run.instance_type) {
                rows.push(row(&format!("{name}, on {other}"), run, other, false));
            }
        }
        let least = |value: fn(&Row) -> Option<f64>| {
            let measured = rows.iter().filter(|row| row.measured);
            let known = measured.filter_map(|row| Some((value(row)?, row.name.clone())));
            known.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
        };
        let (cheapest, fastest) = (least(|row| row.total_cost), least(|row| row.epoch_seconds));
        let mut note = format!("Costs are estimates, by on-demand prices of {}", price::source());
        if context.aws().is_local() {
            note += "; the seconds were measured on the local cloud, whose instances all are this machine";
        }
        if !self.elsewhere.is_empty() {
            note += "; rows marked with * are the same seconds at another type's price, not measured there";
        }
        let note = note + ".";
        let outputs = Outputs { cheapest, fastest, note, rows };
        let summary = match &outputs.cheapest {
            Some(cheapest) => format!("{} runs; {cheapest} would cost least", self.runs.len()),
            None => format!("{} runs", self.runs.len()),
        };
        let figure = table(&outputs.rows);
        Ok(Done::new(outputs, summary).figures(vec![figure]))
    }
}

fn row(name: &str, run: &Measured, instance_type: &str, measured: bool) -> Row {
    let hourly = price::hourly(instance_type);
    let cost = |seconds: f64| Some(hourly? * seconds / 3600.0 * f64::from(run.instance_count));
    Row {
        name: name.to_owned(),
        instance_type: instance_type.to_owned(),
        instance_count: run.instance_count,
        billable_seconds: run.billable_seconds,
        hourly,
        epoch_seconds: run.epoch_seconds,
        test_seconds: run.test_seconds,
        setup_seconds: run.setup_seconds,
        cost_per_epoch: run.epoch_seconds.and_then(cost),
        total_cost: cost(run.billable_seconds as f64),
        measured,
    }
}

fn table(rows: &[Row]) -> Figure {
    let seconds = |value: Option<f64>| value.map(|s| format!("{s:.2}")).unwrap_or_default();
    let dollars = |value: Option<f64>| value.map(|usd| format!("{usd:.5}")).unwrap_or_default();
    let columns = [
        "run",
        "instance type",
        "instances",
        "billed s",
        "USD an hour",
        "epoch s",
        "test s",
        "set-up s",
        "USD an epoch",
        "USD in all",
    ];
    Figure::Table {
        caption: "Seconds and costs; * marks seconds that were not measured there".into(),
        columns: columns.map(str::to_owned).into(),
        rows: rows
            .iter()
            .map(|row| {
                vec![
                    format!("{}{}", row.name, if row.measured { "" } else { " *" }),
                    row.instance_type.clone(),
                    row.instance_count.to_string(),
                    row.billable_seconds.to_string(),
                    row.hourly.map(|usd| usd.to_string()).unwrap_or_default(),
                    seconds(row.epoch_seconds),
                    seconds(row.test_seconds),
                    seconds(row.setup_seconds),
                    dollars(row.cost_per_epoch),
                    dollars(row.total_cost),
                ]
            })
            .collect(),
    }
}
