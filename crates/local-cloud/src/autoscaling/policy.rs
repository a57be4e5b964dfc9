//! A scaling policy as it is stored. It tracks a target, and has two alarms that trigger it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::service::Scaling;
use super::track::{Memory, Settings};
use crate::call::AwsError;

pub const STORE: &str = "autoscaling.policy";
/// The cooldown of a policy that gives none, in seconds.
/// <https://docs.aws.amazon.com/autoscaling/application/APIReference/API_TargetTrackingScalingPolicyConfiguration.html>
const COOLDOWN: i64 = 300;
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    pub arn: String,
    pub name: String,
    pub resource: String,
    pub created_ms: i64,
    /// PutScalingPolicy's TargetTrackingScalingPolicyConfiguration.
    pub configuration: Value,
    /// The name of the alarm that triggers a scale-out.
    pub high: String,
    /// The name of the alarm that triggers a scale-in. None: scale-in is disabled.
    pub low: Option<String>,
    pub memory: Memory,
}

impl Policy {
    /// Returns the policy's settings. Cooldowns are as long as on AWS.
    pub fn settings(&self) -> Settings {
        let of = |member: &str| self.configuration[member].as_i64().unwrap_or(COOLDOWN).saturating_mul(1000);
        Settings {
            target: self.configuration["TargetValue"].as_f64().unwrap_or(f64::INFINITY),
            out_cooldown_ms: of("ScaleOutCooldown"),
            in_cooldown_ms: of("ScaleInCooldown"),
        }
    }

    /// Returns the names of the alarms.
    pub fn alarms(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.high).chain(&self.low)
    }

    /// Returns the policy's name in the store.
    pub fn id(&self) -> String {
        id(&self.resource, &self.name)
    }
}

/// Returns the name in the store of a policy on a resource.
pub fn id(resource: &str, name: &str) -> String {
    format!("{resource}:{name}")
}

impl Scaling {
    /// Returns all policies.
    pub(super) fn policies(&self) -> Result<Vec<Policy>, AwsError> {
        Ok(self.cloud.store.list(STORE)?.into_iter().map(|(_, policy)| policy).collect())
    }

    /// Changes a policy's memory. The policy is given by its name in the store. One that was deleted meanwhile stays
    /// deleted.
    pub(super) fn remember(&self, id: &str, change: impl FnOnce(&mut Memory)) -> Result<(), AwsError> {
        let changed = self.cloud.store.update(STORE, id, |policy: &mut Policy| {
            change(&mut policy.memory);
            Ok(())
        });
        changed.map(drop)
    }
}
