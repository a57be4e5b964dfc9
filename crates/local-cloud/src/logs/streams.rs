//! The operations on log streams.

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::error::{already_exists, invalid, invalid_token, no_group};
use super::place::Request;
use super::retention;
use super::rows::{check_stream, has_group};
use crate::call::Reply;
use crate::cloud::Cloud;
use crate::support::clock::now_ms;
use crate::support::page;

/// Streams on a page.
const PAGE: usize = 50;

pub fn create(request: &Request<'_>) -> Reply {
    let (group, stream) = (request.writable_group()?, request.stream());
    let created = request.service.cloud.store.transaction(|c| {
        if !has_group(c, group)? {
            return Ok(None);
        }
        let sql = "INSERT OR IGNORE INTO log_stream VALUES (?1, ?2, ?3)";
        c.execute(sql, params![group, stream, now_ms()]).map(Some)
    })?;
    match created {
        None => Err(no_group()),
        Some(0) => Err(already_exists("The specified log stream already exists")),
        Some(_) => Ok(Value::Null),
    }
}

pub fn delete(request: &Request<'_>) -> Reply {
    let (group, stream) = (request.group(), request.stream());
    request.service.cloud.store.transaction(|c| {
        if let Err(error) = check_stream(c, group, stream)? {
            return Ok(Err(error));
        }
        c.execute("DELETE FROM log_stream WHERE log_group = ?1 AND name = ?2", [group, stream])?;
        Ok(Ok(()))
    })??;
    request.service.count_deletion();
    Ok(Value::Null)
}

/// A stream as it is listed.
struct Stream {
    name: String,
    created_ms: i64,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    ingested_ms: Option<i64>,
}

pub fn describe(request: &Request<'_>) -> Reply {
    let (cloud, group) = (&request.service.cloud, request.group());
    let (prefix, by_time) = (request.text("logStreamNamePrefix"), request.text("orderBy") == "LastEventTime");
    if by_time && !prefix.is_empty() {
        return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    retention::expire(cloud, group)?;
    let found =
        cloud.store.with(|c| if has_group(c, group)? { list(c, group).map(Some) } else { Ok(None) })?;
    let mut streams = found.ok_or_else(no_group)?;
    streams.retain(|stream| stream.name.starts_with(prefix));
    if by_time {
        // Streams come sorted by name, and those of the same time stay so.
        streams.sort_by_key(|stream| stream.last_ms.unwrap_or(0));
    }
    if request.flag("descending") {
        streams.reverse();
    }
    let described = streams.iter().map(|stream| stream.describe(cloud, group)).collect();
    let size = page::size(&request.input()["limit"], PAGE, PAGE);
    let page = page::page(described, request.optional("nextToken"), size);
    Ok(page.ok_or_else(invalid_token)?.answer("logStreams", "nextToken"))
}

fn list(c: &Connection, group: &str) -> rusqlite::Result<Vec<Stream>> {
    let mut statement = c.prepare_cached(
        "SELECT name, created_ms,
                (SELECT min(time_ms) FROM log_event e WHERE e.log_group = s.log_group AND e.stream = s.name),
                (SELECT max(time_ms) FROM log_event e WHERE e.log_group = s.log_group AND e.stream = s.name),
                (SELECT ingested_ms FROM log_event e WHERE e.log_group = s.log_group AND e.stream = s.name
                 ORDER BY time_ms DESC, id DESC LIMIT 1)
         FROM log_stream s WHERE log_group = ?1 ORDER BY name",
    )?;
    let rows = statement.query_map([group], |row| {
        let (name, created_ms) = (row.get(0)?, row.get(1)?);
        Ok(Stream { name, created_ms, first_ms: row.get(2)?, last_ms: row.get(3)?, ingested_ms: row.get(4)? })
    })?;
    rows.collect()
}

impl Stream {
    fn describe(&self, cloud: &Cloud, group: &str) -> Value {
        let mut stream = json!({
            "logStreamName": self.name,
            "creationTime": self.created_ms,
            "arn": cloud.arn("logs", &format!("log-group:{group}:log-stream:{}", self.name)),
            "storedBytes": 0,
        });
        if let (Some(first), Some(last)) = (self.first_ms, self.last_ms) {
            stream["firstEventTimestamp"] = json!(first);
            stream["lastEventTimestamp"] = json!(last);
            stream["lastIngestionTime"] = json!(self.ingested_ms);
        }
        stream
    }
}
