//! Calls that make nothing. Together with `resource`, the only place that calls AWS.

mod invoke_endpoint;
mod logs;
mod my_address;
mod price_list;
mod s3_copy;
mod training_output;
mod tuning_trials;

pub use invoke_endpoint::{Invocation, invoke_endpoint};
pub use logs::{LogLine, job_log, object_text};
pub use my_address::my_address;
pub use price_list::price_list;
pub use s3_copy::{Place, copy, copy_all, s3_client};
pub use training_output::{TrainingOutput, training_output};
pub use tuning_trials::{Trial, tuning_trials};
