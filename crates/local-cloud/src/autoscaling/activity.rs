//! Scaling activities: what was done to a target, why, and how it ended, in AWS's words.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::target::Key;
use super::{authorize, check_service, named, now_ms, page, policy, seconds, text, uuid};
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::sagemaker::endpoint::capacity::{self, Change};

const STORE: &str = "autoscaling.activity";
/// Activities are told for six weeks, and here no more than so many.
const KEPT_MS: i64 = 42 * 24 * 3_600_000;
const KEPT: usize = 1000;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Activity {
    id: String,
    resource: String,
    /// Instances before and after.
    from: u64,
    to: u64,
    cause: String,
    /// The policy whose cooldown this begins.
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
    /// The policy that decided, by its name in the store.
    pub policy: Option<String>,
}

/// Begins to set a variant's capacity; its activity says how that goes.
pub fn begin(cloud: &Arc<Cloud>, key: &Key, from: u64, to: u64, cause: Cause) -> Result<(), AwsError> {
    let start_ms = now_ms();
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
            "Successfully set desired instance count to {to}. Waiting for change to be fulfilled by sagemaker."
        ),
    };
    match capacity::set(cloud, &key.endpoint, to, None) {
        Ok(change) => {
            // In the listing's order, and there before it can be over.
            cloud.store.put(STORE, &activity.name(), &activity)?;
            finish_later(cloud, activity, change);
        }
        Err(error) => {
            let reason = format!(
                "{} (Service: AmazonSageMaker; Status Code: {}; Error Code: {}; Request ID: {}; Proxy: null)",
                error.message,
                error.status,
                error.code,
                uuid()
            );
            activity.end(Err(reason));
            cloud.store.put(STORE, &activity.name(), &activity)?;
        }
    }
    prune(cloud)
}

fn finish_later(cloud: &Arc<Cloud>, activity: Activity, change: Change) {
    let cloud = Arc::clone(cloud);
    tokio::spawn(async move {
        // A change that nobody finishes is finished by the next start of the cloud.
        if let Ok(outcome) = change.await {
            finish(&cloud, activity, outcome);
        }
    });
}

fn finish(cloud: &Cloud, mut activity: Activity, outcome: Result<(), String>) {
    let fulfilled = outcome.is_ok();
    activity.end(outcome);
    if let (true, Some(id), Some(end_ms)) = (fulfilled, &activity.policy, activity.end_ms) {
        // What cannot be written is a full disk's; the activity then stays in progress until the next start.
        let _ = policy::remember(cloud, id, |memory| memory.scaled(activity.from, activity.to, end_ms));
    }
    let _ = cloud.store.put(STORE, &activity.name(), &activity);
}

impl Activity {
    fn name(&self) -> String {
        format!("{:013}-{}", self.start_ms, self.id)
    }

    fn end(&mut self, outcome: Result<(), String>) {
        self.end_ms = Some(now_ms());
        let to = self.to;
        (self.status, self.message) = match outcome {
            Ok(()) => (
                Status::Successful,
                format!(
                    "Successfully set desired instance count to {to}. Change successfully fulfilled by sagemaker."
                ),
            ),
            Err(reason) => {
                (Status::Failed, format!("Failed to set desired instance count to {to}. Reason: {reason}"))
            }
        };
    }

    fn describe(&self, details: &str) -> Value {
        let mut told = named(&self.resource);
        told["ActivityId"] = json!(self.id);
        told["Description"] = json!(format!("Setting desired instance count to {}.", self.to));
        told["Cause"] = json!(self.cause);
        told["StartTime"] = seconds(self.start_ms);
        if let Some(end_ms) = self.end_ms {
            told["EndTime"] = seconds(end_ms);
        }
        told["StatusCode"] = json!(self.status);
        told["StatusMessage"] = json!(self.message);
        told["Details"] = json!(details);
        told
    }
}

fn prune(cloud: &Cloud) -> Result<(), AwsError> {
    let all: Vec<(String, Activity)> = cloud.store.list(STORE)?;
    let (over, oldest) = (all.len().saturating_sub(KEPT), now_ms() - KEPT_MS);
    let old = all.iter().enumerate().filter(|(at, (_, activity))| *at < over || activity.start_ms < oldest);
    old.map(|(_, (name, _))| name).try_for_each(|name| cloud.store.delete(STORE, name).map(drop))
}

/// Ends the activities that the last server left in progress: the endpoints come back with the capacity that was set.
pub fn recover(cloud: &Arc<Cloud>) -> Result<(), AwsError> {
    let all: Vec<(String, Activity)> = cloud.store.list(STORE)?;
    for (_, activity) in all.into_iter().filter(|(_, activity)| activity.status == Status::InProgress) {
        let Some(key) = Key::parse(&activity.resource) else { continue };
        let cloud = Arc::clone(cloud);
        tokio::spawn(async move {
            let outcome = capacity::settled(&cloud, &key.endpoint).await;
            finish(&cloud, activity, outcome);
        });
    }
    Ok(())
}

pub fn describe(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let input = &call.input;
    check_service(input)?;
    authorize(cloud, call, "*")?;
    let details = details(cloud);
    let asked = text(input, "ResourceId");
    let all: Vec<(String, Activity)> = cloud.store.list(STORE)?;
    let told = all.iter().rev().filter(|(_, activity)| asked.is_empty() || activity.resource == asked);
    page("ScalingActivities", input, told.map(|(_, activity)| activity.describe(&details)).collect())
}

/// Says how time passes here.
fn details(cloud: &Cloud) -> String {
    let speedup = cloud.settings.speedup;
    let period = f64::from(60_u16) / f64::from(speedup);
    match speedup {
        1 => "The local cloud's control loop runs as fast as life: a period of 60 s takes 60 s.".to_owned(),
        _ => format!(
            "The local cloud's control loop runs {speedup} times faster than life: a period of 60 s takes {period} s."
        ),
    }
}
