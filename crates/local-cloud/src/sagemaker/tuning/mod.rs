//! Hyperparameter tuning jobs. [`operations`] has the operations, and [`jobs`] starts and stops jobs. [`run`] runs a
//! job, whose trials are normal training jobs. [`search`] chooses their hyperparameters within [`ranges`].

mod check;
pub mod jobs;
mod operations;
mod ranges;
mod record;
mod run;
mod search;

pub use operations::{create, delete, describe, list, list_trials, on_job, stop};
pub use record::{PATH, STORE};
