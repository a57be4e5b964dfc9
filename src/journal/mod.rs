//! The journal: events in SQLite, and the state that is their fold.

mod error;
mod event;
mod figure;
mod format;
mod head;
mod ledger;
mod lock;
mod ordered;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub use error::{Illegal, JournalError};
pub use event::{Cause, Event, Lifetime, Record, ResourceId, RunOutcome};
pub use figure::{Figure, Series};
pub use format::FORMAT;
pub use ledger::{Ledger, ResourceRow, ResourceStatus};
pub use state::{Attempt, Made, RunRow, State, StepRow, StepStatus};
pub use store::{Journal, Observer, Progress};
