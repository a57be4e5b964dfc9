//! Hyperparameter tuning jobs. [`operations`] answers, [`jobs`] starts and stops jobs, [`run`] is a job's run, whose trials
//! are training jobs like any other; [`search`] chooses their points within [`ranges`].

mod check;
pub mod jobs;
mod operations;
mod ranges;
mod record;
mod run;
mod search;

pub use operations::{create, delete, describe, list, list_trials, on_job, stop};
pub use record::{PATH, STORE};
