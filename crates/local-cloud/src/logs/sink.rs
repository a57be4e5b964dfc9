//! The trait by which other services write to CloudWatch Logs.

use crate::call::AwsError;

/// Where services write the logs of their resources.
pub trait LogSink: Send + Sync + std::fmt::Debug {
    /// Adds lines with their times (milliseconds since 1970) to a stream. Creates the stream and its group if they
    /// don't exist.
    ///
    /// # Errors
    /// The store's.
    fn append(&self, group: &str, stream: &str, lines: &[(i64, String)]) -> Result<(), AwsError>;

    /// Returns whether a group exists.
    ///
    /// # Errors
    /// The store's.
    fn has_group(&self, group: &str) -> Result<bool, AwsError>;

    /// Returns how many times a group or a stream has been deleted since the server started. A service that remembers
    /// what it wrote must write it again once this has grown.
    fn deletions(&self) -> u64;
}
