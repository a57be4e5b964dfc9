//! The journal on disk: one SQLite file of events, each with the hash of the event before it.
//!
//! The file is in WAL mode with `synchronous=FULL`, so events survive a power loss as soon as [`Journal::append`] has
//! returned. One process writes, the one that has the lock; an epoch stops a writer from which the lock was taken over.
//! What the file has lost shows by its [head](super::head).
//!
//! The journal holds no secrets: events are masked before they are written. They are masked when they are read, too, since
//! an older opsml has written them as they were.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use opsml_contract::worded;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::batch::{Batch, chain};
use super::error::JournalError;
use super::event::{Event, Record, ResourceId};
use super::format;
use super::head::{self, Head, HeadFile};
use super::lock::Lock;
use super::state::State;

/// How long to wait while another process has the file. SQLite's own time-out does not cover the change to WAL mode.
const PATIENCE: Duration = Duration::from_secs(10);

const NOT_ITS_HEAD: &str = "it is not the event that the journal's head names";

/// Receives every event after its commit. Progress and notes are not journaled.
pub trait Observer: Send {
    fn event(&mut self, record: &Record, state: &State);
    fn progress(&mut self, step: &str, progress: &Progress);
    /// A message for the user.
    fn note(&mut self, step: &str, text: &str);
    /// A step that an earlier run has done is kept as it is. `summary` is its result.
    fn kept(&mut self, step: &str, summary: &str) {
        self.note(step, &format!("kept: {summary}"));
    }
}

/// How far a step has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The resource whose status the message is.
    pub resource: Option<ResourceId>,
    pub message: String,
    /// Done and total, where they are known: files, bytes, epochs.
    pub part: Option<(u64, u64)>,
}

pub struct Journal {
    path: PathBuf,
    connection: Connection,
    /// Whoever holds the state keeps it as it was when the next event changes it.
    state: Arc<State>,
    /// The last event.
    last: Head,
    /// Set while this process writes.
    writer: Option<Writer>,
    /// A commit has failed, and the state may hold events that the file does not.
    stale: bool,
    observer: Option<Box<dyn Observer>>,
}

/// What the process that writes has.
struct Writer {
    epoch: i64,
    head: HeadFile,
    /// Held until the connection is closed.
    _lock: Lock,
}

impl Journal {
    /// Opens a journal to read it, without a lock. Returns `None` if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, JournalError> {
        // The head is read first: the journal may be created, and go on, meanwhile.
        let head = head::read(path)?.filter(|head| head.seq > 0);
        let none = || head.as_ref().map_or(Ok(None), |head| Err(older(path, 0, head)));
        if !path.exists() {
            return none();
        }
        let mut journal = Self::open(path, OpenFlags::empty())?;
        // Another process may be creating it.
        if patiently(path, || format::version(&journal.connection))? == 0 {
            return none();
        }
        journal.upgrade()?;
        journal.load()?;
        Ok(Some(journal))
    }

    /// Opens or creates a journal and takes its lock; with `take_over`, from another process that has it.
    pub fn write(path: &Path, take_over: bool) -> Result<Self, JournalError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| JournalError::Storage { path: path.to_owned(), why: error.to_string() })?;
        }
        // Before the file is opened: only one process creates its tables.
        let lock = Lock::take(path, take_over)?;
        Self::open(path, OpenFlags::SQLITE_OPEN_CREATE)?.begin(lock)
    }

    /// Starts a new journal in the place of one that is lost, whose files get another name: they end in `.lost-TIME`.
    pub fn replace(path: &Path, take_over: bool) -> Result<Self, JournalError> {
        let lock = Lock::take(path, take_over)?;
        let time = jiff::Timestamp::now().as_second();
        for tail in ["", "-wal", "-shm", ".head"] {
            let name = |tail: &str| {
                let mut name = path.as_os_str().to_owned();
                name.push(tail);
                PathBuf::from(name)
            };
            match std::fs::rename(name(tail), name(&format!("{tail}.lost-{time}"))) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(JournalError::Storage { path: path.to_owned(), why: error.to_string() });
                }
                _ => {}
            }
        }
        Self::open(path, OpenFlags::SQLITE_OPEN_CREATE)?.begin(lock)
    }

    /// Returns the stack's id, as far as the files of a damaged journal still say it.
    pub fn stack_of(path: &Path) -> Option<String> {
        let stack = head::read(path).ok().flatten().map(|head| head.stack);
        stack.filter(|stack| !stack.is_empty()).or_else(|| {
            let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
            let body = "SELECT body FROM events WHERE seq = 1";
            let body: String = connection.query_row(body, [], |row| row.get(0)).ok()?;
            match serde_json::from_str(&body).ok()? {
                Event::Opened { stack, .. } => Some(stack),
                _ => None,
            }
        })
    }

    /// Takes the lock of a journal that is open, and reads what another process has written since.
    pub fn into_writer(self, take_over: bool) -> Result<Self, JournalError> {
        let lock = Lock::take(&self.path, take_over)?;
        self.begin(lock)
    }

    fn open(path: &Path, flags: OpenFlags) -> Result<Self, JournalError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| storage(path, error))?;
        connection.busy_timeout(PATIENCE).map_err(|error| storage(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            state: Arc::default(),
            last: Head::default(),
            writer: None,
            stale: false,
            observer: None,
        })
    }

    /// Prepares an open journal for writing, while its lock is held.
    fn begin(mut self, lock: Lock) -> Result<Self, JournalError> {
        let path = self.path.clone();
        if patiently(&path, || format::version(&self.connection))? == 0 {
            match head::read(&path)? {
                Some(head) if head.seq > 0 => return Err(older(&path, 0, &head)),
                _ => drop(HeadFile::create(&path, &Head::default())?),
            }
        }
        self.upgrade()?;
        patiently(&path, || self.connection.execute_batch("PRAGMA synchronous = FULL"))?;
        self.load()?;
        patiently(&path, || self.connection.execute("UPDATE lock SET epoch = epoch + 1", []))?;
        let read = || self.connection.query_row("SELECT epoch FROM lock", [], |row| row.get(0));
        let epoch = patiently(&path, read)?;
        let head = HeadFile::open(&path)?;
        head.write(&self.last)?;
        self.writer = Some(Writer { epoch, head, _lock: lock });
        Ok(self)
    }

    /// Brings a file of an older format up to this one. Such a file may have no head yet.
    fn upgrade(&mut self) -> Result<(), JournalError> {
        let path = self.path.clone();
        let found = patiently(&path, || format::version(&self.connection))?;
        if found > format::FORMAT {
            return Err(JournalError::Newer { path, found });
        }
        if found < format::FORMAT {
            patiently(&path, || format::upgrade(&mut self.connection))?;
        }
        if (1..format::FIRST_WITH_HEAD).contains(&found) && head::read(&path)?.is_none() {
            self.fold(None)?;
            HeadFile::create(&path, &self.last)?;
        }
        Ok(())
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Returns the state as it is now. While it is held, the next event costs a copy of it.
    pub fn snapshot(&self) -> Arc<State> {
        self.state.clone()
    }

    /// Returns a value as the journal holds it, for comparisons with what it holds.
    pub fn masked<T: Serialize + DeserializeOwned>(&self, value: &T) -> Result<T, JournalError> {
        let failed =
            |error: serde_json::Error| JournalError::Storage { path: self.path.clone(), why: worded(&error) };
        let mut value = serde_json::to_value(value).map_err(failed)?;
        self.state.masker().value(&mut value);
        serde_json::from_value(value).map_err(failed)
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
            observer.progress(step, &Progress { resource: None, message: message.into(), part });
        }
    }

    /// As [`progress`](Self::progress), of a resource that is not ready yet.
    pub fn pending(&mut self, step: &str, id: &ResourceId, status: &str) {
        if let Some(observer) = &mut self.observer {
            let (resource, message) = (Some(id.clone()), status.to_owned());
            observer.progress(step, &Progress { resource, message, part: None });
        }
    }

    pub fn note(&mut self, step: &str, text: &str) {
        if let Some(observer) = &mut self.observer {
            observer.note(step, text);
        }
    }

    pub fn kept(&mut self, step: &str, summary: &str) {
        if let Some(observer) = &mut self.observer {
            observer.kept(step, summary);
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
        let writer = self.writer.as_ref().ok_or(JournalError::Fenced)?;
        let storage = |error: rusqlite::Error| storage(&self.path, error);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(storage)?;
        let now: i64 = transaction
            .prepare_cached("SELECT epoch FROM lock")
            .and_then(|mut query| query.query_row([], |row| row.get(0)))
            .map_err(storage)?;
        if now != writer.epoch {
            return Err(JournalError::Fenced);
        }
        for mut event in events {
            event.mask(&self.state.masker());
            let body = serde_json::to_string(&event)
                .map_err(|error| JournalError::Storage { path: self.path.clone(), why: error.to_string() })?;
            let record = Record { seq: last.seq + 1, at, event };
            Arc::make_mut(&mut self.state).apply(record.clone()).map_err(JournalError::Illegal)?;
            last = Head {
                seq: record.seq,
                hash: chain(&last.hash, at, &body).into(),
                stack: self.state.stack.clone(),
            };
            transaction
                .prepare_cached("INSERT INTO events VALUES (?, ?, ?, ?)")
                .and_then(|mut insert| insert.execute(params![record.seq as i64, at, body, last.hash]))
                .map_err(storage)?;
            records.push(record);
        }
        transaction
            .prepare_cached("UPDATE lock SET head = ?, head_hash = ?")
            .and_then(|mut update| update.execute(params![last.seq as i64, last.hash]))
            .map_err(storage)?;
        transaction.commit().map_err(storage)?;
        self.last = last;
        writer.head.write(&self.last)?;
        Ok(records)
    }

    /// Returns the state in which a run left the stack: after its last event, and before a later run began.
    pub fn state_after(&self, run: u64) -> Result<State, JournalError> {
        let mut state = State::default();
        for record in self.records()? {
            if matches!(record.event, Event::RunStarted { run: later, .. } if later > run) {
                break;
            }
            state.apply(record).map_err(JournalError::Illegal)?;
        }
        Ok(state)
    }

    /// Returns every event, oldest first.
    pub fn records(&self) -> Result<Vec<Record>, JournalError> {
        let mut records = Vec::new();
        self.each(&Head::default(), |record, _| {
            records.push(record);
            Ok(())
        })?;
        Ok(records)
    }

    /// Brings the state up to the file, which must have the event that its head names.
    fn load(&mut self) -> Result<(), JournalError> {
        // The head is read first: the journal may go on meanwhile.
        let mut head = head::read(&self.path)?;
        if head.is_none() {
            self.fold(None)?;
            // Another process may have created both since.
            head = head::read(&self.path)?;
            if head.is_none() && self.last.seq > 0 {
                let why = format!("{} is gone", head::path(&self.path).display());
                return Err(JournalError::Head { path: self.path.clone(), why });
            }
        }
        self.fold(head.as_ref())
    }

    /// Reads the events after the last one that is known, in one transaction.
    fn fold(&mut self, head: Option<&Head>) -> Result<(), JournalError> {
        // A commit that failed may have left events in the state that the file does not have.
        let (mut state, mut last) = match std::mem::replace(&mut self.stale, true) {
            true => (State::default(), Head::default()),
            false => (Arc::unwrap_or_clone(std::mem::take(&mut self.state)), std::mem::take(&mut self.last)),
        };
        let known = last.clone();
        let transaction = self.connection.unchecked_transaction();
        let transaction = transaction.map_err(|error| storage(&self.path, error))?;
        self.each(&known, |record, hash| {
            last.seq = record.seq;
            state.apply(record).map_err(|illegal| illegal.to_string())?;
            last.hash.clear();
            last.hash.extend_from_slice(hash);
            if last.stack.is_empty() {
                last.stack.clone_from(&state.stack);
            }
            match head {
                Some(head) if head.seq == last.seq && *head != last => Err(NOT_ITS_HEAD.to_owned()),
                _ => Ok(()),
            }
        })?;
        match head {
            Some(head) if head.seq > last.seq => return Err(older(&self.path, last.seq, head)),
            Some(head) if head.seq == last.seq && *head != last => {
                let why = NOT_ITS_HEAD.to_owned();
                return Err(JournalError::Damaged { path: self.path.clone(), seq: last.seq, why });
            }
            _ => {}
        }
        // Hashes alone don't show that the last events are missing: the lock has the number and hash of the last one.
        let named = self.connection.query_row("SELECT head, head_hash FROM lock", [], |row| {
            Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<Vec<u8>>>(1)?))
        });
        let named = named.map_err(|error| storage(&self.path, error))?;
        if let Some((seq, hash)) = named
            && (seq as u64, &hash) != (last.seq, &last.hash)
        {
            let why = format!("the journal ends at event {}, and event {seq} was its last", last.seq);
            return Err(JournalError::Damaged { path: self.path.clone(), seq: last.seq + 1, why });
        }
        drop(transaction);
        (self.state, self.last, self.stale) = (Arc::new(state), last, false);
        Ok(())
    }

    /// Reads the events after one, in order, and verifies their hashes.
    fn each(
        &self,
        after: &Head,
        mut visit: impl FnMut(Record, &[u8]) -> Result<(), String>,
    ) -> Result<(), JournalError> {
        let storage = |error: rusqlite::Error| storage(&self.path, error);
        let mut query = self
            .connection
            .prepare("SELECT seq, at, body, hash FROM events WHERE seq > ? ORDER BY seq")
            .map_err(storage)?;
        let mut rows = query.query([after.seq as i64]).map_err(storage)?;
        let mut batch = Batch::after(after);
        let damaged = |(seq, why): (u64, String)| JournalError::Damaged { path: self.path.clone(), seq, why };
        while let Some(row) = rows.next().map_err(storage)? {
            let columns = || {
                let body = row.get_ref(2)?.as_str()?;
                let hash = row.get_ref(3)?.as_blob()?;
                Ok::<_, rusqlite::Error>((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, body, hash))
            };
            let expected = batch.next();
            let wrong = match columns() {
                Ok((seq, at, body, hash)) if seq as u64 == expected => {
                    batch.push(at, body, hash);
                    None
                }
                Ok((seq, ..)) => Some(format!("event {seq} is in its place")),
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = wrong {
                // An event before it may be damaged, too.
                batch.hand_on(&mut visit).map_err(damaged)?;
                return Err(damaged((expected, why)));
            }
            if batch.is_full() {
                batch.hand_on(&mut visit).map_err(damaged)?;
            }
        }
        batch.hand_on(&mut visit).map_err(damaged)
    }
}

/// Calls `read` until no other process is in its way.
fn patiently<T>(path: &Path, mut read: impl FnMut() -> rusqlite::Result<T>) -> Result<T, JournalError> {
    let end = Instant::now() + PATIENCE;
    loop {
        match read() {
            Err(error)
                if matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
                ) && Instant::now() < end =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result.map_err(|error| storage(path, error)),
        }
    }
}

fn storage(path: &Path, error: rusqlite::Error) -> JournalError {
    let (path, why) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            JournalError::Damaged { path, seq: 0, why }
        }
        _ => JournalError::Storage { path, why },
    }
}

fn older(path: &Path, ends: u64, head: &Head) -> JournalError {
    JournalError::Older { path: path.to_owned(), ends, head: head.seq }
}
