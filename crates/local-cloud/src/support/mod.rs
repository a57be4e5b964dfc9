//! Tools for several services: times, ids, pages, tags, locks, processes, sandboxes, archives, connections, the proxy.

pub mod archive;
pub mod certificates;
pub mod clock;
pub mod connection;
pub mod id;
pub mod instance_type;
pub mod listen;
pub mod lock;
pub mod page;
pub mod process;
pub mod program;
pub mod python;
pub mod sandbox;
pub mod tunnel;
pub mod value;
