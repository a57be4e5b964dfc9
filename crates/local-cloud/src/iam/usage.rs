//! Counts how often managed policies are used.

use serde_json::{Value, json};

use super::request::Request;
use super::stored::{Grants, ROLE, Role, USER, User};
use crate::call::AwsError;

/// The policies of all users and roles.
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

    /// Returns the number of users and roles to which a policy is attached, and of those whose boundary it is.
    pub fn of(&self, arn: &str) -> (usize, usize) {
        let attached = self.0.iter().filter(|grants| grants.attached.iter().any(|each| each == arn));
        let bounds = self.0.iter().filter(|grants| grants.boundary.as_deref() == Some(arn));
        (attached.count(), bounds.count())
    }

    /// Returns a policy's description with the counts added.
    pub fn counted(&self, mut policy: Value) -> Value {
        let (attached, bounds) = self.of(policy["Arn"].as_str().unwrap_or_default());
        policy["AttachmentCount"] = json!(attached);
        policy["PermissionsBoundaryUsageCount"] = json!(bounds);
        policy
    }
}
