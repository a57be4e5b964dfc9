//! CloudWatch Logs: groups, streams and events, in tables of their own.

use jiff::Timestamp;
use rusqlite::params;

use crate::call::AwsError;
use crate::store::Store;

/// What CloudWatch Logs holds.
#[derive(Clone, Debug)]
pub struct Logs {
    store: Store,
    region: String,
}

impl Logs {
    pub(crate) fn new(store: Store, region: &str) -> Self {
        Self { store, region: region.to_owned() }
    }

    /// Adds lines with their times (milliseconds since the epoch) to a stream, which is made, with its group,
    /// where it isn't there: so AWS's own services write their logs.
    pub fn append(&self, group: &str, stream: &str, lines: &[(i64, String)]) -> Result<(), AwsError> {
        let now = Timestamp::now().as_millisecond();
        self.store.transaction(|c| {
            c.prepare_cached("INSERT OR IGNORE INTO log_group VALUES (?1, ?2)")?.execute(params![group, now])?;
            c.prepare_cached("INSERT OR IGNORE INTO log_stream VALUES (?1, ?2, ?3)")?
                .execute(params![group, stream, now])?;
            let mut insert = c.prepare_cached(
                "INSERT INTO log_event (log_group, stream, time_ms, ingested_ms, message) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for (time, message) in lines {
                insert.execute(params![group, stream, time, now, message])?;
            }
            Ok(())
        })
    }
}
