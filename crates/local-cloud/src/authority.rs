//! The trait by which the dispatcher and all services ask IAM who may do what.
//!
//! [`Authority`] is implemented by the IAM service. Nobody else evaluates a policy.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::call::{AwsError, Caller};
use crate::policy::{Context, Document};

/// What a caller must be allowed: one action on one resource.
#[derive(Clone, Debug)]
pub struct Access {
    /// `sagemaker:CreateTrainingJob`.
    pub action: String,
    /// An ARN, or `*` for an action that AWS defines without a resource.
    pub resource: String,
    /// The request's own condition keys. Those that every request has are added by the authority.
    pub context: Context,
    /// The policy of the resource itself, if it has one: a bucket's, a function's.
    pub policy: Option<Document>,
}

impl Access {
    /// Returns the access of an action on a resource, without condition keys and without a resource policy.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: Context::new(), policy: None }
    }

    /// Returns the same access with the request's own condition keys.
    pub fn with(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Returns the same access to a resource that has a policy of its own. What it allows is allowed, and what it
    /// denies is denied, whatever other policies allow.
    pub fn with_policy(mut self, policy: Option<Document>) -> Self {
        self.policy = policy;
        self
    }
}

/// The credential that a signature is verified against.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credential {
    pub access_key_id: String,
    pub secret_access_key: String,
    /// The token of a session. None for a user's own key.
    pub session_token: Option<String>,
    pub expiration: Option<Timestamp>,
    pub caller: Caller,
}

impl Credential {
    /// Returns whether the session has expired.
    pub fn expired(&self) -> bool {
        self.expired_at(Timestamp::now())
    }

    /// Returns whether the session has expired at `time`.
    pub fn expired_at(&self, time: Timestamp) -> bool {
        self.expiration.is_some_and(|end| time >= end)
    }
}

/// Temporary credentials.
#[derive(Clone, Debug)]
pub struct Session {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
    pub expiration: Timestamp,
    pub caller: Caller,
}

/// What a user or another session asks for when it assumes a role (STS's AssumeRole).
#[derive(Clone, Debug)]
pub struct RoleSession {
    pub role_arn: String,
    pub name: String,
    pub lasts: SignedDuration,
    /// Documents, and ARNs of managed policies, that limit the session.
    pub policies: Vec<String>,
    /// Condition keys of the request, such as `sts:ExternalId`.
    pub context: Context,
}

/// An instance profile, and its role if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceProfile {
    pub name: String,
    pub arn: String,
    pub id: String,
    pub role_arn: Option<String>,
}

/// IAM, as the other services use it.
pub trait Authority: Send + Sync + std::fmt::Debug {
    /// Checks that the caller has this access, and records the decision.
    ///
    /// # Errors
    /// AWS's AccessDenied, with the code and wording of the action's service.
    fn authorize(&self, caller: &Caller, access: &Access) -> Result<(), AwsError>;

    /// Checks `iam:PassRole`, which the caller needs to pass `role_arn` to a service (`sagemaker.amazonaws.com`).
    ///
    /// # Errors
    /// `AccessDeniedException`.
    fn authorize_pass_role(&self, caller: &Caller, role_arn: &str, service: &str) -> Result<(), AwsError>;

    /// Returns credentials of a role for an AWS service (`sagemaker.amazonaws.com`) that the role's trust policy allows
    /// to assume it. They expire after 12 hours and outlive a restart. `context` has the keys of the service's request,
    /// such as `aws:SourceArn`: the resource on whose behalf it acts.
    ///
    /// # Errors
    /// `AccessDenied`, also if there is no such role. Services replace it by an error of their own.
    fn assume_role(
        &self,
        role_arn: &str,
        service: &str,
        session_name: &str,
        context: &Context,
    ) -> Result<Session, AwsError>;

    /// Returns credentials of a role for a user or another session.
    ///
    /// # Errors
    /// `AccessDenied`; `ValidationError` for a session that would last longer than the role allows.
    fn assume_role_as(&self, caller: &Caller, session: RoleSession) -> Result<Session, AwsError>;

    /// Returns whether a policy may name this principal (`AWS`, `Service`). A principal of this account must exist.
    /// Others can't be checked, and may be named.
    ///
    /// # Errors
    /// The store's.
    fn knows_principal(&self, kind: &str, principal: &str) -> Result<bool, AwsError>;

    /// Returns the credential of an access key. None: there is no such key, or it is inactive.
    fn credential(&self, access_key_id: &str) -> Option<Arc<Credential>>;

    /// Records that a key was used for a service in a region.
    fn used(&self, credential: &Credential, service: &str, region: &str);

    /// Returns the instance profile of a name.
    ///
    /// # Errors
    /// The store's.
    fn instance_profile(&self, name: &str) -> Result<Option<InstanceProfile>, AwsError>;
}
