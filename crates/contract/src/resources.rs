//! What a training job uses over time, as it writes it beside its metrics: a JSON line each in [`RESOURCES_FILE`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lies in `SM_OUTPUT_DATA_DIR`, and so at the top of `output.tar.gz`.
pub const RESOURCES_FILE: &str = "resources.jsonl";

/// One line of [`RESOURCES_FILE`]; there is one a second, and one at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceSample {
    /// Since the job's start.
    pub seconds: f64,
    /// Of one core, since the sample before: 200 is two cores at work.
    pub cpu_percent: f64,
    /// Resident at this moment.
    pub memory_bytes: u64,
}
