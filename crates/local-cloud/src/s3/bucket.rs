//! A bucket as it is stored.

use serde::{Deserialize, Serialize};

use super::index::Versioning;
use crate::support::clock::now_ms;

pub const BUCKET: &str = "s3.bucket";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bucket {
    pub created_ms: i64,
    #[serde(default)]
    pub versioning: Versioning,
    /// None: the block was deleted.
    pub public_access_block: Option<PublicAccessBlock>,
    #[serde(default)]
    pub bucket_key_enabled: bool,
    /// Whether uploads that don't say otherwise are encrypted under S3's managed key.
    #[serde(default)]
    pub managed_key: bool,
    /// Whether the encryption was set, and not deleted since.
    #[serde(default)]
    pub encryption_set: bool,
    #[serde(default)]
    pub tags: Vec<(String, String)>,
    #[serde(default)]
    pub policy: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PublicAccessBlock {
    pub block_public_acls: bool,
    pub ignore_public_acls: bool,
    pub block_public_policy: bool,
    pub restrict_public_buckets: bool,
}

impl Bucket {
    /// Returns a new bucket. As on AWS, all public access is blocked.
    pub fn new() -> Self {
        Self {
            created_ms: now_ms(),
            versioning: Versioning::Off,
            public_access_block: Some(PublicAccessBlock {
                block_public_acls: true,
                ignore_public_acls: true,
                block_public_policy: true,
                restrict_public_buckets: true,
            }),
            bucket_key_enabled: false,
            managed_key: false,
            encryption_set: false,
            tags: Vec::new(),
            policy: None,
        }
    }
}
