//! Remembers which lines are in the log of decisions, so that they aren't written again.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use crate::support::lock::locked;

/// How many lines of one session are remembered.
const REMEMBERED: usize = 100_000;

/// The lines that were written, by session.
#[derive(Debug, Default)]
pub struct LogLines(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    by_session: HashMap<String, HashSet<String>>,
    /// How many log groups and streams had been deleted when they were written.
    deletions: u64,
}

impl LogLines {
    /// Remembers a line, and returns whether it is new. For a session with more than [`REMEMBERED`] lines, some count
    /// as new again. `deletions` is how often log groups and streams have been deleted: if there are more than before,
    /// lines may have been deleted with them, so all are forgotten.
    pub fn add(&self, session: &str, line: &str, deletions: u64) -> bool {
        let mut all = locked(&self.0);
        if all.deletions != deletions {
            *all = Lines { deletions, ..Lines::default() };
        }
        let lines = all.by_session.entry(session.to_owned()).or_default();
        if lines.len() >= REMEMBERED {
            lines.clear();
        }
        lines.insert(line.to_owned())
    }

    /// Forgets a session's lines.
    pub fn forget(&self, session: &str) {
        locked(&self.0).by_session.remove(session);
    }

    /// Forgets all lines.
    pub fn forget_all(&self) {
        locked(&self.0).by_session.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_new_until_it_is_written_and_after_it_may_be_gone() {
        let lines = LogLines::default();
        assert!(lines.add("s", "a", 0) && !lines.add("s", "a", 0) && lines.add("t", "a", 0));
        assert!(lines.add("s", "a", 1) && !lines.add("s", "a", 1));
        lines.forget("t");
        assert!(lines.add("t", "a", 1) && !lines.add("s", "a", 1));
        lines.forget_all();
        assert!(lines.add("s", "a", 1));
    }
}
