//! How long a group keeps its events.
//!
//! Older events are deleted before a request reads the group, and before something is written to it. AWS deletes them
//! within three days.

use std::collections::BTreeMap;

use rusqlite::params;
use serde_json::Value;

use super::error::{invalid, no_group};
use super::place::Request;
use super::rows::has_group;
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::support::clock::now_ms;

/// The store's kind of the days for which a group keeps its events, by the group's name.
const RETENTION: &str = "logs.retention";
const DAY_MS: i64 = 24 * 3600 * 1000;
/// The numbers of days that AWS allows.
const DAYS: [i64; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

pub fn put(request: &Request<'_>) -> Reply {
    let (cloud, group) = (&request.service.cloud, request.writable_group()?);
    let days = request.input()["retentionInDays"].as_i64().unwrap_or_default();
    if !DAYS.contains(&days) {
        let allowed = DAYS.map(|days| days.to_string()).join(", ");
        return Err(invalid(format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must \
             satisfy enum value set: [{allowed}]"
        )));
    }
    check_group(cloud, group)?;
    cloud.store.put(RETENTION, group, &days)?;
    expire(cloud, group)?;
    Ok(Value::Null)
}

pub fn delete(request: &Request<'_>) -> Reply {
    let (cloud, group) = (&request.service.cloud, request.group());
    check_group(cloud, group)?;
    forget(cloud, group)?;
    Ok(Value::Null)
}

fn check_group(cloud: &Cloud, group: &str) -> Result<(), AwsError> {
    if cloud.store.with(|c| has_group(c, group))? { Ok(()) } else { Err(no_group()) }
}

/// Forgets how long a group keeps its events: for ever, or it was deleted.
pub fn forget(cloud: &Cloud, group: &str) -> Result<(), AwsError> {
    cloud.store.delete(RETENTION, group).map(drop)
}

/// Returns the days of all groups that don't keep their events for ever.
pub fn all(cloud: &Cloud) -> Result<BTreeMap<String, i64>, AwsError> {
    Ok(cloud.store.list(RETENTION)?.into_iter().collect())
}

/// Returns the time of the oldest event that a group may have. None: it keeps events for ever.
pub fn oldest_ms(cloud: &Cloud, group: &str) -> Result<Option<i64>, AwsError> {
    let days: Option<i64> = cloud.store.get(RETENTION, group)?;
    Ok(days.map(|days| now_ms() - days * DAY_MS))
}

/// Deletes a group's events that are too old.
pub fn expire(cloud: &Cloud, group: &str) -> Result<(), AwsError> {
    let Some(oldest) = oldest_ms(cloud, group)? else { return Ok(()) };
    let sql = "DELETE FROM log_event WHERE log_group = ?1 AND time_ms < ?2";
    cloud.store.with(|c| c.prepare_cached(sql)?.execute(params![group, oldest])).map(drop)
}
