//! Tools for several services: times, ids, pages, tags, locks, processes, archives, connections, the proxy.

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
pub mod tunnel;
pub mod value;
