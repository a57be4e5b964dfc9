//! Endpoints. [`operations`] answers, [`deploy`] starts and replaces the [`fleet`]s that serve, [`capacity`] adds and drains
//! instances of a fleet, [`invoke`] has one answer.

mod capacity;
mod deploy;
mod fleet;
mod instance;
mod invoke;
pub mod live;
mod operations;
mod record;
mod worker;

pub use deploy::{end_all, recover};
pub use invoke::Endpoints;
pub use operations::{create, delete, describe, list, on_endpoint, update, update_capacities};
pub use record::{PATH, STORE, none};
