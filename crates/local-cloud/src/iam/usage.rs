//! How often managed policies are used.

use serde_json::{Value, json};

use super::request::Request;
use super::stored::{Grants, ROLE, Role, USER, User};
use crate::call::AwsError;

/// What all users and roles have been given, to count how often a policy is used.
pub struct Usage(Vec<Grants>);

impl Usage {
    /// Reads all users and roles.
    ///
    /// # Errors
    /// The store's.
    pub fn read(request: &Request) -> Result<Self, AwsError> {
        let roles = request.store().list::<Role>(ROLE)?.into_iter().map(|(_, role)| role.grants);
        let users = request.store().list::<User>(USER)?.into_iter().map(|(_, user)| user.grants);
        Ok(Self(roles.chain(users).collect()))
    }

    /// Returns to how many users and roles a policy is attached, and of how many it is the boundary.
    pub fn of(&self, arn: &str) -> (usize, usize) {
        let attached = self.0.iter().filter(|grants| grants.attached.iter().any(|each| each == arn));
        let bounds = self.0.iter().filter(|grants| grants.boundary.as_deref() == Some(arn));
        (attached.count(), bounds.count())
    }

    /// Adds the counts to a policy's description.
    pub fn counted(&self, mut policy: Value) -> Value {
        let (attached, bounds) = self.of(policy["Arn"].as_str().unwrap_or_default());
        policy["AttachmentCount"] = json!(attached);
        policy["PermissionsBoundaryUsageCount"] = json!(bounds);
        policy
    }
}
