//! Endpoints. [`operations`] answers, [`deploy`] starts and replaces the [`fleet`]s that serve, [`capacity`] adds and drains
//! instances of a fleet.

mod capacity;
mod deploy;
mod fleet;
mod instance;
pub mod live;
mod operations;
mod record;
mod worker;

pub use deploy::{end_all, recover};
pub use fleet::{Fleet, Unpicked};
pub use instance::Busy;
pub use live::Live;
pub use operations::{create, delete, describe, list, on_endpoint, update, update_capacities};
pub use record::{PATH, STORE, none, served};
