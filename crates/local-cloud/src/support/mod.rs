//! Tools for several services: times, ids, pages, tags, locks, processes, archives, connections.

pub mod archive;
pub mod clock;
pub mod id;
pub mod instance_type;
pub mod listen;
pub mod lock;
pub mod page;
pub mod process;
pub mod value;
