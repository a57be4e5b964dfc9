//! Instance types: their size, and their on-demand price for Linux in US dollars an hour.
//!
//! The prices are those of a small table for us-east-1, each with its source, until [`prefer`] provides those of AWS's
//! price list. On the local cloud they estimate what a run would cost on AWS.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use opsml_contract::INSTANCES;
pub use opsml_contract::{Instance, Source};
use serde::{Deserialize, Serialize};

/// The dates of the table's oldest and newest price.
const DATES: &str = "2022 to 2026";

/// Prices from AWS's price list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurrentPrices {
    /// The date of the call, as `2026-11-21`.
    pub date: String,
    pub region: String,
    /// US dollars an hour by instance type.
    pub hourly: BTreeMap<String, f64>,
}

static CURRENT: OnceLock<CurrentPrices> = OnceLock::new();

/// Prefers these prices to the table's from now on. Only the first call has an effect: if prices changed during a run,
/// its estimates would contradict one another.
pub fn prefer(prices: CurrentPrices) {
    let _ = CURRENT.set(prices);
}

/// Returns the source and date of the prices, to complete "prices of …".
pub fn source() -> String {
    let table = format!("{DATES} in us-east-1");
    match CURRENT.get() {
        Some(list) => format!("AWS's price list for {} on {}, or else {table}", list.region, list.date),
        None => table,
    }
}

/// Returns the date of a price.
pub fn date(source: Source) -> &'static str {
    match source {
        Source::WriteUps => "2022-01",
        Source::PriceList => "2026-09-06",
        Source::Estimator => "2026",
        Source::Unchecked => "about 2023",
        Source::Current => CURRENT.get().map_or("today", |list| &list.date),
    }
}

/// Returns a type of the table, with its current price if that is known.
pub fn instance(name: &str) -> Option<Instance> {
    let known = *INSTANCES.iter().find(|instance| instance.name == name)?;
    Some(match current(name) {
        Some(hourly) => Instance { hourly, source: Source::Current, ..known },
        None => known,
    })
}

/// Returns the US dollars an hour of a type, if the price list or the table has it.
pub fn hourly(instance_type: &str) -> Option<f64> {
    current(instance_type).or_else(|| instance(instance_type).map(|instance| instance.hourly))
}

fn current(name: &str) -> Option<f64> {
    CURRENT.get()?.hourly.get(name).copied()
}

/// Returns every type of the table.
pub fn instances() -> &'static [Instance] {
    INSTANCES
}
