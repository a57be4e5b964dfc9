//! Why a step failed, in a form that is journaled, printed and matched by `expect_error`.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The service's error code (`AccessDeniedException`), or one of ours (`Expectation`, `Timeout`, …).
    pub code: String,
    pub message: String,
    /// Ways out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// The result of anything that a step does.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), hints: Vec::new() }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// An `expect` that did not hold: the run ends with its own exit code.
    pub fn expectation(message: impl Into<String>) -> Self {
        Self::new(EXPECTATION, message)
    }

    /// The journal could not be written: nothing more may be called.
    pub fn journal(error: impl std::fmt::Display) -> Self {
        Self::new("Journal", error.to_string())
    }

    /// A file on this machine could not be read or written.
    pub fn file(path: &std::path::Path, error: impl std::fmt::Display) -> Self {
        Self::new("File", format!("{}: {error}", path.display()))
    }
}

/// The code of [`Failure::expectation`].
pub const EXPECTATION: &str = "Expectation";

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}
