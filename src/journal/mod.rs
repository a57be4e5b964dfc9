//! The journal: events in SQLite, and the state that is their fold.

mod batch;
mod drawing;
mod error;
mod event;
mod figure;
mod flat;
mod format;
mod head;
mod ledger;
mod lock;
mod ordered;
mod picture;
mod shared;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub use drawing::{Axis, Bar, Bars, Drawing, Mark, Matrix, Panel, Plot, Scale, Series, Sheet};
pub use error::{Illegal, JournalError};
pub use event::{Cause, Event, Lifetime, Record, ResourceId, RunOutcome};
pub use figure::{Figure, one_panel};
pub use format::FORMAT;
pub use ledger::{Ledger, ResourceRow, ResourceStatus};
pub use picture::{Picture, Pictures};
pub use shared::SharedJournal;
pub use state::{Attempt, Made, RunRow, State, StepRow, StepStatus};
pub use store::{Journal, Observer, Progress};
