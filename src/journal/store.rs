//! The journal on disk: one SQLite file of events, each chained to the one before by its hash.
//!
//! WAL and `synchronous=FULL`: what [`Journal::append`] has returned from survives a power loss. One process
//! writes; its lock names it, and an epoch fences a writer that lost the lock while it slept.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::event::{Event, Record};
use super::process::{is_alive, start_time};
use super::state::State;

/// Version of the on-disk format, in SQLite's `user_version`.
/// 1: events as JSON in `events(seq, at, body, hash)`.
pub const FORMAT: i64 = 3;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal {} was written by a newer opsml (format {found}; this one reads {FORMAT}): update opsml, or delete the file to start over without what it knows", .path.display())]
    Newer { path: PathBuf, found: i64 },
    #[error("the journal {} is damaged at event {seq}: {why}", .path.display())]
    Damaged { path: PathBuf, seq: u64, why: String },
    #[error("another run holds this runbook: process {pid}")]
    Locked { pid: u32 },
    #[error("another process took this runbook over; this one stops before its next call")]
    Fenced,
    #[error("the journal {}: {why}", .path.display())]
    Storage { path: PathBuf, why: String },
}

/// Sees every event as it is committed, and progress, which is not kept.
pub trait Observer: Send {
    fn event(&mut self, record: &Record, state: &State);
    fn progress(&mut self, step: &str, progress: &Progress);
    /// Something that the user should read, and that nothing records.
    fn note(&mut self, step: &str, text: &str);
}

/// How far a step is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    pub message: String,
    /// Done and total, where they are known: files, bytes, epochs.
    pub part: Option<(u64, u64)>,
}

pub struct Journal {
    path: PathBuf,
    connection: Connection,
    state: State,
    last: (u64, Vec<u8>),
    /// Set while this process may write.
    epoch: Option<i64>,
    observer: Option<Box<dyn Observer>>,
}

impl Journal {
    /// Opens a journal to read it; `None` where there is none. Takes no lock.
    pub fn read(path: &Path) -> Result<Option<Self>, JournalError> {
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::open(path, flags).map(Some)
    }

    /// Opens or makes a journal and takes its lock.
    pub fn write(path: &Path) -> Result<Self, JournalError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| JournalError::Storage { path: path.to_owned(), why: error.to_string() })?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut journal = Self::open(path, flags)?;
        journal.lock()?;
        // What another run wrote between our reading and our lock belongs to the state.
        journal.load()?;
        Ok(journal)
    }

    fn open(path: &Path, flags: OpenFlags) -> Result<Self, JournalError> {
        let storage =
            |error: rusqlite::Error| JournalError::Storage { path: path.to_owned(), why: error.to_string() };
        let connection = Connection::open_with_flags(path, flags).map_err(storage)?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(storage)?;
        let found: i64 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(storage)?;
        if found > FORMAT {
            return Err(JournalError::Newer { path: path.to_owned(), found });
        }
        if found == 0 {
            connection
                .execute_batch(&format!(
                    "PRAGMA journal_mode = WAL;
                     BEGIN IMMEDIATE;
                     CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL);
                     CREATE TABLE IF NOT EXISTS lock (only INTEGER PRIMARY KEY CHECK (only = 0), epoch INTEGER NOT NULL, pid INTEGER, started INTEGER, head INTEGER, head_hash BLOB);
                     INSERT OR IGNORE INTO lock (only, epoch) VALUES (0, 0);
                     PRAGMA user_version = {FORMAT};
                     COMMIT;"
                ))
                .map_err(storage)?;
        }
        if found == 1 {
            // Format 1 did not say which event is the last.
            let migrated = connection.execute_batch(&format!(
                "BEGIN IMMEDIATE;
                 ALTER TABLE lock ADD COLUMN head INTEGER;
                 ALTER TABLE lock ADD COLUMN head_hash BLOB;
                 PRAGMA user_version = {FORMAT};
                 COMMIT;"
            ));
            migrated.map_err(storage)?;
        }
        connection.execute_batch("PRAGMA synchronous = FULL").map_err(storage)?;
        let mut journal = Self {
            path: path.to_owned(),
            connection,
            state: State::default(),
            last: (0, Vec::new()),
            epoch: None,
            observer: None,
        };
        journal.load()?;
        Ok(journal)
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.observer = Some(observer);
    }

    /// Tells the observer how far a step is; nothing is written.
    pub fn progress(&mut self, step: &str, message: impl Into<String>, part: Option<(u64, u64)>) {
        if let Some(observer) = &mut self.observer {
            observer.progress(step, &Progress { message: message.into(), part });
        }
    }

    pub fn note(&mut self, step: &str, text: &str) {
        if let Some(observer) = &mut self.observer {
            observer.note(step, text);
        }
    }

    /// Commits events together; when it returns they are on the disk and in the state.
    pub fn append(&mut self, events: impl IntoIterator<Item = Event>) -> Result<(), JournalError> {
        let at = jiff::Timestamp::now().as_millisecond();
        let mut state = self.state.clone();
        let mut last = self.last.clone();
        let mut records = Vec::new();
        let epoch = self.epoch.ok_or(JournalError::Fenced)?;
        let storage = |error: rusqlite::Error| JournalError::Storage {
            path: self.path.clone(),
            why: error.to_string(),
        };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(storage)?;
        let now: i64 =
            transaction.query_row("SELECT epoch FROM lock", [], |row| row.get(0)).map_err(storage)?;
        if now != epoch {
            return Err(JournalError::Fenced);
        }
        for event in events {
            let body = serde_json::to_string(&event)
                .map_err(|error| JournalError::Storage { path: self.path.clone(), why: error.to_string() })?;
            let record = Record { seq: last.0 + 1, at, event };
            state.apply(&record).map_err(|illegal| JournalError::Damaged {
                path: self.path.clone(),
                seq: record.seq,
                why: illegal.to_string(),
            })?;
            last = (record.seq, chain(&last.1, at, &body));
            transaction
                .execute(
                    "INSERT INTO events VALUES (?, ?, ?, ?)",
                    params![record.seq as i64, at, body, last.1],
                )
                .map_err(storage)?;
            records.push(record);
        }
        transaction
            .execute("UPDATE lock SET head = ?, head_hash = ?", params![last.0 as i64, last.1])
            .map_err(storage)?;
        transaction.commit().map_err(storage)?;
        (self.state, self.last) = (state, last);
        if let Some(observer) = &mut self.observer {
            records.iter().for_each(|record| observer.event(record, &self.state));
        }
        Ok(())
    }

    /// Every event, oldest first.
    pub fn records(&self) -> Result<Vec<Record>, JournalError> {
        let mut records = Vec::new();
        self.each(|record, _| {
            records.push(record);
            Ok(())
        })?;
        Ok(records)
    }

    fn load(&mut self) -> Result<(), JournalError> {
        let mut state = State::default();
        let mut last = (0, Vec::new());
        self.each(|record, hash| {
            state.apply(&record).map_err(|illegal| illegal.to_string())?;
            last = (record.seq, hash);
            Ok(())
        })?;
        // A chain is whole without its end: the last event is written down beside it, in the same transaction.
        let head = self.connection.query_row("SELECT head, head_hash FROM lock", [], |row| {
            Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<Vec<u8>>>(1)?))
        });
        let head =
            head.map_err(|error| JournalError::Storage { path: self.path.clone(), why: error.to_string() })?;
        if let Some((seq, hash)) = head
            && (seq as u64, &hash) != (last.0, &last.1)
        {
            let why = format!("the journal ends at event {}, and event {seq} was its last", last.0);
            return Err(JournalError::Damaged { path: self.path.clone(), seq: last.0 + 1, why });
        }
        (self.state, self.last) = (state, last);
        Ok(())
    }

    /// Reads the events in order and verifies the chain.
    fn each(&self, mut visit: impl FnMut(Record, Vec<u8>) -> Result<(), String>) -> Result<(), JournalError> {
        let storage = |error: rusqlite::Error| JournalError::Storage {
            path: self.path.clone(),
            why: error.to_string(),
        };
        let mut query = self
            .connection
            .prepare("SELECT seq, at, body, hash FROM events ORDER BY seq")
            .map_err(storage)?;
        let mut rows = query.query([]).map_err(storage)?;
        let (mut previous, mut expected) = (Vec::new(), 1);
        while let Some(row) = rows.next().map_err(storage)? {
            let read = || {
                Ok::<_, rusqlite::Error>((
                    row.get::<_, i64>(0)?,
                    row.get::<_, i64>(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, Vec<u8>>(3)?,
                ))
            };
            let (seq, at, body, hash) = read().map_err(storage)?;
            let damaged = |why: String| JournalError::Damaged { path: self.path.clone(), seq: expected, why };
            if seq as u64 != expected {
                return Err(damaged(format!("event {seq} stands in its place")));
            }
            if hash != chain(&previous, at, &body) {
                return Err(damaged("its hash does not match its content".into()));
            }
            let event = serde_json::from_str(&body).map_err(|error| damaged(error.to_string()))?;
            visit(Record { seq: expected, at, event }, hash.clone()).map_err(damaged)?;
            (previous, expected) = (hash, expected + 1);
        }
        Ok(())
    }

    fn lock(&mut self) -> Result<(), JournalError> {
        let storage = |error: rusqlite::Error| JournalError::Storage {
            path: self.path.clone(),
            why: error.to_string(),
        };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(storage)?;
        let (epoch, holder): (i64, Option<(u32, Option<u64>)>) = transaction
            .query_row("SELECT epoch, pid, started FROM lock", [], |row| {
                let pid: Option<u32> = row.get(1)?;
                let started: Option<i64> = row.get(2)?;
                Ok((row.get(0)?, pid.map(|pid| (pid, started.map(|s| s as u64)))))
            })
            .optional()
            .map_err(storage)?
            .unwrap_or((0, None));
        if let Some((pid, started)) = holder
            && pid != std::process::id()
            && is_alive(pid, started)
        {
            return Err(JournalError::Locked { pid });
        }
        let pid = std::process::id();
        let started = start_time(pid).map(|ticks| ticks as i64);
        transaction
            .execute("UPDATE lock SET epoch = ?, pid = ?, started = ?", params![epoch + 1, pid, started])
            .map_err(storage)?;
        transaction.commit().map_err(storage)?;
        self.epoch = Some(epoch + 1);
        Ok(())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(epoch) = self.epoch {
            // A lock that stays is found dead by the next run, so a failure here costs nothing.
            let _ = self
                .connection
                .execute("UPDATE lock SET pid = NULL, started = NULL WHERE epoch = ?", [epoch]);
        }
    }
}

fn chain(previous: &[u8], at: i64, body: &str) -> Vec<u8> {
    Sha256::new().chain_update(previous).chain_update(at.to_le_bytes()).chain_update(body).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Event {
        Event::Opened { stack: "s".into(), target: "local".into(), account: "1".into(), region: "r".into() }
    }

    #[test]
    fn what_is_appended_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.db");
        let mut journal = Journal::write(&path).unwrap();
        journal.append([opened()]).unwrap();
        assert_eq!(Journal::read(&path).unwrap().unwrap().state(), journal.state());
    }

    #[test]
    fn an_illegal_event_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.db");
        let mut journal = Journal::write(&path).unwrap();
        journal.append([opened()]).unwrap();
        assert!(journal.append([opened()]).is_err());
        assert_eq!(journal.records().unwrap().len(), 1);
    }

    #[test]
    fn a_changed_row_and_a_newer_format_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.db");
        Journal::write(&path).unwrap().append([opened()]).unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.execute("UPDATE events SET body = replace(body, 'local', 'aws')", []).unwrap();
        assert!(matches!(Journal::read(&path), Err(JournalError::Damaged { seq: 1, .. })));
        connection.execute_batch("PRAGMA user_version = 99").unwrap();
        assert!(matches!(Journal::read(&path), Err(JournalError::Newer { found: 99, .. })));
    }

    #[test]
    fn a_journal_that_lost_its_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.db");
        let mut journal = Journal::write(&path).unwrap();
        journal.append([opened()]).unwrap();
        journal
            .append([Event::RunStarted { run: 1, params: Default::default(), version: "0".into() }])
            .unwrap();
        drop(journal);
        Connection::open(&path).unwrap().execute("DELETE FROM events WHERE seq = 2", []).unwrap();
        assert!(matches!(Journal::read(&path), Err(JournalError::Damaged { seq: 2, .. })));
    }

    #[test]
    fn a_writer_that_lost_the_lock_is_fenced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.db");
        let mut first = Journal::write(&path).unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.execute("UPDATE lock SET epoch = epoch + 1", []).unwrap();
        assert!(matches!(first.append([opened()]), Err(JournalError::Fenced)));
    }
}
