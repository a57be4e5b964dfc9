//! Runs a runbook. For each step: resolve its templates, decide, run or keep it, retry, check its expectations, and
//! record the outcome in the journal.

mod attempt;
mod expect;
mod options;
mod refresh;
mod remove;
mod run;
mod steps;
mod work;

pub use options::{Ended, Options};
pub use run::run;
