//! What can go wrong in a job, in words that name the thing and the way out.

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
    /// SIGTERM arrived; what the last checkpoint holds is kept.
    #[error("stopped by SIGTERM; the checkpoints are kept, and the same job resumes from the newest")]
    Stopped,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}

/// Says what was being done to which file when an operation failed.
pub trait AtPath<T> {
    /// `verb` completes "can't … `path`".
    fn at(self, verb: &str, path: &Path) -> Result<T>;
}

impl<T, E: Display> AtPath<T> for std::result::Result<T, E> {
    fn at(self, verb: &str, path: &Path) -> Result<T> {
        self.map_err(|error| Error::Failed(format!("can't {verb} {}: {error}", path.display())))
    }
}
