//! Training jobs. [`operations`] has the operations, and [`jobs`] starts and stops jobs. [`run`] runs a job from its
//! download to its upload, with its processes in a [`cluster`]. [`script`] does what AWS's framework images do around
//! the user's script.

mod check;
mod cluster;
mod environment;
pub mod jobs;
mod layout;
mod operations;
mod program;
mod python;
mod record;
mod run;
mod script;
mod warm;

pub use check::check;
pub use environment::OBJECTIVE;
pub use operations::{create, delete, describe, list, on_job, stop};
pub use record::{Job, PATH, STORE, Status, TrialOf, arn};
pub use run::interrupt;
