//! What instances cost: a small table with its date and source.
//!
//! On-demand prices in US dollars an hour, us-east-1, as the project write-ups that opsml replaces paid and
//! measured them. An estimate today and in other regions; on the local cloud it says what a run would cost on AWS.

/// When the table's prices were paid.
pub const DATE: &str = "2022-01";

const HOURLY: &[(&str, f64)] = &[
    ("ml.c4.4xlarge", 0.955),
    ("ml.g4dn.12xlarge", 4.89),
    ("ml.m5.large", 0.115),
    ("ml.m5.xlarge", 0.23),
    ("ml.m5.2xlarge", 0.461),
    ("ml.m5.4xlarge", 0.922),
    ("ml.p2.xlarge", 1.125),
    ("ml.p3.2xlarge", 3.825),
];

/// US dollars an hour; `None` where the table doesn't know the type.
pub fn hourly(instance_type: &str) -> Option<f64> {
    HOURLY.iter().find(|(name, _)| *name == instance_type).map(|(_, price)| *price)
}
