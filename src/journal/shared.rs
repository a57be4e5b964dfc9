//! A journal that several steps write in turns, on one thread.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::JournalError;
use super::event::{Event, ResourceId};
use super::state::State;
use super::store::Journal;

/// Steps that run beside one another all write the journal. Each call is complete before the next, and none waits.
pub struct SharedJournal(Mutex<Journal>);

impl SharedJournal {
    pub fn new(journal: Journal) -> Self {
        Self(Mutex::new(journal))
    }

    pub fn into_inner(self) -> Journal {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What panicked in one call has changed nothing: the journal reads its file again.
    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the state as it is now. What is appended later is not in it.
    pub fn state(&self) -> Arc<State> {
        self.lock().snapshot()
    }

    /// As [`Journal::append`].
    pub fn append(&self, events: impl IntoIterator<Item = Event>) -> Result<(), JournalError> {
        // The events may be read from the state, so they are before it is written.
        let events: Vec<Event> = events.into_iter().collect();
        self.lock().append(events)
    }

    /// As [`Journal::masked`].
    pub fn masked<T: Serialize + DeserializeOwned>(&self, value: &T) -> Result<T, JournalError> {
        self.lock().masked(value)
    }

    pub fn path(&self) -> PathBuf {
        self.lock().path().to_owned()
    }

    /// As [`Journal::progress`].
    pub fn progress(&self, step: &str, message: impl Into<String>, part: Option<(u64, u64)>) {
        self.lock().progress(step, message, part);
    }

    /// As [`Journal::pending`].
    pub fn pending(&self, step: &str, id: &ResourceId, status: &str) {
        self.lock().pending(step, id, status);
    }

    /// As [`Journal::kept`].
    pub fn kept(&self, step: &str, summary: &str) {
        self.lock().kept(step, summary);
    }

    /// As [`Journal::note`].
    pub fn note(&self, step: &str, text: &str) {
        self.lock().note(step, text);
    }
}
