//! Why the journal cannot be opened or written.

use std::path::PathBuf;

use super::format::FORMAT;
use crate::failure::Failure;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal {} was written by a newer opsml (format {found}; this one reads up to {FORMAT}): update opsml, or delete the file to start over without what it knows", .path.display())]
    Newer { path: PathBuf, found: i64 },
    #[error("the journal {} is damaged at event {seq}: {why}", .path.display())]
    Damaged { path: PathBuf, seq: u64, why: String },
    /// opsml itself tried to append an event that may not follow. Nothing was written.
    #[error("a bug in opsml: {0}; please report it")]
    Illegal(Illegal),
    #[error("another run holds this runbook: process {pid}")]
    Locked { pid: u32 },
    #[error("another process has taken over this runbook; this one stops before its next call")]
    Fenced,
    #[error("the journal {}: {why}", .path.display())]
    Storage { path: PathBuf, why: String },
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
