//! The service, and how other services write their logs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::params;

use super::sink::LogSink;
use super::{retention, rows};
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::support::clock::now_ms;

/// CloudWatch Logs.
#[derive(Debug)]
pub struct Logs {
    pub(super) cloud: Arc<Cloud>,
    deletions: AtomicU64,
}

impl Logs {
    /// Returns the service of a cloud.
    pub fn new(cloud: &Arc<Cloud>) -> Self {
        Self { cloud: Arc::clone(cloud), deletions: AtomicU64::new(0) }
    }

    /// Counts the deletion of a group or stream, after it was done.
    pub(super) fn count_deletion(&self) {
        self.deletions.fetch_add(1, Ordering::SeqCst);
    }
}

impl LogSink for Logs {
    fn append(&self, group: &str, stream: &str, lines: &[(i64, String)]) -> Result<(), AwsError> {
        let now = now_ms();
        retention::expire(&self.cloud, group)?;
        self.cloud.store.transaction(|c| {
            c.prepare_cached("INSERT OR IGNORE INTO log_group VALUES (?1, ?2)")?
                .execute(params![group, now])?;
            c.prepare_cached("INSERT OR IGNORE INTO log_stream VALUES (?1, ?2, ?3)")?
                .execute(params![group, stream, now])?;
            rows::insert_events(
                c,
                group,
                stream,
                lines.iter().map(|(time, line)| (*time, line.as_str())),
                now,
            )
        })
    }

    fn has_group(&self, group: &str) -> Result<bool, AwsError> {
        self.cloud.store.with(|c| rows::has_group(c, group))
    }

    fn deletions(&self) -> u64 {
        self.deletions.load(Ordering::SeqCst)
    }
}
