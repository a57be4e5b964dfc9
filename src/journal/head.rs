//! The head of a journal: the number and the hash of its last event, in a file of its own.
//!
//! A journal cannot show by itself that its last events are lost: an older copy of it is whole, and SQLite leaves out what
//! follows a damaged page of its log. So the head is written after each commit, and a journal without the event that its
//! head names is refused.
//!
//! The head is not synced with each commit. After a power loss it may be older than the journal, which is harmless. It is
//! never newer, because the journal is synced first.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::JournalError;

/// Less than a sector, which a disk writes as a whole.
const SIZE: usize = 256;
/// How often a head that does not match its checksum is read again: another process may be writing it.
const READS: u32 = 100;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub seq: u64,
    pub hash: Vec<u8>,
    /// The stack's id, by which `opsml recover` finds its resources.
    pub stack: String,
}

/// The file of a head, open for writing.
pub struct HeadFile {
    path: PathBuf,
    file: File,
}

impl HeadFile {
    pub fn open(journal: &Path) -> Result<Self, JournalError> {
        let path = path(journal);
        let file = OpenOptions::new().write(true).open(&path).map_err(|error| storage(&path, &error))?;
        Ok(Self { path, file })
    }

    /// Creates the file, or replaces it, and syncs it.
    pub fn create(journal: &Path, head: &Head) -> Result<Self, JournalError> {
        let path = path(journal);
        let failed = |error: std::io::Error| storage(&path, &error);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut new = path.clone().into_os_string();
        new.push(".new");
        let mut open = OpenOptions::new();
        let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(failed)?;
        file.write_all(&line(head)).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&new, &path).map_err(failed)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(Self { path, file })
    }

    pub fn write(&self, head: &Head) -> Result<(), JournalError> {
        self.file.write_all_at(&line(head), 0).map_err(|error| storage(&self.path, &error))
    }
}

/// Returns the head of a journal, or `None` if it has none.
///
/// # Errors
/// [`JournalError::Head`] if the file is damaged.
pub fn read(journal: &Path) -> Result<Option<Head>, JournalError> {
    let path = path(journal);
    for _ in 0..READS {
        match std::fs::read(&path) {
            Ok(bytes) => match parse(&bytes) {
                Some(head) => return Ok(Some(head)),
                None => std::thread::yield_now(),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(storage(&path, &error)),
        }
    }
    Err(JournalError::Head { path: journal.to_owned(), why: format!("{} is damaged", path.display()) })
}

/// Returns the path of a journal's head.
pub fn path(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".head");
    PathBuf::from(name)
}

/// Returns the text of a head: its number, its hash and a checksum of both, in a line of constant length.
fn line(head: &Head) -> Vec<u8> {
    let text = format!("opsml head: event {} {} {} ", head.seq, hex::encode(&head.hash), head.stack);
    let checksum = hex::encode(Sha256::digest(&text));
    let mut line = format!("{:width$}", text + &checksum, width = SIZE - 1).into_bytes();
    line.push(b'\n');
    line
}

fn parse(bytes: &[u8]) -> Option<Head> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut words = text.strip_prefix("opsml head: event ")?.split(' ');
    let (seq, hash, stack) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    let head = Head { seq, hash: hex::decode(hash).ok()?, stack: stack.to_owned() };
    (line(&head) == bytes).then_some(head)
}

fn storage(path: &Path, error: &std::io::Error) -> JournalError {
    JournalError::Storage { path: path.to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_found() {
        let head = Head { seq: 4711, hash: Sha256::digest("x").to_vec(), stack: "k3v9x2ab".into() };
        let line = line(&head);
        assert_eq!((line.len(), parse(&line)), (SIZE, Some(head)));
        assert_eq!(parse(&super::line(&Head::default())), Some(Head::default()));
        for bit in 0..SIZE * 8 {
            let mut flipped = line.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&flipped), None, "bit {bit}");
        }
        assert_eq!((parse(b""), parse(&line[..SIZE - 1])), (None, None));
    }
}
