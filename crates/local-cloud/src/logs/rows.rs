//! SQL statements that several operations share.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::{no_group, no_stream};
use crate::call::AwsError;

/// The position of an event in its stream: its time, then the order of arrival.
pub type Position = (i64, i64);

pub fn has_group(c: &Connection, group: &str) -> rusqlite::Result<bool> {
    let mut statement = c.prepare_cached("SELECT 1 FROM log_group WHERE name = ?1")?;
    Ok(statement.query_row([group], |_| Ok(())).optional()?.is_some())
}

/// Checks that a stream exists. The inner error says whether the group or the stream is missing.
pub fn check_stream(c: &Connection, group: &str, stream: &str) -> rusqlite::Result<Result<(), AwsError>> {
    if !has_group(c, group)? {
        return Ok(Err(no_group()));
    }
    let mut statement = c.prepare_cached("SELECT 1 FROM log_stream WHERE log_group = ?1 AND name = ?2")?;
    let found = statement.query_row([group, stream], |_| Ok(())).optional()?;
    Ok(found.ok_or_else(no_stream))
}

pub fn insert_events<'a>(
    c: &Connection,
    group: &str,
    stream: &str,
    events: impl Iterator<Item = (i64, &'a str)>,
    now: i64,
) -> rusqlite::Result<()> {
    let mut insert = c.prepare_cached(
        "INSERT INTO log_event (log_group, stream, time_ms, ingested_ms, message) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (time, message) in events {
        insert.execute(params![group, stream, time, now, message])?;
    }
    Ok(())
}
