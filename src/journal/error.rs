//! Why the journal cannot be opened or written.

use std::path::PathBuf;

use super::format::FORMAT;
use crate::failure::Failure;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal {} was written by a newer opsml (format {found}; this one reads up to {FORMAT}): update opsml, or delete the file to start over without what it knows", .path.display())]
    Newer { path: PathBuf, found: i64 },
    /// `seq` is 0 if the file cannot be read at all.
    #[error("the journal {} is damaged{}: {why}", .path.display(), at(*.seq))]
    Damaged { path: PathBuf, seq: u64, why: String },
    /// An older copy of the file, or one that has lost its last events.
    #[error("the journal {} ends at event {ends}, and event {head} was committed: its end is lost, or an older copy was put back", .path.display())]
    Older { path: PathBuf, ends: u64, head: u64 },
    /// The journal may be whole, but nothing vouches for it.
    #[error("the journal {} may have lost its end: {why}", .path.display())]
    Head { path: PathBuf, why: String },
    /// opsml itself tried to append an event that may not follow. Nothing was written.
    #[error("a bug in opsml: {0}; please report it")]
    Illegal(Illegal),
    #[error("another run holds this runbook: {holder}")]
    Locked { holder: String },
    #[error("another process has taken over this runbook; this one stops before its next call")]
    Fenced,
    #[error("the journal {}: {why}", .path.display())]
    Storage { path: PathBuf, why: String },
}

fn at(seq: u64) -> String {
    if seq == 0 { String::new() } else { format!(" at event {seq}") }
}

/// An event that may not follow the events before it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the event {event} may not follow: {state}")]
pub struct Illegal {
    /// The event's type and subject.
    pub event: String,
    /// What forbids it.
    pub state: String,
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Illegal(illegal) => Self::bug(illegal),
            other => Self::journal(other),
        }
    }
}
