//! The events of one stream: PutLogEvents, GetLogEvents.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{authorized, check_stream, invalid, not_reserved};
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;

/// Events in one call, put or got.
const LIMIT: u32 = 10_000;
/// Bytes of messages in one answer.
const ANSWER_BYTES: usize = 1 << 20;

/// An event is too old two weeks back, and too new two hours ahead (milliseconds).
const TOO_OLD: i64 = 14 * 24 * 3600 * 1000;
const TOO_NEW: i64 = 2 * 3600 * 1000;

/// Where an event lies in its stream: by its time, then in the order of arrival.
pub type Place = (i64, i64);

pub fn insert<'a>(
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

pub fn put(cloud: &Cloud, call: &Call) -> Reply {
    let (group, stream) = authorized(cloud, call)?;
    not_reserved(&group)?;
    let events = call.read::<Put>().map_err(|error| invalid(error.message))?.log_events;
    if events.is_empty() || events.len() > LIMIT as usize {
        return Err(invalid(format!("A request must have between 1 and {LIMIT} log events.")));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    if events.iter().any(|event| event.message.is_empty()) {
        return Err(invalid("The message of a log event must not be empty."));
    }
    let now = Timestamp::now().as_millisecond();
    // In order of time, so what is refused lies at the two ends.
    let old = events.partition_point(|event| event.timestamp < now - TOO_OLD);
    let fresh = events.partition_point(|event| event.timestamp <= now + TOO_NEW);
    cloud.store.transaction(|c| {
        if let Err(error) = check_stream(c, &group, &stream)? {
            return Ok(Err(error));
        }
        let taken = events[old..fresh].iter().map(|event| (event.timestamp, event.message.as_str()));
        insert(c, &group, &stream, taken, now).map(Ok)
    })??;
    let mut rejected = json!({});
    if old > 0 {
        rejected["tooOldLogEventEndIndex"] = json!(old);
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

/// A page and tokens for the pages around it; at an end of the stream the token comes back as it was.
pub fn get(cloud: &Cloud, call: &Call) -> Reply {
    let (group, stream) = authorized(cloud, call)?;
    let input: Get = call.read().map_err(|error| invalid(error.message))?;
    let limit = input.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT).contains(&limit) {
        return Err(invalid(format!("Value '{limit}' at 'limit' must be between 1 and {LIMIT}.")));
    }
    let (from, until) = (input.start_time.unwrap_or(0), input.end_time.unwrap_or(i64::MAX));
    let (forward, place) = match input.next_token.as_deref().map(read_token) {
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
    let mut found = cloud.store.transaction(|c| {
        if let Err(error) = check_stream(c, &group, &stream)? {
            return Ok(Err(error));
        }
        let mut statement = c.prepare_cached(&sql)?;
        let mut rows = statement.query(params![group, stream, from, until, place.0, place.1, limit])?;
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
    let first = found.first().map_or(place, |(place, _)| *place);
    let last = found.last().map_or(place, |(place, _)| *place);
    let events: Vec<Value> = found.into_iter().map(|(_, event)| event).collect();
    let (next, back) = (write_token('f', last), write_token('b', first));
    Ok(json!({"events": events, "nextForwardToken": next, "nextBackwardToken": back}))
}

fn write_token(direction: char, (time, id): Place) -> String {
    format!("{direction}/{time}.{id}/s")
}

/// Whether forward, and after (or before) which place.
fn read_token(token: &str) -> Result<(bool, Place), AwsError> {
    let read = || {
        let (direction, rest) = token.split_once('/')?;
        let (time, id) = rest.strip_suffix("/s")?.split_once('.')?;
        let place = (time.parse().ok()?, id.parse().ok()?);
        ["f", "b"].contains(&direction).then_some((direction == "f", place))
    };
    read().ok_or_else(|| invalid("The specified nextToken is invalid."))
}
