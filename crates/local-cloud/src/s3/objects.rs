//! The trait by which other services read and write objects for jobs, endpoints and functions, with these' roles.

use std::path::Path;

use async_trait::async_trait;

use crate::call::{AwsError, Caller};

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
}

/// Reads and writes objects with the permissions of a caller.
#[async_trait]
pub trait Objects: Send + Sync + std::fmt::Debug {
    /// Returns every object under a prefix, sorted by key.
    ///
    /// # Errors
    /// `AccessDenied` if `caller` may not `s3:ListBucket`, `NoSuchBucket`.
    fn list(&self, caller: &Caller, bucket: &str, prefix: &str) -> Result<Vec<Listed>, AwsError>;

    /// Writes an object's bytes to a file. An existing file is overwritten.
    ///
    /// # Errors
    /// `AccessDenied` if `caller` may not `s3:GetObject`, `NoSuchBucket`, `NoSuchKey`, a full disk.
    async fn get_to_file(&self, caller: &Caller, bucket: &str, key: &str, to: &Path) -> Result<(), AwsError>;

    /// Stores a file's bytes as an object.
    ///
    /// # Errors
    /// `AccessDenied` if `caller` may not `s3:PutObject`, `NoSuchBucket`, a full disk.
    async fn put_file(&self, caller: &Caller, bucket: &str, key: &str, from: &Path) -> Result<(), AwsError>;
}
