//! What has happened, and so what is true: events in SQLite, a state that is their fold, and one match that
//! refuses every illegal transition.

mod event;
mod figure;
mod process;
mod state;
mod store;

pub use event::{Cause, Event, Lifetime, Record, ResourceId, RunOutcome};
pub use figure::{Figure, Series};
pub use process::{is_alive, start_time};
pub use state::{Ledger, ResourceRow, ResourceStatus, RunRow, State, StepRow, StepStatus};
pub use store::{FORMAT, Journal, JournalError, Observer, Progress};
