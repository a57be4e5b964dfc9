//! How a verb ends.

use super::output;
use crate::diagnostic::closest;
use crate::exit;
use crate::failure::Failure;
use crate::journal::JournalError;

/// Why a verb ended early: its exit code, a message and hints.
#[derive(Debug)]
pub struct Stop {
    code: u8,
    message: String,
    hints: Vec<String>,
    /// What was printed before, and belongs to it: the problems of a runbook.
    details: Vec<String>,
}

impl Stop {
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hints: Vec::new(), details: Vec::new() }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub fn hints(mut self, hints: Vec<String>) -> Self {
        self.hints.extend(hints);
        self
    }

    pub fn with_details(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }

    pub fn all_hints(&self) -> &[String] {
        &self.hints
    }

    pub fn details(&self) -> &[String] {
        &self.details
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// Prints the message and the hints, and returns the exit code.
    pub fn print(&self) -> u8 {
        // A problem that is rendered with its place has the word already.
        let severity = if self.message.starts_with("error: ") { "" } else { "error: " };
        output::complain(format_args!("{severity}{}", self.message));
        for hint in &self.hints {
            output::complain(format_args!("  hint: {hint}"));
        }
        self.code
    }

    /// Adds the known name that is closest to the one given, or else all known names.
    pub fn suggest(self, given: &str, known: &[&str]) -> Self {
        match closest(given, known.iter().copied()) {
            Some(close) => self.hint(format!("did you mean `{close}`?")),
            None => self.hint(format!("known names: {}", known.join(", "))),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        let hints = failure.hints.clone();
        Self { code: failure.kind.exit_code(), message: failure.to_string(), hints, details: Vec::new() }
    }
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Locked { .. } => {
                Self::new(exit::LOCKED, error.to_string()).hint("wait for it, or stop it with Ctrl-C").hint(
                    "if it cannot be reached, `--take-over` continues in its place: it stops before its next call",
                )
            }
            JournalError::Storage { .. } => Self::new(exit::STEP_FAILED, error.to_string())
                .hint("the journal keeps what is done: make room or repair the disk, and run again"),
            JournalError::Illegal(_) => Self::new(exit::BUG, error.to_string()),
            JournalError::Damaged { .. } | JournalError::Older { .. } | JournalError::Head { .. } => {
                Self::new(exit::STEP_FAILED, error.to_string())
                    .hint("`opsml recover` makes a journal from the tags of the account's resources")
            }
            JournalError::Fenced => Self::new(exit::LOCKED, error.to_string()),
            JournalError::Newer { .. } => Self::new(exit::STEP_FAILED, error.to_string()),
        }
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::new(exit::STEP_FAILED, error.to_string())
    }
}

/// The result of a verb: its exit code, or why it ended early.
pub type Verdict = Result<u8, Stop>;
