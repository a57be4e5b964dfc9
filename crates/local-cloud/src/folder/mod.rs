//! The state folder. A server holds its lock, and leaves its record and its port there for clients.
//!
//! - `safe`: whether nobody else can have put something there.
//! - `files`: files that are opened without following a link.
//! - `lock`: the locks, and who holds the server's.
//! - `record`: the record of a running server.
//! - `port`: the port that the servers of a folder keep.

mod files;
mod lock;
mod port;
mod record;
mod safe;

pub use files::{append, private_dir, read, write};
pub use lock::{Holder, is_held, is_same, lock_start, start_time, try_lock};
pub use port::{keep_port, kept_port};
pub use record::{Record, build_id};
pub use safe::{Cause, Unsafe, check, ensure_dir};
