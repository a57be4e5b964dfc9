//! CloudWatch Logs: groups and streams, in tables of their own.

mod events;
mod filter;

use std::sync::Arc;

use jiff::Timestamp;
use opsml_contract::DECISIONS_LOG_GROUP;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::iam::Context;
use crate::store::Store;

/// What CloudWatch Logs holds.
#[derive(Clone, Debug)]
pub struct Logs {
    store: Store,
}

impl Logs {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Adds lines with their times (milliseconds since the epoch) to a stream, which is made, with its group,
    /// where it isn't there: so AWS's own services write their logs.
    pub fn append(&self, group: &str, stream: &str, lines: &[(i64, String)]) -> Result<(), AwsError> {
        let now = Timestamp::now().as_millisecond();
        self.store.transaction(|c| {
            c.prepare_cached("INSERT OR IGNORE INTO log_group VALUES (?1, ?2)")?
                .execute(params![group, now])?;
            c.prepare_cached("INSERT OR IGNORE INTO log_stream VALUES (?1, ?2, ?3)")?
                .execute(params![group, stream, now])?;
            events::insert(c, group, stream, lines.iter().map(|(time, line)| (*time, line.as_str())), now)
        })
    }

    /// Whether there is such a group.
    pub fn has_group(&self, group: &str) -> Result<bool, AwsError> {
        self.store.with(|c| group_exists(c, group))
    }

    /// Whether no log group is left but that of IAM's decisions, which the local cloud makes by itself.
    pub fn is_empty(&self) -> Result<bool, AwsError> {
        let sql = "SELECT NOT EXISTS (SELECT * FROM log_group WHERE name <> ?1)";
        self.store.with(|c| c.query_row(sql, [DECISIONS_LOG_GROUP], |row| row.get(0)))
    }
}

/// Answers one operation.
pub fn call(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    match call.operation.as_str() {
        "CreateLogGroup" => create_group(cloud, call),
        "DeleteLogGroup" => delete_group(cloud, call),
        "DescribeLogGroups" => describe_groups(cloud, call),
        "CreateLogStream" => create_stream(cloud, call),
        "DeleteLogStream" => delete_stream(cloud, call),
        "DescribeLogStreams" => describe_streams(cloud, call),
        "PutLogEvents" => events::put(cloud, call),
        "GetLogEvents" => events::get(cloud, call),
        "FilterLogEvents" => filter::filter(cloud, call),
        _ => Err(call.unsupported("CloudWatch Logs")),
    }
}

/// A stream, or with no stream a group.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    log_group_name: Option<String>,
    /// The group's name or ARN.
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
}

/// The group and stream that a call names, once the caller is allowed to do this to them.
fn authorized(cloud: &Cloud, call: &Call) -> Result<(String, String), AwsError> {
    let target: Target = call.read().map_err(|error| invalid(error.message))?;
    let group = target.log_group_name.or(target.log_group_identifier).unwrap_or_default();
    // arn:aws:logs:REGION:ACCOUNT:log-group:NAME, perhaps with `:*` behind it.
    let name = match group.splitn(7, ':').collect::<Vec<_>>()[..] {
        ["arn", _, "logs", _, _, "log-group", name] => name.trim_end_matches(":*").to_owned(),
        _ => group,
    };
    if name.is_empty()
        || name.len() > 512
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/#".contains(c))
    {
        return Err(invalid(format!(
            "1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
        )));
    }
    let stream = target.log_stream_name.unwrap_or_default();
    let arn = cloud.arn("logs", &format!("log-group:{name}:log-stream:{stream}"));
    cloud.authorize(&call.caller, &format!("logs:{}", call.operation), &arn, &Context::new())?;
    Ok((name, stream))
}

/// Nobody but the local cloud writes to the log of its decisions: they are evidence.
fn not_reserved(group: &str) -> Result<(), AwsError> {
    match group == DECISIONS_LOG_GROUP {
        true => Err(invalid(format!("The log group {group} is reserved for the local cloud."))),
        false => Ok(()),
    }
}

fn create_group(cloud: &Cloud, call: &Call) -> Reply {
    let (group, _) = authorized(cloud, call)?;
    not_reserved(&group)?;
    let created = cloud.logs.store.with(|c| {
        let now = Timestamp::now().as_millisecond();
        c.execute("INSERT OR IGNORE INTO log_group VALUES (?1, ?2)", params![group, now])
    })?;
    if created == 0 {
        return Err(already_exists("The specified log group already exists"));
    }
    Ok(Value::Null)
}

fn delete_group(cloud: &Cloud, call: &Call) -> Reply {
    let (group, _) = authorized(cloud, call)?;
    let deleted = cloud.logs.store.with(|c| c.execute("DELETE FROM log_group WHERE name = ?1", [&group]))?;
    cloud.iam.decisions_deleted();
    if deleted == 0 { Err(no_group()) } else { Ok(Value::Null) }
}

fn create_stream(cloud: &Cloud, call: &Call) -> Reply {
    let (group, stream) = authorized(cloud, call)?;
    not_reserved(&group)?;
    if stream.is_empty() || stream.len() > 512 || stream.contains([':', '*']) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{stream}' at 'logStreamName' failed to satisfy constraint: Member \
             must satisfy regular expression pattern: [^:*]*, and have length between 1 and 512"
        )));
    }
    let created = cloud.logs.store.transaction(|c| {
        if !group_exists(c, &group)? {
            return Ok(None);
        }
        let now = Timestamp::now().as_millisecond();
        c.execute("INSERT OR IGNORE INTO log_stream VALUES (?1, ?2, ?3)", params![group, stream, now])
            .map(Some)
    })?;
    match created {
        None => Err(no_group()),
        Some(0) => Err(already_exists("The specified log stream already exists")),
        Some(_) => Ok(Value::Null),
    }
}

fn delete_stream(cloud: &Cloud, call: &Call) -> Reply {
    let (group, stream) = authorized(cloud, call)?;
    let deleted = cloud.logs.store.transaction(|c| {
        check_stream(c, &group, &stream)?
            .map(|()| {
                c.execute("DELETE FROM log_stream WHERE log_group = ?1 AND name = ?2", [&group, &stream])
            })
            .map_or_else(|error| Ok(Err(error)), |deleted| deleted.map(Ok))
    })?;
    cloud.iam.decisions_deleted();
    deleted.map(|_| Value::Null)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeGroups {
    #[serde(default)]
    log_group_name_prefix: String,
    log_group_name_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<u32>,
}

fn describe_groups(cloud: &Cloud, call: &Call) -> Reply {
    let arn = cloud.arn("logs", "log-group::log-stream:");
    cloud.authorize(&call.caller, "logs:DescribeLogGroups", &arn, &Context::new())?;
    let input: DescribeGroups = call.read().map_err(|error| invalid(error.message))?;
    let groups: Vec<(String, i64, i64)> = cloud.logs.store.with(|c| {
        c.prepare_cached(
            "SELECT name, created_ms,
                    (SELECT ifnull(sum(length(message) + 26), 0) FROM log_event WHERE log_group = log_group.name)
             FROM log_group ORDER BY name",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
    })?;
    let pattern = input.log_group_name_pattern.unwrap_or_default().to_lowercase();
    let groups = groups.into_iter().filter(|(name, ..)| {
        name.starts_with(&input.log_group_name_prefix) && name.to_lowercase().contains(&pattern)
    });
    let described = groups.map(|(name, created, bytes)| {
        let arn = cloud.arn("logs", &format!("log-group:{name}"));
        let group = json!({
            "logGroupName": name,
            "creationTime": created,
            "metricFilterCount": 0,
            "arn": format!("{arn}:*"),
            "storedBytes": bytes,
            "logGroupClass": "STANDARD",
            "logGroupArn": arn,
        });
        (name, group)
    });
    page("logGroups", described.collect(), input.next_token.as_deref(), input.limit)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeStreams {
    #[serde(default)]
    log_stream_name_prefix: String,
    #[serde(default)]
    order_by: String,
    #[serde(default)]
    descending: bool,
    next_token: Option<String>,
    limit: Option<u32>,
}

fn describe_streams(cloud: &Cloud, call: &Call) -> Reply {
    let (group, _) = authorized(cloud, call)?;
    let input: DescribeStreams = call.read().map_err(|error| invalid(error.message))?;
    let by_time = input.order_by == "LastEventTime";
    if by_time && !input.log_stream_name_prefix.is_empty() {
        return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let read = |c: &Connection| -> rusqlite::Result<Option<Vec<(String, Value)>>> {
        if !group_exists(c, &group)? {
            return Ok(None);
        }
        let mut statement = c.prepare_cached(
            "SELECT name, created_ms,
                    (SELECT min(time_ms) FROM log_event e WHERE e.log_group = s.log_group AND e.stream = s.name),
                    (SELECT max(time_ms) FROM log_event e WHERE e.log_group = s.log_group AND e.stream = s.name),
                    (SELECT ingested_ms FROM log_event e WHERE e.log_group = s.log_group AND e.stream = s.name
                     ORDER BY time_ms DESC, id DESC LIMIT 1)
             FROM log_stream s WHERE log_group = ?1",
        )?;
        let rows = statement.query_map([&group], |row| {
            let name: String = row.get(0)?;
            let (created, first, last): (i64, Option<i64>, Option<i64>) =
                (row.get(1)?, row.get(2)?, row.get(3)?);
            let ingested: Option<i64> = row.get(4)?;
            let mut stream = json!({
                "logStreamName": name,
                "creationTime": created,
                "arn": cloud.arn("logs", &format!("log-group:{group}:log-stream:{name}")),
                "storedBytes": 0,
            });
            if let (Some(first), Some(last)) = (first, last) {
                stream["firstEventTimestamp"] = json!(first);
                stream["lastEventTimestamp"] = json!(last);
                stream["lastIngestionTime"] = json!(ingested);
            }
            let key = if by_time { format!("{:020}/{name}", last.unwrap_or(0)) } else { name };
            Ok((key, stream))
        })?;
        rows.collect::<rusqlite::Result<_>>().map(Some)
    };
    let mut streams = cloud.logs.store.with(read)?.ok_or_else(no_group)?;
    streams.retain(|(_, stream)| {
        stream["logStreamName"].as_str().is_some_and(|name| name.starts_with(&input.log_stream_name_prefix))
    });
    streams.sort_by(|(left, _), (right, _)| left.cmp(right));
    if input.descending {
        streams.reverse();
    }
    page("logStreams", streams, input.next_token.as_deref(), input.limit)
}

/// The page of `items` (each with its unique key) after the one that `token` names.
fn page(member: &str, items: Vec<(String, Value)>, token: Option<&str>, limit: Option<u32>) -> Reply {
    let limit = limit.unwrap_or(50);
    if !(1..=50).contains(&limit) {
        return Err(invalid(format!("Value '{limit}' at 'limit' must be between 1 and 50.")));
    }
    let start = match token {
        None => 0,
        Some(token) => {
            let key = hex::decode(token).unwrap_or_default();
            let last = items.iter().position(|(each, _)| each.as_bytes() == key);
            last.ok_or_else(|| invalid("The specified nextToken is invalid."))? + 1
        }
    };
    let end = items.len().min(start + limit as usize);
    let next = (end < items.len()).then(|| hex::encode(&items[end - 1].0));
    let page: Vec<Value> = items.into_iter().skip(start).take(end - start).map(|(_, item)| item).collect();
    let mut answer = json!({member: page});
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

fn group_exists(c: &Connection, group: &str) -> rusqlite::Result<bool> {
    let mut statement = c.prepare_cached("SELECT 1 FROM log_group WHERE name = ?1")?;
    Ok(statement.query_row([group], |_| Ok(())).optional()?.is_some())
}

/// The error that a missing group or stream is.
fn check_stream(c: &Connection, group: &str, stream: &str) -> rusqlite::Result<Result<(), AwsError>> {
    if !group_exists(c, group)? {
        return Ok(Err(no_group()));
    }
    let mut statement = c.prepare_cached("SELECT 1 FROM log_stream WHERE log_group = ?1 AND name = ?2")?;
    let found = statement.query_row([group, stream], |_| Ok(())).optional()?;
    Ok(found.ok_or_else(|| not_found("The specified log stream does not exist.")))
}

fn no_group() -> AwsError {
    not_found("The specified log group does not exist.")
}

fn not_found(message: &str) -> AwsError {
    AwsError::new(400, "ResourceNotFoundException", message)
}

fn already_exists(message: &str) -> AwsError {
    AwsError::new(400, "ResourceAlreadyExistsException", message)
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterException", message)
}
