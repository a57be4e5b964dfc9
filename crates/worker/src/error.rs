//! Errors of a job. Each message names the cause and what to do.

use std::fmt::Display;
use std::path::Path;

/// Why a job or a server ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text that a training job leaves in `output/failure`.
    #[error("{0}")]
    Failed(String),
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// SIGTERM arrived. The last checkpoint stays.
    #[error("stopped by SIGTERM; the checkpoints are kept, and the same job resumes from the newest")]
    Stopped,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}

/// Adds the operation and the file to an error.
pub trait AtPath<T> {
    /// `verb` completes "can't … `path`".
    fn at(self, verb: &str, path: &Path) -> Result<T>;
}

impl<T, E: Display> AtPath<T> for std::result::Result<T, E> {
    fn at(self, verb: &str, path: &Path) -> Result<T> {
        self.map_err(|error| Error::Failed(format!("can't {verb} {}: {error}", path.display())))
    }
}
