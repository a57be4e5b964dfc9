//! Scaling activities: how the capacity of a target was changed, why, and how that ended, in AWS's words.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::key::{Key, named};
use super::scalable::Change;
use super::service::{Request, Scaling};
use crate::call::{AwsError, Reply};
use crate::support::clock::{now_ms, seconds};
use crate::support::id::uuid;

const STORE: &str = "autoscaling.activity";
/// Activities are kept for six weeks, as on AWS.
const KEPT_MS: i64 = 42 * 24 * 3_600_000;
/// The most activities that are kept.
const KEPT: usize = 1000;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Activity {
    id: String,
    resource: String,
    /// The capacity before and after.
    from: u64,
    to: u64,
    cause: String,
    /// The policy whose cooldown begins with this activity.
    policy: Option<String>,
    start_ms: i64,
    end_ms: Option<i64>,
    status: Status,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    InProgress,
    Successful,
    Failed,
}

/// Why a capacity is changed.
#[derive(Clone, Debug)]
pub struct Cause {
    pub words: String,
    /// The policy that caused the change, by its name in the store.
    pub policy: Option<String>,
}

/// Starts to set a capacity, and records that as an activity.
pub fn begin(service: &Arc<Scaling>, key: &Key, from: u64, to: u64, cause: Cause) -> Result<(), AwsError> {
    let (start_ms, kind) = (now_ms(), key.kind());
    let mut activity = Activity {
        id: uuid(),
        resource: key.resource(),
        from,
        to,
        cause: cause.words,
        policy: cause.policy,
        start_ms,
        end_ms: None,
        status: Status::InProgress,
        message: format!(
            "Successfully set desired {} to {to}. Waiting for change to be fulfilled by {}.",
            kind.counted, kind.service
        ),
    };
    match service.set_capacity(key, to) {
        Ok(change) => {
            // It is stored before the change can have ended.
            service.cloud.store.put(STORE, &activity.name(), &activity)?;
            finish_later(service, activity, change);
        }
        Err(error) => {
            let reason = format!(
                "{} (Service: {}; Status Code: {}; Error Code: {}; Request ID: {}; Proxy: null)",
                error.message,
                kind.title,
                error.status,
                error.code,
                uuid()
            );
            activity.end(Err(reason));
            service.cloud.store.put(STORE, &activity.name(), &activity)?;
        }
    }
    prune(service)
}

fn finish_later(service: &Arc<Scaling>, activity: Activity, change: Change) {
    let service = Arc::clone(service);
    tokio::spawn(async move {
        // If the server stops first, the next one finishes the activity.
        if let Ok(outcome) = change.await {
            finish(&service, activity, outcome);
        }
    });
}

fn finish(service: &Scaling, mut activity: Activity, outcome: Result<(), String>) {
    let fulfilled = outcome.is_ok();
    activity.end(outcome);
    if let (true, Some(id), Some(end_ms)) = (fulfilled, &activity.policy, activity.end_ms) {
        // If the disk is full, the activity stays in progress until the next start.
        let _ = service.remember(id, |memory| memory.scaled(activity.from, activity.to, end_ms));
    }
    let _ = service.cloud.store.put(STORE, &activity.name(), &activity);
}

impl Activity {
    fn name(&self) -> String {
        format!("{:013}-{}", self.start_ms, self.id)
    }

    /// Returns the noun for what is counted, and the service.
    fn kind(&self) -> (&'static str, &'static str) {
        Key::parse(&self.resource).map_or(("capacity", ""), |key| (key.kind().counted, key.kind().service))
    }

    fn end(&mut self, outcome: Result<(), String>) {
        self.end_ms = Some(now_ms());
        let to = self.to;
        let (counted, service) = self.kind();
        (self.status, self.message) = match outcome {
            Ok(()) => (
                Status::Successful,
                format!(
                    "Successfully set desired {counted} to {to}. Change successfully fulfilled by {service}."
                ),
            ),
            Err(reason) => {
                (Status::Failed, format!("Failed to set desired {counted} to {to}. Reason: {reason}"))
            }
        };
    }

    fn describe(&self, details: &str) -> Value {
        let mut described = named(&self.resource);
        described["ActivityId"] = json!(self.id);
        described["Description"] = json!(format!("Setting desired {} to {}.", self.kind().0, self.to));
        described["Cause"] = json!(self.cause);
        described["StartTime"] = seconds(self.start_ms);
        if let Some(end_ms) = self.end_ms {
            described["EndTime"] = seconds(end_ms);
        }
        described["StatusCode"] = json!(self.status);
        described["StatusMessage"] = json!(self.message);
        described["Details"] = json!(details);
        described
    }
}

fn prune(service: &Scaling) -> Result<(), AwsError> {
    let all: Vec<(String, Activity)> = service.cloud.store.list(STORE)?;
    let (over, oldest) = (all.len().saturating_sub(KEPT), now_ms() - KEPT_MS);
    let old = all.iter().enumerate().filter(|(at, (_, activity))| *at < over || activity.start_ms < oldest);
    old.map(|(_, (name, _))| name).try_for_each(|name| service.cloud.store.delete(STORE, name).map(drop))
}

/// Finishes the activities on a service's resources that the last server left in progress: they come back with the new
/// capacity.
pub fn recover(service: &Arc<Scaling>, namespace: &str) -> Result<(), AwsError> {
    let all: Vec<(String, Activity)> = service.cloud.store.list(STORE)?;
    for (_, activity) in all.into_iter().filter(|(_, activity)| activity.status == Status::InProgress) {
        let Some(key) = Key::parse(&activity.resource) else { continue };
        if key.kind().service != namespace {
            continue;
        }
        let service = Arc::clone(service);
        tokio::spawn(async move {
            let outcome = Arc::clone(&service).settled(key).await;
            finish(&service, activity, outcome);
        });
    }
    Ok(())
}

pub fn describe(request: &Request<'_>) -> Reply {
    let details = details(request.service.cloud.settings.speedup);
    let asked = request.text("ResourceId");
    let all: Vec<(String, Activity)> = request.service.cloud.store.list(STORE)?;
    let newest_first = all.iter().rev().map(|(_, activity)| activity);
    let asked = newest_first.filter(|activity| {
        request.lists(&activity.resource) && (asked.is_empty() || activity.resource == asked)
    });
    request.page("ScalingActivities", asked.map(|activity| activity.describe(&details)).collect())
}

/// Returns the activity's `Details`, which say how fast time passes for the control loop.
fn details(speedup: u32) -> String {
    let period = 60.0 / f64::from(speedup);
    match speedup {
        1 => "The local cloud's control loop runs as fast as life: a period of 60 s takes 60 s.".to_owned(),
        _ => format!(
            "The local cloud's control loop runs {speedup} times faster than life: a period of 60 s takes {period} s."
        ),
    }
}
