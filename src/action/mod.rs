//! Calls that make nothing. Together with `resource`, the only place that calls AWS.

mod invoke_endpoint;
mod logs;
mod training_output;

pub use invoke_endpoint::{Invocation, invoke_endpoint};
pub use logs::{LogLine, job_log};
pub use training_output::{TrainingOutput, training_output};
