//! Calls that create no resource. Only this folder, `resource` and `aws.rs` call AWS.

pub mod audit;
mod decisions;
mod explain;
mod invoke_endpoint;
mod invoke_function;
mod load;
mod logs;
mod managed_policy;
mod my_address;
mod presign;
mod price_list;
mod s3_copy;
mod scaling;
mod training_output;
mod training_record;
mod tuning_trials;

pub use decisions::{Caller, caller, decisions};
pub use explain::{Denial, denial, explain, simulate};
pub use invoke_endpoint::{Invocation, invoke_endpoint};
pub use invoke_function::{Answer, invoke_function};
pub use load::{Shot, is_throttle};
pub use logs::{LogLine, job_log, object_text};
pub use managed_policy::managed_policy;
pub use my_address::my_address;
pub use presign::{origin, presigned};
pub use price_list::price_list;
pub use s3_copy::{Place, copy, copy_all, s3_client};
pub use scaling::{Instances, ScalingActivity, instances, scaling_activities};
pub use training_output::{TrainingOutput, training_output};
pub use training_record::{TrainingRecord, find_training, record_training};
pub use tuning_trials::{Trial, tuning_trials};
