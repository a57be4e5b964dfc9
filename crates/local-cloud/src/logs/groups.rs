//! The operations on log groups.

use rusqlite::params;
use serde_json::{Value, json};

use super::error::{already_exists, invalid_token, no_group};
use super::place::Request;
use super::retention;
use crate::call::Reply;
use crate::support::clock::now_ms;
use crate::support::page;

/// The greatest number of groups on a page.
const PAGE: usize = 50;

pub fn create(request: &Request<'_>) -> Reply {
    let group = request.writable_group()?;
    let created =
        request.service.cloud.store.with(|c| {
            c.execute("INSERT OR IGNORE INTO log_group VALUES (?1, ?2)", params![group, now_ms()])
        })?;
    if created == 0 {
        return Err(already_exists("The specified log group already exists"));
    }
    Ok(Value::Null)
}

pub fn delete(request: &Request<'_>) -> Reply {
    let sql = "DELETE FROM log_group WHERE name = ?1";
    let deleted = request.service.cloud.store.with(|c| c.execute(sql, [request.group()]))?;
    if deleted == 0 {
        return Err(no_group());
    }
    retention::forget(&request.service.cloud, request.group())?;
    request.service.count_deletion();
    Ok(Value::Null)
}

pub fn describe(request: &Request<'_>) -> Reply {
    let cloud = &request.service.cloud;
    let retained = retention::all(cloud)?;
    retained.keys().try_for_each(|group| retention::expire(cloud, group))?;
    let groups: Vec<(String, i64, i64)> = cloud.store.with(|c| {
        c.prepare_cached(
            "SELECT name, created_ms,
                    (SELECT ifnull(sum(length(message) + 26), 0) FROM log_event WHERE log_group = log_group.name)
             FROM log_group ORDER BY name",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
    })?;
    let (prefix, pattern) =
        (request.text("logGroupNamePrefix"), request.text("logGroupNamePattern").to_lowercase());
    let groups = groups
        .into_iter()
        .filter(|(name, ..)| name.starts_with(prefix) && name.to_lowercase().contains(&pattern));
    let described = groups.map(|(name, created, bytes)| {
        let arn = cloud.arn("logs", &format!("log-group:{name}"));
        let mut described = json!({
            "logGroupName": name,
            "creationTime": created,
            "metricFilterCount": 0,
            "arn": format!("{arn}:*"),
            "storedBytes": bytes,
            "logGroupClass": "STANDARD",
            "logGroupArn": arn,
        });
        if let Some(days) = retained.get(&name) {
            described["retentionInDays"] = json!(days);
        }
        described
    });
    let size = page::size(&request.input()["limit"], PAGE, PAGE);
    let page = page::page(described.collect(), request.optional("nextToken"), size);
    Ok(page.ok_or_else(invalid_token)?.answer("logGroups", "nextToken"))
}
