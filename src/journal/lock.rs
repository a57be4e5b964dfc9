//! The lock of a journal: the operating system's, on a file beside it. It ends with the process that holds it, and it holds
//! across PID namespaces.
//!
//! On a network file system, the lock of one machine may not be seen by another. So the file also says on which machine its
//! holder runs, and the holder writes it again and again: a lease. How long ago that was, the file system's clock
//! says alone, since the machines' may differ.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::JournalError;

/// How long to wait until a holder that has just got the lock has written its name.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the holder writes the file again.
const BEAT: Duration = Duration::from_secs(5);
/// How long after that a lease ends.
const LEASE: Duration = Duration::from_secs(30);

/// Held until it is dropped.
pub struct Lock {
    file: File,
    /// The thread that renews the lease. It ends when the sender is dropped.
    renewal: Option<(Sender<()>, JoinHandle<()>)>,
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
                    if let Some(holder) = leased(&mut file, &path).map_err(failed)?.filter(|_| !take_over) {
                        return Err(JournalError::Locked { holder });
                    }
                    let name = format!("process {} on {}\n", std::process::id(), machine());
                    file.set_len(0).and_then(|()| file.write_all_at(name.as_bytes(), 0)).map_err(failed)?;
                    let renewal = renew(file.try_clone().map_err(failed)?, name, BEAT);
                    return Ok(Self { file, renewal: Some(renewal) });
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
        if let Some((sender, thread)) = self.renewal.take() {
            drop(sender);
            // It does not panic; if it did, the lease would have ended.
            let _ = thread.join();
        }
        // The next holder is not taken for this one. If it fails, it is for an instant.
        let _ = self.file.set_len(0);
    }
}

/// Returns this machine's name and the id of its boot, which no other machine has.
fn machine() -> String {
    let read = |file: &str| std::fs::read_to_string(Path::new("/proc/sys/kernel").join(file));
    let [name, boot] = ["hostname", "random/boot_id"].map(|file| read(file).unwrap_or_default());
    format!("{} (boot {})", name.trim(), boot.trim())
}

/// Returns the holder on another machine, if its lease has not ended.
fn leased(file: &mut File, path: &Path) -> std::io::Result<Option<String>> {
    let mut name = String::new();
    // A file that is no text has another author, and no lease.
    if file.take(300).read_to_string(&mut name).is_err() {
        return Ok(None);
    }
    let elsewhere = name.trim().split_once(" on ").is_some_and(|(_, of)| of != machine());
    if !elsewhere {
        return Ok(None);
    }
    // A new file has the file system's time.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let now = tempfile::tempfile_in(folder)?.metadata()?.modified()?;
    let age = now.duration_since(file.metadata()?.modified()?).unwrap_or_default();
    Ok((age < LEASE).then(|| in_words(&name)))
}

/// Starts a thread that writes the file again at each beat, until the sender is dropped. If that fails, the lease ends; this machine's
/// lock stays.
fn renew(file: File, name: String, beat: Duration) -> (Sender<()>, JoinHandle<()>) {
    let (sender, ended) = channel::<()>();
    let thread = std::thread::spawn(move || {
        while ended.recv_timeout(beat) == Err(RecvTimeoutError::Timeout) {
            let _ = file.write_all_at(name.as_bytes(), 0);
        }
    });
    (sender, thread)
}

/// Returns a holder for a message: without the boot, and on this machine without its name.
fn in_words(holder: &str) -> String {
    let holder: String = holder.trim().chars().filter(|c| !c.is_control()).collect();
    match holder.split_once(" on ") {
        Some((process, of)) if of == machine() => process.to_owned(),
        _ => holder.split(" (boot ").next().unwrap_or_default().to_owned(),
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
        let read = File::open(path).and_then(|file| file.take(300).read_to_string(&mut name));
        let name = in_words(&name);
        if read.is_ok() && !name.is_empty() {
            return name;
        }
        if Instant::now() > end {
            return "another process".to_owned();
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_of_another_machine_holds_while_it_is_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("j.db");
        let (file, here) = (path(&journal), format!("process 1 on {}\n", machine()));
        let elsewhere = "process 7 on other (boot 0)\n";
        let old = std::time::SystemTime::now() - 2 * LEASE;
        for (name, age, holds) in [(elsewhere, false, true), (elsewhere, true, false), (&here, false, false)]
        {
            std::fs::write(&file, name).unwrap();
            if age {
                File::open(&file).unwrap().set_modified(old).unwrap();
            }
            match Lock::take(&journal, false) {
                Err(JournalError::Locked { holder }) if holds => assert_eq!(holder, "process 7 on other"),
                Ok(_) if !holds => {}
                other => panic!("{name}: {:?}", other.err()),
            }
        }
        std::fs::write(&file, elsewhere).unwrap();
        assert!(Lock::take(&journal, true).is_ok());
    }

    #[test]
    fn a_lease_is_renewed_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("lock");
        let (sender, thread) = renew(File::create(&at).unwrap(), "me".into(), Duration::from_millis(1));
        let until = |content: &str| {
            let end = Instant::now() + Duration::from_secs(60);
            while std::fs::read_to_string(&at).unwrap() != content {
                assert!(Instant::now() < end, "it was not renewed");
            }
        };
        until("me");
        std::fs::write(&at, "no").unwrap();
        until("me");
        drop(sender);
        thread.join().unwrap();
    }
}
