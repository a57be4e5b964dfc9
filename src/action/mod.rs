//! Calls that make nothing. Together with `resource`, the only place that calls AWS.

pub mod audit;
mod invoke_endpoint;
mod load;
mod logs;
mod my_address;
mod s3_copy;
mod scaling;
mod training_output;
mod tuning_trials;

pub use invoke_endpoint::{Invocation, invoke_endpoint};
pub use load::{Shot, is_throttle};
pub use logs::{LogLine, job_log, object_text};
pub use my_address::my_address;
pub use s3_copy::{Place, copy, copy_all, s3_client};
pub use scaling::{Instances, ScalingActivity, instances, scaling_activities};
pub use training_output::{TrainingOutput, training_output};
pub use tuning_trials::{Trial, tuning_trials};
