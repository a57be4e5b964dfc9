//! The lock of a journal: the operating system's, on a file beside it. It ends with the process that holds it, and it holds
//! across PID namespaces.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::JournalError;

/// How long to wait until a holder that has just got the lock has written its name.
const PATIENCE: Duration = Duration::from_secs(2);

/// Held until it is dropped.
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of a journal. With `take_over`, takes it even while another process holds it: that process then fails
    /// at its next commit, by the epoch.
    ///
    /// # Errors
    /// [`JournalError::Locked`], which names the holder.
    pub fn take(journal: &Path, take_over: bool) -> Result<Self, JournalError> {
        let path = path(journal);
        let failed =
            |error: std::io::Error| JournalError::Storage { path: path.clone(), why: error.to_string() };
        loop {
            let mut open = OpenOptions::new();
            open.read(true).write(true).create(true).truncate(false).mode(0o600);
            let mut file = open.custom_flags(libc::O_NOFOLLOW).open(&path).map_err(failed)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, &path) => {
                    let name = format!("process {}\n", std::process::id());
                    file.set_len(0).and_then(|()| file.write_all(name.as_bytes())).map_err(failed)?;
                    return Ok(Self { file });
                }
                // Another process has taken the lock over meanwhile: the file at the path is another one now.
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) if take_over => match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
                    _ => {}
                },
                Err(Errno::WOULDBLOCK) => return Err(JournalError::Locked { holder: holder(&path) }),
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The next holder is not taken for this one. If it fails, it is for an instant.
        let _ = self.file.set_len(0);
    }
}

fn path(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn is_at(file: &File, path: &Path) -> bool {
    let place = |data: std::fs::Metadata| (data.dev(), data.ino());
    let (here, there) = (file.metadata().map(place), std::fs::symlink_metadata(path).map(place));
    matches!((here, there), (Ok(here), Ok(there)) if here == there)
}

/// Returns who holds the lock. The holder writes its name at once, but after it has the lock.
fn holder(path: &Path) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let mut name = String::new();
        let read = File::open(path).and_then(|file| file.take(100).read_to_string(&mut name));
        let name = name.trim();
        if read.is_ok() && !name.is_empty() {
            return name.chars().filter(|c| !c.is_control()).collect();
        }
        if Instant::now() > end {
            return "another process".to_owned();
        }
        std::thread::yield_now();
    }
}
