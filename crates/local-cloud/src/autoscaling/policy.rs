//! A scaling policy as it is stored. One that tracks a target has two alarms of its own that trigger it. One that has steps is
//! triggered by the alarms that users make for it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::service::Scaling;
use super::step::Steps;
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
    /// PutScalingPolicy's TargetTrackingScalingPolicyConfiguration or StepScalingPolicyConfiguration.
    pub configuration: Value,
    /// Whether it has steps.
    #[serde(default)]
    pub stepwise: bool,
    /// The name of the alarm that triggers a scale-out. None: the policy has steps.
    pub high: Option<String>,
    /// The name of the alarm that triggers a scale-in. None: scale-in is disabled, or the policy has steps.
    pub low: Option<String>,
    pub memory: Memory,
}

impl Policy {
    /// Returns the policy's settings. Cooldowns are as long as on AWS.
    pub fn settings(&self) -> Settings {
        let of = |member: &str| self.configuration[member].as_i64().unwrap_or(COOLDOWN).saturating_mul(1000);
        if self.stepwise {
            let cooldown = of("Cooldown");
            return Settings { target: f64::INFINITY, out_cooldown_ms: cooldown, in_cooldown_ms: cooldown };
        }
        Settings {
            target: self.configuration["TargetValue"].as_f64().unwrap_or(f64::INFINITY),
            out_cooldown_ms: of("ScaleOutCooldown"),
            in_cooldown_ms: of("ScaleInCooldown"),
        }
    }

    /// Returns the steps. None: the policy tracks a target.
    ///
    /// # Errors
    /// The store has steps that PutScalingPolicy would have refused.
    pub fn steps(&self) -> Result<Option<Steps>, AwsError> {
        self.stepwise.then(|| Steps::read(&self.configuration)).transpose()
    }

    /// Returns the names of its own alarms.
    pub fn alarms(&self) -> impl Iterator<Item = &String> {
        self.high.iter().chain(&self.low)
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
