//! The locks of the state folder. They are the operating system's: whoever holds one is another open file, not a number
//! in a file, so that a process is never taken for dead because it is invisible, as one in another container is.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::files;
use crate::support::process;

/// The server holds this lock as long as it runs; the kernel releases it however the process ends.
const LOCK: &str = "lock";
/// A client holds this lock while it starts or stops a server.
const START_LOCK: &str = "start.lock";
/// How long a server waits for its lock: much longer than [`is_held`] takes, which holds it for a moment.
const MOMENT: Duration = Duration::from_millis(500);

/// The process that holds the server's lock. The lock's file names it, for messages only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: i32,
    /// The namespace in which it has this id. None: the system has no `/proc`.
    namespace: Option<String>,
}

impl Holder {
    fn this() -> Self {
        let namespace = std::fs::read_link("/proc/self/ns/pid").ok();
        Self {
            pid: std::process::id().cast_signed(),
            namespace: namespace.map(|name| name.to_string_lossy().into_owned()),
        }
    }

    /// Reads who holds, or last held, the lock of a folder. None: nobody has held it yet, or has just taken it.
    pub fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&files::read(&dir.join(LOCK)).ok()?).ok()
    }

    /// Returns whether its id means the same process to us.
    pub fn is_near(&self) -> bool {
        self.namespace == Self::this().namespace
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.is_near() { "" } else { " of another PID namespace, such as a container's" };
        write!(f, "process {}{place}", self.pid)
    }
}

/// Returns whether `lock` is still the folder's lock. It isn't after the folder was deleted, even if there is a new
/// one.
pub fn is_same(dir: &Path, lock: &File) -> bool {
    match (std::fs::symlink_metadata(dir.join(LOCK)), lock.metadata()) {
        (Ok(there), Ok(held)) => there.ino() == held.ino() && there.dev() == held.dev(),
        (Err(error), _) => error.kind() != ErrorKind::NotFound,
        _ => true,
    }
}

/// Takes the server's lock. None: another process holds it.
///
/// # Errors
/// The lock file cannot be opened, locked or written.
pub fn try_lock(dir: &Path) -> io::Result<Option<File>> {
    let mut file = lock_file(&dir.join(LOCK))?;
    let deadline = Instant::now() + MOMENT;
    while let Err(error) = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK {
            return Err(error.into());
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        // Waiting in the kernel would have no end.
        std::thread::sleep(Duration::from_millis(5));
    }
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(&Holder::this())?)?;
    Ok(Some(file))
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
    match files::options().read(true).open(dir.join(LOCK)) {
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
    files::options().read(true).write(true).create(true).truncate(false).open(path)
}

/// Returns when a process started: see [`process::start_time`].
pub fn start_time(pid: i32) -> Option<u64> {
    process::start_time(u32::try_from(pid).ok()?)
}
