//! Endpoints. [`operations`] has the operations. [`deploy`] starts and replaces [`fleet`]s, [`capacity`] changes the
//! number of a fleet's instances, and [`invoke`] sends requests to one of them.

mod capacity;
mod deploy;
mod fleet;
mod instance;
mod invoke;
pub mod live;
mod operations;
mod program;
mod record;
mod worker;

pub use deploy::{end_all, recover};
pub use invoke::Endpoints;
pub use operations::{create, delete, describe, list, on_endpoint, update, update_capacities};
pub use record::{PATH, STORE, none};
