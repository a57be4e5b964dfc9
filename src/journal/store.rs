//! The journal on disk: one SQLite file of events, each with the hash of the event before it.
//!
//! The file is in WAL mode with `synchronous=FULL`, so events survive a power loss as soon as [`Journal::append`] has
//! returned. One process writes: its lock names it, and an epoch stops a writer that lost the lock while it slept.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::error::JournalError;
use super::event::{Event, Record};
use super::format;
use super::process::{is_alive, start_time};
use super::state::State;

/// Receives every event after its commit. Progress and notes are not journaled.
pub trait Observer: Send {
    fn event(&mut self, record: &Record, state: &State);
    fn progress(&mut self, step: &str, progress: &Progress);
    /// A message for the user.
    fn note(&mut self, step: &str, text: &str);
}

/// How far a step has come.
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
    /// The number and the hash of the last event.
    last: (u64, Vec<u8>),
    /// Set while this process holds the lock.
    epoch: Option<i64>,
    /// A commit has failed, and the state may hold events that the file does not.
    stale: bool,
    observer: Option<Box<dyn Observer>>,
}

impl Journal {
    /// Opens a journal to read it, without a lock. Returns `None` if there is no file.
    pub fn read(path: &Path) -> Result<Option<Self>, JournalError> {
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut journal = Self::open(path, flags)?;
        journal.load()?;
        Ok(Some(journal))
    }

    /// Opens or creates a journal and takes its lock.
    pub fn write(path: &Path) -> Result<Self, JournalError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| JournalError::Storage { path: path.to_owned(), why: error.to_string() })?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut journal = Self::open(path, flags)?;
        // Only now: another run may have written until we got the lock.
        journal.lock()?;
        journal.load()?;
        Ok(journal)
    }

    fn open(path: &Path, flags: OpenFlags) -> Result<Self, JournalError> {
        let storage =
            |error: rusqlite::Error| JournalError::Storage { path: path.to_owned(), why: error.to_string() };
        let mut connection = Connection::open_with_flags(path, flags).map_err(storage)?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(storage)?;
        format::upgrade(&mut connection).map_err(storage)?;
        let found = format::version(&connection).map_err(storage)?;
        if found > format::FORMAT {
            return Err(JournalError::Newer { path: path.to_owned(), found });
        }
        connection.execute_batch("PRAGMA synchronous = FULL").map_err(storage)?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            state: State::default(),
            last: (0, Vec::new()),
            epoch: None,
            stale: false,
            observer: None,
        })
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

    /// Reports to the observer how far a step has come. Nothing is written.
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

    /// Commits events together. When it returns, they are on the disk and in the state; on an error, in neither.
    pub fn append(&mut self, events: impl IntoIterator<Item = Event>) -> Result<(), JournalError> {
        let mut events = events.into_iter().peekable();
        if events.peek().is_none() {
            return Ok(());
        }
        if self.stale {
            self.load()?;
        }
        self.stale = true;
        match self.commit(events) {
            Ok(records) => {
                self.stale = false;
                if let Some(observer) = &mut self.observer {
                    records.iter().for_each(|record| observer.event(record, &self.state));
                }
                Ok(())
            }
            Err(error) => {
                // If this fails too, the next append tries again; the first error says what is wrong.
                let _ = self.load();
                Err(error)
            }
        }
    }

    /// Applies the events to the state in place: a copy of the state for each commit would make a run quadratic.
    fn commit(&mut self, events: impl Iterator<Item = Event>) -> Result<Vec<Record>, JournalError> {
        let at = jiff::Timestamp::now().as_millisecond();
        let mut last = self.last.clone();
        let mut records = Vec::new();
        let epoch = self.epoch.ok_or(JournalError::Fenced)?;
        let storage = |error: rusqlite::Error| JournalError::Storage {
            path: self.path.clone(),
            why: error.to_string(),
        };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(storage)?;
        let now: i64 = transaction
            .prepare_cached("SELECT epoch FROM lock")
            .and_then(|mut query| query.query_row([], |row| row.get(0)))
            .map_err(storage)?;
        if now != epoch {
            return Err(JournalError::Fenced);
        }
        for event in events {
            let body = serde_json::to_string(&event)
                .map_err(|error| JournalError::Storage { path: self.path.clone(), why: error.to_string() })?;
            let record = Record { seq: last.0 + 1, at, event };
            self.state.apply(&record).map_err(JournalError::Illegal)?;
            last = (record.seq, chain(&last.1, at, &body));
            transaction
                .prepare_cached("INSERT INTO events VALUES (?, ?, ?, ?)")
                .and_then(|mut insert| insert.execute(params![record.seq as i64, at, body, last.1]))
                .map_err(storage)?;
            records.push(record);
        }
        transaction
            .prepare_cached("UPDATE lock SET head = ?, head_hash = ?")
            .and_then(|mut update| update.execute(params![last.0 as i64, last.1]))
            .map_err(storage)?;
        transaction.commit().map_err(storage)?;
        self.last = last;
        Ok(records)
    }

    /// Returns every event, oldest first.
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
            last.0 = record.seq;
            last.1.clear();
            last.1.extend_from_slice(hash);
            Ok(())
        })?;
        // Hashes alone don't show that the last events are missing: the lock has the number and hash of the last one.
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
        (self.state, self.last, self.stale) = (state, last, false);
        Ok(())
    }

    /// Reads the events in order and verifies their hashes.
    fn each(&self, mut visit: impl FnMut(Record, &[u8]) -> Result<(), String>) -> Result<(), JournalError> {
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
                let body = row.get_ref(2)?.as_str()?;
                let hash = row.get_ref(3)?.as_blob()?;
                Ok::<_, rusqlite::Error>((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, body, hash))
            };
            let (seq, at, body, hash) = read().map_err(storage)?;
            let damaged = |why: String| JournalError::Damaged { path: self.path.clone(), seq: expected, why };
            if seq as u64 != expected {
                return Err(damaged(format!("event {seq} is in its place")));
            }
            if hash != chain(&previous, at, body) {
                return Err(damaged("its hash does not match its content".into()));
            }
            let event = serde_json::from_str(body).map_err(|error| damaged(error.to_string()))?;
            previous.clear();
            previous.extend_from_slice(hash);
            visit(Record { seq: expected, at, event }, &previous).map_err(damaged)?;
            expected += 1;
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
            // If it fails, the next run finds that the lock's process is dead.
            let _ = self
                .connection
                .execute("UPDATE lock SET pid = NULL, started = NULL WHERE epoch = ?", [epoch]);
        }
    }
}

/// Returns the hash of an event, over the hash of the event before it.
fn chain(previous: &[u8], at: i64, body: &str) -> Vec<u8> {
    Sha256::new().chain_update(previous).chain_update(at.to_le_bytes()).chain_update(body).finalize().to_vec()
}
