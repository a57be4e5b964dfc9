//! The operations on how long a group keeps its events.

use serde_json::Value;

use super::error::{invalid, no_group};
use super::place::Request;
use super::retention;
use super::rows::has_group;
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;

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
    retention::keep(cloud, group, days)?;
    Ok(Value::Null)
}

pub fn delete(request: &Request<'_>) -> Reply {
    let (cloud, group) = (&request.service.cloud, request.group());
    check_group(cloud, group)?;
    retention::forget(cloud, group)?;
    Ok(Value::Null)
}

fn check_group(cloud: &Cloud, group: &str) -> Result<(), AwsError> {
    if cloud.store.with(|c| has_group(c, group))? { Ok(()) } else { Err(no_group()) }
}
