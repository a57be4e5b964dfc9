//! The state folder: its lock, and the record of the server that holds it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::support::process;

/// The server holds this lock as long as it runs; the kernel releases it however the process ends.
const LOCK: &str = "lock";
/// A client holds this lock while it starts or stops a server.
const START_LOCK: &str = "start.lock";
/// The record, which a server writes once it listens.
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
        serde_json::from_slice(&std::fs::read(dir.join(RECORD)).ok()?).ok()
    }

    /// Writes the record atomically, so that nobody reads half of it.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let aside = dir.join(format!("{RECORD}.new"));
        std::fs::write(&aside, serde_json::to_vec(self)?)?;
        std::fs::rename(aside, dir.join(RECORD))
    }

    /// Removes the record, if there is one.
    pub fn remove(dir: &Path) {
        // A record without a held lock means nothing, so failing to remove it does no harm.
        let _ = std::fs::remove_file(dir.join(RECORD));
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

/// Creates the folder, which only its owner can open.
///
/// # Errors
/// The folder has files, but none that a server creates. So it isn't ours.
pub fn ensure_dir(dir: &Path) -> io::Result<()> {
    private_dir(dir)?;
    // In this order, since another server that starts meanwhile creates its lock before its other files.
    let holds_files = std::fs::read_dir(dir)?.next().is_some();
    let ours = [LOCK, START_LOCK, RECORD, "state.db"].iter().any(|name| dir.join(name).exists());
    if holds_files && !ours {
        return Err(io::Error::other("the folder holds other files: name an empty one, or a new one"));
    }
    // A folder that existed before may be open to others.
    let metadata = std::fs::metadata(dir)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Creates a folder below the server's, which only its owner can open, unless it exists.
///
/// # Errors
/// The folder can't be created.
pub fn private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Returns whether `lock` is still the folder's lock. It isn't after the folder was deleted, even if there is a new
/// one.
pub fn is_same(dir: &Path, lock: &File) -> bool {
    match (std::fs::metadata(dir.join(LOCK)), lock.metadata()) {
        (Ok(there), Ok(held)) => there.ino() == held.ino() && there.dev() == held.dev(),
        (Err(error), _) => error.kind() != ErrorKind::NotFound,
        _ => true,
    }
}

/// Takes the server's lock. None: another process holds it.
///
/// # Errors
/// The lock file cannot be opened or locked.
pub fn try_lock(dir: &Path) -> io::Result<Option<File>> {
    let file = lock_file(&dir.join(LOCK))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Waits until no other client starts or stops a server here, and takes the lock for doing so.
///
/// # Errors
/// The lock file cannot be opened or locked.
pub fn lock_start(dir: &Path) -> io::Result<File> {
    let file = lock_file(&dir.join(START_LOCK))?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// Returns whether a server holds the folder.
///
/// # Errors
/// The lock file cannot be opened or locked.
pub fn is_held(dir: &Path) -> io::Result<bool> {
    match OpenOptions::new().read(true).open(dir.join(LOCK)) {
        // A shared lock, so that several clients can look at the same time.
        Ok(file) => match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Returns when a process started: see [`process::start_time`].
pub fn start_time(pid: i32) -> Option<u64> {
    process::start_time(u32::try_from(pid).ok()?)
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
        metadata.ino()
    ))
}
