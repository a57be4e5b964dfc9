//! A scalable target as it is stored: what is scaled is kept in a range.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::key::Key;
use super::service::{Request, Scaling};
use crate::authority::Access;
use crate::call::AwsError;
use crate::support::clock::now_ms;
use crate::support::id;

pub const STORE: &str = "autoscaling.target";
/// AWS's limit to tags.
const TAGS: usize = 50;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    pub id: String,
    pub min: u64,
    pub max: u64,
    pub created_ms: i64,
    pub suspended: Suspended,
    pub tags: BTreeMap<String, String>,
    /// Why the capacity must be changed to be in the range. None: it needn't, or that has begun.
    pub adjust: Option<String>,
}

/// Which kinds of scaling are suspended.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Suspended {
    pub dynamic_scaling_in_suspended: bool,
    pub dynamic_scaling_out_suspended: bool,
    pub scheduled_scaling_suspended: bool,
}

impl Target {
    pub fn new(min: u64, max: u64) -> Self {
        Self {
            id: format!("0{}", id::hex::<18>()).chars().take(36).collect(),
            min,
            max,
            created_ms: now_ms(),
            suspended: Suspended::default(),
            tags: BTreeMap::new(),
            adjust: None,
        }
    }

    /// Adds tags.
    ///
    /// # Errors
    /// `TooManyTagsException`.
    pub fn tag(&mut self, tags: &Map<String, Value>) -> Result<(), AwsError> {
        let tags =
            tags.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
        self.tags.extend(tags);
        if self.tags.len() > TAGS {
            let message = "The number of tags exceeds the maximum of 50 for a resource.";
            return Err(AwsError::new(400, "TooManyTagsException", message));
        }
        Ok(())
    }
}

impl Scaling {
    /// Returns all targets, by the resource that they scale.
    pub(super) fn targets(&self) -> Result<Vec<(String, Target)>, AwsError> {
        self.cloud.store.list(STORE)
    }

    /// Returns the target of what is scaled. None: it isn't one.
    pub(super) fn target(&self, key: &Key) -> Result<Option<Target>, AwsError> {
        self.cloud.store.get(STORE, &key.resource())
    }

    /// Returns the target's ARN.
    pub(super) fn arn_of(&self, target: &Target) -> String {
        self.cloud.arn("application-autoscaling", &format!("scalable-target/{}", target.id))
    }

    /// Returns the ARN on which a caller needs the permission to change a target. If the variant isn't a target yet, it
    /// is the ARN of all targets.
    pub(super) fn target_arn(&self, key: &Key) -> Result<String, AwsError> {
        Ok(self.target(key)?.map_or_else(
            || self.cloud.arn("application-autoscaling", "scalable-target/*"),
            |target| self.arn_of(&target),
        ))
    }
}

/// Returns the operation's action on the target that the request names.
pub fn on_target(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.service.target_arn(&request.key()?)?)])
}
