//! What other services need of S3: the objects that jobs, endpoints and functions read and write as their roles.

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

/// Objects, as the given caller may use them.
#[async_trait]
pub trait Objects: Send + Sync + std::fmt::Debug {
    /// Returns every object under a prefix, sorted by key.
    ///
    /// # Errors
    /// `AccessDenied` where `caller` may not `s3:ListBucket`, `NoSuchBucket`.
    fn list(&self, caller: &Caller, bucket: &str, prefix: &str) -> Result<Vec<Listed>, AwsError>;

    /// Writes an object's bytes to a file; one that exists is overwritten.
    ///
    /// # Errors
    /// `AccessDenied` where `caller` may not `s3:GetObject`, `NoSuchBucket`, `NoSuchKey`, a full disk.
    async fn get_to_file(&self, caller: &Caller, bucket: &str, key: &str, to: &Path) -> Result<(), AwsError>;

    /// Stores a file's bytes as an object.
    ///
    /// # Errors
    /// `AccessDenied` where `caller` may not `s3:PutObject`, `NoSuchBucket`, a full disk.
    async fn put_file(&self, caller: &Caller, bucket: &str, key: &str, from: &Path) -> Result<(), AwsError>;
}
