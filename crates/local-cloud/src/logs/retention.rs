//! How long a group keeps its events.
//!
//! Older events are deleted before a request reads the group, and before something is written to it. AWS deletes them
//! within three days.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::support::clock::now_ms;

/// The store's kind of the days for which a group keeps its events, by the group's name.
const RETENTION: &str = "logs.retention";
const DAY_MS: i64 = 24 * 3600 * 1000;

/// Sets for how many days a group keeps its events.
pub fn keep(cloud: &Cloud, group: &str, days: i64) -> Result<(), AwsError> {
    cloud.store.put(RETENTION, group, &days)?;
    expire(cloud, group)
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
