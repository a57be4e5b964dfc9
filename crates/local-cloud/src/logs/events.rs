//! The operations on the events of one stream: PutLogEvents, GetLogEvents.

use rusqlite::params;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{invalid, invalid_token};
use super::place::Request;
use super::retention;
use super::rows::{Position, check_stream, insert_events};
use crate::call::{AwsError, Reply};
use crate::support::clock::now_ms;

/// The greatest number of events in one answer.
const LIMIT: u32 = 10_000;
/// The greatest size of all messages in one answer, in bytes.
const ANSWER_BYTES: usize = 1 << 20;

/// Events that are older than two weeks, or more than two hours in the future, are refused (in milliseconds).
const TOO_OLD: i64 = 14 * 24 * 3600 * 1000;
const TOO_NEW: i64 = 2 * 3600 * 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Put {
    log_events: Vec<InputEvent>,
}

#[derive(Deserialize)]
struct InputEvent {
    timestamp: i64,
    message: String,
}

pub fn put(request: &Request<'_>) -> Reply {
    let (group, stream) = (request.writable_group()?, request.stream());
    let events = request.read::<Put>()?.log_events;
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    let now = now_ms();
    // The events are ordered by time, so those that are refused are at the two ends.
    let old = events.partition_point(|event| event.timestamp < now - TOO_OLD);
    let oldest = retention::oldest_ms(&request.service.cloud, group)?;
    let expired = events.partition_point(|event| oldest.is_some_and(|oldest| event.timestamp < oldest));
    let fresh = events.partition_point(|event| event.timestamp <= now + TOO_NEW);
    request.service.cloud.store.transaction(|c| {
        if let Err(error) = check_stream(c, group, stream)? {
            return Ok(Err(error));
        }
        let taken =
            events[old.max(expired)..fresh].iter().map(|event| (event.timestamp, event.message.as_str()));
        insert_events(c, group, stream, taken, now).map(Ok)
    })??;
    let mut rejected = json!({});
    if old > 0 {
        rejected["tooOldLogEventEndIndex"] = json!(old);
    }
    if expired > 0 {
        rejected["expiredLogEventEndIndex"] = json!(expired);
    }
    if fresh < events.len() {
        rejected["tooNewLogEventStartIndex"] = json!(fresh);
    }
    let any = rejected.as_object().is_some_and(|indices| !indices.is_empty());
    Ok(if any { json!({"rejectedLogEventsInfo": rejected}) } else { json!({}) })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Get {
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<u32>,
    #[serde(default)]
    start_from_head: bool,
}

/// Returns a page, and tokens for the pages before and after it. At an end of the stream, the token is the request's
/// own.
pub fn get(request: &Request<'_>) -> Reply {
    let (group, stream) = (request.group(), request.stream());
    let input: Get = request.read()?;
    retention::expire(&request.service.cloud, group)?;
    let limit = input.limit.unwrap_or(LIMIT);
    let (from, until) = (input.start_time.unwrap_or(0), input.end_time.unwrap_or(i64::MAX));
    let (forward, start) = match input.next_token.as_deref().map(read_token) {
        Some(token) => token?,
        None if input.start_from_head => (true, (-1, 0)),
        None => (false, (i64::MAX, i64::MAX)),
    };
    let (beyond, order) = if forward { (">", "ASC") } else { ("<", "DESC") };
    let sql = format!(
        "SELECT time_ms, id, ingested_ms, message FROM log_event
         WHERE log_group = ?1 AND stream = ?2 AND time_ms >= ?3 AND time_ms < ?4 AND (time_ms, id) {beyond} (?5, ?6)
         ORDER BY time_ms {order}, id {order} LIMIT ?7"
    );
    let mut found = request.service.cloud.store.transaction(|c| {
        if let Err(error) = check_stream(c, group, stream)? {
            return Ok(Err(error));
        }
        let mut statement = c.prepare_cached(&sql)?;
        let mut rows = statement.query(params![group, stream, from, until, start.0, start.1, limit])?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let (time, id, ingested): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let message: String = row.get(3)?;
            bytes += message.len() + 26;
            if bytes > ANSWER_BYTES && !found.is_empty() {
                break;
            }
            let event = json!({"timestamp": time, "message": message, "ingestionTime": ingested});
            found.push(((time, id), event));
        }
        Ok(Ok::<_, AwsError>(found))
    })??;
    if !forward {
        found.reverse();
    }
    let first = found.first().map_or(start, |(position, _)| *position);
    let last = found.last().map_or(start, |(position, _)| *position);
    let events: Vec<Value> = found.into_iter().map(|(_, event)| event).collect();
    let (next, back) = (write_token('f', last), write_token('b', first));
    Ok(json!({"events": events, "nextForwardToken": next, "nextBackwardToken": back}))
}

fn write_token(direction: char, (time, id): Position) -> String {
    format!("{direction}/{time}.{id}/s")
}

/// Returns whether the page is after the token's position, and that position.
fn read_token(token: &str) -> Result<(bool, Position), AwsError> {
    let read = || {
        let (direction, rest) = token.split_once('/')?;
        let (time, id) = rest.strip_suffix("/s")?.split_once('.')?;
        let position = (time.parse().ok()?, id.parse().ok()?);
        ["f", "b"].contains(&direction).then_some((direction == "f", position))
    };
    read().ok_or_else(invalid_token)
}
