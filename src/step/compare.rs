//! `compare`: compares training jobs by their times and prices.

use std::collections::BTreeMap;

use opsml_contract::EpochMetrics;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::choose_instance::priced;
use super::context::{Context, Done};
use super::kind::{Kind, Problem};
use super::trained::Measured;
use crate::diagnostic::counted;
use crate::failure::Outcome;
use crate::journal::{Axis, Bar, Bars, Drawing, Figure, Scale};
use crate::price;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// The rows by name, each with the outputs of a training step: `"{{ train }}"`.
    pub runs: BTreeMap<String, Run>,
    /// Other instance types, to estimate the price of the same seconds on them.
    #[serde(default)]
    #[schemars(extend("x-instances" = "any"))]
    pub elsewhere: Vec<String>,
}

/// The outputs of a training step, as far as they are compared.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Run {
    #[serde(flatten)]
    pub took: Measured,
    /// Metrics of each epoch.
    #[serde(default)]
    pub epochs: Vec<EpochMetrics>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The rows of the comparison.
    pub rows: Vec<Row>,
    /// The row whose epochs cost least, or nothing if none costs less by more than the epochs differ among themselves.
    pub cheapest: Option<String>,
    /// The row with the shortest epochs, or nothing if none is shorter by more than the epochs differ among themselves.
    pub fastest: Option<String>,
    /// What may be said of the rows, in sentences.
    pub verdict: String,
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
    /// How many epochs were trained. Totals of different numbers of epochs cannot be compared.
    pub epochs: usize,
    /// US dollars an hour for one instance.
    pub hourly: Option<f64>,
    /// The mean of the epochs.
    pub epoch_seconds: Option<f64>,
    /// By which part of their mean the epochs differ among themselves.
    pub noise: f64,
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
    const ROWS: &'static [&'static str] = &["verdict"];
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        if self.runs.is_empty() {
            return vec![Problem::at("runs", "there is nothing to compare")];
        }
        let unknown = self.elsewhere.iter().enumerate().filter(|(_, name)| price::instance(name).is_none());
        unknown
            .map(|(at, name)| {
                let message = format!("the price table doesn't know `{name}`");
                Problem::at(format!("elsewhere.{at}"), message).hint(priced(name))
            })
            .collect()
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let mut rows: Vec<Row> =
            self.runs.iter().map(|(name, run)| row(name, run, &run.took.instance_type, true)).collect();
        for (name, run) in &self.runs {
            for other in self.elsewhere.iter().filter(|other| **other != run.took.instance_type) {
                rows.push(row(&format!("{name}, on {other}"), run, other, false));
            }
        }
        let (cheapest, costs) = least(&rows, "cost least an epoch", |row| row.cost_per_epoch);
        let (fastest, times) = least(&rows, "be fastest", |row| row.epoch_seconds);
        let verdict = [Some(costs), Some(times), cheaper_elsewhere(&rows), unlike(&rows)];
        let verdict = verdict.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let mut note = format!("Costs are estimates, by on-demand prices of {}", price::source());
        if context.aws().is_local() {
            note += "; the seconds were measured on the local cloud, whose instances all are this machine";
        }
        if !self.elsewhere.is_empty() {
            note += "; rows marked with * are the same seconds at another type's price, not measured there";
        }
        let note = note + ".";
        let outputs = Outputs { cheapest, fastest, verdict, note, rows };
        let summary = match &outputs.cheapest {
            Some(cheapest) => {
                format!("{}; {cheapest} would cost least an epoch", counted(self.runs.len(), "run"))
            }
            None => counted(self.runs.len(), "run"),
        };
        let mut figures = vec![table(&outputs.rows)];
        let seconds = |row: &Row| row.epoch_seconds.map(|value| (value, seconds(value)));
        figures.extend(bars("Seconds of an epoch", ("time", "s"), &outputs.rows, seconds));
        let dollars = |row: &Row| row.cost_per_epoch.map(|value| (value, dollars(value)));
        figures.extend(bars("US dollars of an epoch", ("cost", "US dollars"), &outputs.rows, dollars));
        Ok(Done::new(outputs, summary).figures(figures))
    }
}

/// The least part of a time that counts as noise: two runs of the same on the same machine differ by as much.
const NOISE: f64 = 0.05;
/// The noise of a single epoch, which has nothing to be compared with.
const NOISE_OF_ONE: f64 = 0.1;

fn noise(epochs: &[EpochMetrics]) -> f64 {
    let seconds = || epochs.iter().map(|epoch| epoch.seconds);
    let (least, most) =
        seconds().fold((f64::MAX, 0.0f64), |(least, most), one| (least.min(one), most.max(one)));
    let mean = seconds().sum::<f64>() / epochs.len().max(1) as f64;
    match epochs.len() {
        0 | 1 => NOISE_OF_ONE,
        _ if mean <= 0.0 => NOISE,
        _ => ((most - least) / 2.0 / mean).max(NOISE),
    }
}

fn row(name: &str, run: &Run, instance_type: &str, measured: bool) -> Row {
    let Run { took, epochs } = run;
    let hourly = price::hourly(instance_type);
    let cost = |seconds: f64| Some(hourly? * seconds / 3600.0 * f64::from(took.instance_count));
    Row {
        name: name.to_owned(),
        instance_type: instance_type.to_owned(),
        instance_count: took.instance_count,
        billable_seconds: took.billable_seconds,
        epochs: epochs.len(),
        hourly,
        epoch_seconds: took.epoch_seconds,
        noise: noise(epochs),
        test_seconds: took.test_seconds,
        setup_seconds: took.setup_seconds,
        cost_per_epoch: took.epoch_seconds.and_then(cost),
        total_cost: cost(took.billable_seconds as f64),
        measured,
    }
}

/// Returns the measured row with the least value, if it is less by more than the noise, and a sentence about it.
fn least(rows: &[Row], what: &str, value: fn(&Row) -> Option<f64>) -> (Option<String>, String) {
    let mut known: Vec<(f64, &Row)> =
        rows.iter().filter(|row| row.measured).filter_map(|row| Some((value(row)?, row))).collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some(((best, first), others)) = known.split_first() else {
        return (None, format!("Which would {what} is not known."));
    };
    let alike = |(value, row): &&(f64, &Row)| value * (1.0 - row.noise) <= best * (1.0 + first.noise);
    let alike: Vec<&str> = others.iter().filter(alike).map(|(_, row)| row.name.as_str()).collect();
    match (others, alike.as_slice()) {
        ([], _) => (None, format!("Only {} was measured, so which would {what} is not known.", first.name)),
        (_, []) => (Some(first.name.clone()), format!("{} would {what}.", first.name)),
        (_, alike) => {
            let names = [&[first.name.as_str()], alike].concat().join(", ");
            (
                None,
                format!(
                    "Which of {names} would {what} cannot be said: they differ by less than their epochs do."
                ),
            )
        }
    }
}

/// Says which row that was not measured would cost less than all that were.
fn cheaper_elsewhere(rows: &[Row]) -> Option<String> {
    let least = |measured: bool| {
        let rows = rows.iter().filter(move |row| row.measured == measured);
        rows.filter_map(|row| Some((row.cost_per_epoch?, row))).min_by(|a, b| a.0.total_cmp(&b.0))
    };
    let ((here, _), (there, row)) = (least(true)?, least(false)?);
    (there < here)
        .then(|| format!("If it took the same seconds, {} would cost less; that was not measured.", row.name))
}

/// Says that totals cannot be compared.
fn unlike(rows: &[Row]) -> Option<String> {
    let mut counts: Vec<usize> = rows.iter().filter(|row| row.measured).map(|row| row.epochs).collect();
    counts.sort_unstable();
    counts.dedup();
    (counts.len() > 1)
        .then(|| "The totals are of different numbers of epochs, and cannot be compared.".to_owned())
}

fn seconds(value: f64) -> String {
    format!("{value:.2}")
}

fn dollars(value: f64) -> String {
    format!("{value:.5}")
}

fn table(rows: &[Row]) -> Figure {
    let shown = |value: Option<f64>, show: fn(f64) -> String| value.map(show).unwrap_or_default();
    let columns = [
        "run",
        "instance type",
        "instances",
        "epochs",
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
                    titled(row),
                    row.instance_type.clone(),
                    row.instance_count.to_string(),
                    row.epochs.to_string(),
                    row.billable_seconds.to_string(),
                    row.hourly.map(|usd| usd.to_string()).unwrap_or_default(),
                    shown(row.epoch_seconds, seconds),
                    shown(row.test_seconds, seconds),
                    shown(row.setup_seconds, seconds),
                    shown(row.cost_per_epoch, dollars),
                    shown(row.total_cost, dollars),
                ]
            })
            .collect(),
    }
}

/// Returns the rows that have a value as bars, if these are to be compared: there are several.
fn bars(
    caption: &str,
    (what, unit): (&str, &str),
    rows: &[Row],
    value: impl Fn(&Row) -> Option<(f64, String)>,
) -> Option<Figure> {
    let bar = |row: &Row| {
        let (value, text) = value(row)?;
        Some(Bar { label: titled(row), spans: vec![(0.0, value)], text })
    };
    let rows: Vec<Bar> = rows.iter().filter_map(bar).collect();
    let axis = Axis::new(what, unit, Scale::FromZero);
    (rows.len() > 1).then(|| Figure::drawn(caption, Drawing::Bars(Bars { axis, rows, ..Bars::default() })))
}

/// Returns the row's name, with a mark if its seconds were measured elsewhere.
fn titled(row: &Row) -> String {
    format!("{}{}", row.name, if row.measured { "" } else { " *" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(instance_type: &str, epochs: &[f64]) -> Run {
        let epoch = |(at, seconds): (usize, &f64)| {
            let metrics = serde_json::json!({"epoch": at, "train_loss": 1.0, "train_accuracy": 0.5, "valid_loss": 1.0,
                "valid_accuracy": 0.5, "seconds": seconds, "images_per_second": 1.0});
            serde_json::from_value(metrics).unwrap()
        };
        let mean = epochs.iter().sum::<f64>() / epochs.len() as f64;
        let took = Measured {
            instance_type: instance_type.to_owned(),
            instance_count: 1,
            billable_seconds: 100,
            setup_seconds: None,
            epoch_seconds: Some(mean),
            test_seconds: None,
        };
        Run { took, epochs: epochs.iter().enumerate().map(epoch).collect() }
    }

    fn rows(runs: &[(&str, &[f64])]) -> Vec<Row> {
        runs.iter()
            .map(|(name, epochs)| row(name, &run("ml.m5.xlarge", epochs), "ml.m5.xlarge", true))
            .collect()
    }

    #[test]
    fn a_winner_is_apart_by_more_than_the_noise() {
        let fastest = |runs: &[(&str, &[f64])]| least(&rows(runs), "be fastest", |row| row.epoch_seconds);
        assert_eq!(fastest(&[("a", &[10.0, 10.1]), ("b", &[12.0, 12.1])]).0.as_deref(), Some("a"));
        // Each differs from the other by less than its own epochs.
        let (winner, sentence) = fastest(&[("a", &[9.0, 11.0]), ("b", &[10.5, 11.5])]);
        assert_eq!(winner, None);
        assert!(sentence.contains("a, b") && sentence.contains("cannot be said"), "{sentence}");
        // One epoch says little.
        assert_eq!(fastest(&[("a", &[10.0]), ("b", &[11.0])]).0, None);
        assert_eq!(fastest(&[("a", &[10.0]), ("b", &[20.0])]).0.as_deref(), Some("a"));
        assert_eq!(fastest(&[("a", &[10.0])]).0, None);
    }

    #[test]
    fn what_is_to_be_compared_is_drawn() {
        let drawn =
            |rows: &[Row]| bars("c", ("time", "s"), rows, |row| Some((row.epoch_seconds?, "1".into())));
        let mut all = rows(&[("a", &[10.0, 11.0]), ("b", &[20.0])]);
        all[1].measured = false;
        let Some(Figure::Drawn { drawing: Drawing::Bars(bars), .. }) = drawn(&all) else { panic!() };
        let shown: Vec<String> = bars.rows.iter().map(|bar| format!("{} {}", bar.label, bar.text)).collect();
        assert_eq!(shown, ["a 1", "b * 1"]);
        all[1].epoch_seconds = None;
        assert_eq!(drawn(&all), None);
    }

    #[test]
    fn what_was_not_measured_never_wins_and_is_named() {
        let mut all = rows(&[("a", &[10.0, 10.0]), ("b", &[20.0, 20.0])]);
        all.push(row("a, on ml.t2.medium", &run("ml.m5.xlarge", &[10.0, 10.0]), "ml.t2.medium", false));
        let (winner, _) = least(&all, "cost least an epoch", |row| row.cost_per_epoch);
        assert_eq!(winner.as_deref(), Some("a"));
        assert!(cheaper_elsewhere(&all).unwrap().contains("ml.t2.medium"));
        assert_eq!(unlike(&all), None);
        assert!(unlike(&rows(&[("a", &[1.0]), ("b", &[1.0, 1.0])])).is_some());
    }
}
