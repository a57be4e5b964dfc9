//! IAM's decisions about a function's calls, if the target has a log of them.

use std::collections::BTreeMap;

use opsml_contract::{DECISIONS_LOG_GROUP, Decision, worded};

use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};

/// A function as a caller in the log of decisions.
#[derive(Clone, Debug)]
pub struct Caller {
    pub function: String,
    /// The name of its role.
    pub role: String,
    /// When it was last updated, in milliseconds since 1970. Earlier decisions are about other code or configuration.
    pub since: i64,
    pub environment: BTreeMap<String, String>,
    pub in_vpc: bool,
}

/// Returns a function as a caller.
pub async fn caller(aws: &Aws, function: &str) -> Outcome<Caller> {
    let found = aws.lambda.get_function_configuration().function_name(function).send().await;
    let found = found.map_err(|error| failure("GetFunctionConfiguration", error))?;
    // 2026-11-21T01:20:00.123+0000
    let modified = found.last_modified().unwrap_or_default();
    let since = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", modified)
        .and_then(|time| time.to_timestamp())
        .map_err(|error| {
            Failure::new("BadAnswer", format!("GetFunctionConfiguration: LastModified {modified}: {error}"))
        })?;
    let variables = found.environment().and_then(|environment| environment.variables());
    Ok(Caller {
        function: found.function_name().unwrap_or(function).to_owned(),
        role: found.role().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default().to_owned(),
        since: since.as_millisecond(),
        environment: variables
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        in_vpc: found.vpc_config().is_some_and(|vpc| !vpc.subnet_ids().is_empty()),
    })
}

/// Returns the decisions about a function since its last update, each once. `principal` is the ARN of its sessions. Returns
/// `None` on every target but the local cloud: only that writes such a log, and lets nobody else write to it.
pub async fn decisions(aws: &Aws, caller: &Caller, principal: &str) -> Outcome<Option<Vec<Decision>>> {
    if !aws.is_local() {
        return Ok(None);
    }
    let mut found = Vec::new();
    let mut pages = aws
        .logs
        .filter_log_events()
        .log_group_name(DECISIONS_LOG_GROUP)
        .log_stream_names(&caller.role)
        .start_time(caller.since)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        // A role without decisions has no stream, and at first the group does not exist.
        let Some(page) = present(page.map_err(|error| failure("FilterLogEvents", error)))? else { break };
        for message in page.events().iter().filter_map(|event| event.message()) {
            let decision: Decision = serde_json::from_str(message).map_err(|error| {
                Failure::new("BadAnswer", format!("{DECISIONS_LOG_GROUP}: `{message}`: {}", worded(&error)))
            })?;
            // Several functions may have the same role. The session has the function's name.
            if decision.principal == principal && !found.contains(&decision) {
                found.push(decision);
            }
        }
    }
    Ok(Some(found))
}
