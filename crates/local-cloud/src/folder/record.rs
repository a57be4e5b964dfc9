//! The record that a server writes once it listens.

use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use super::files;
use super::lock::start_time;

const RECORD: &str = "cloud.json";

/// The record of a running server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub pid: i32,
    /// When the process started, in clock ticks since boot: a later process with the same id has another time. None:
    /// the system has no `/proc`.
    pub pid_start: Option<u64>,
    pub port: u16,
    pub region: String,
    /// The [`build_id`] of its executable.
    pub build: String,
}

impl Record {
    /// Returns `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Reads the record in a folder. None: there is none, or it can't be read.
    pub fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&files::read(&dir.join(RECORD)).ok()?).ok()
    }

    /// Writes the record.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        files::write(&dir.join(RECORD), &serde_json::to_vec(self)?)
    }

    /// Removes the record, if there is one.
    pub fn remove(dir: &Path) {
        // A record without a held lock means nothing, so failing to remove it does no harm.
        let _ = std::fs::remove_file(dir.join(RECORD));
    }

    /// Removes the record of this process. If the folder was deleted meanwhile, another server may have made it again.
    pub fn withdraw(dir: &Path) {
        if Self::read(dir).is_some_and(|record| i64::from(record.pid) == i64::from(std::process::id())) {
            Self::remove(dir);
        }
    }

    /// Sends a signal, if the process is still the one that wrote the record.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid)
            && start_time(self.pid) == self.pid_start
        {
            // An error is ignored: the process may have ended. Callers that wait for its end watch the lock.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// Returns an id of the running executable's build. It is cheap to compute, and differs after every link.
///
/// # Errors
/// The executable's metadata can't be read.
pub fn build_id() -> io::Result<String> {
    let metadata = std::fs::metadata(std::env::current_exe()?)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!(
        "{}-{:x}-{:x}-{:x}",
        env!("CARGO_PKG_VERSION"),
        modified.as_nanos(),
        metadata.len(),
        std::os::unix::fs::MetadataExt::ino(&metadata)
    ))
}
