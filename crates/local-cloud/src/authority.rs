//! Who may do what: what every service and the dispatcher ask of IAM, which is above them all only in name.
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
    /// An action on a resource, without condition keys and without a resource policy.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: Context::new(), policy: None }
    }

    /// The same with the request's own condition keys.
    pub fn with(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// The same for a resource that has a policy of its own. Its allow is enough, its deny wins over all.
    pub fn with_policy(mut self, policy: Option<Document>) -> Self {
        self.policy = policy;
        self
    }
}

/// What a signature is verified against.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credential {
    pub access_key_id: String,
    pub secret_access_key: String,
    /// A session's; None for a user's own key.
    pub session_token: Option<String>,
    pub expiration: Option<Timestamp>,
    pub caller: Caller,
}

impl Credential {
    /// Whether a session's time is over.
    pub fn expired(&self) -> bool {
        self.expired_at(Timestamp::now())
    }

    /// Whether a session's time is over at `time`.
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

/// How a user or another session acts as a role (STS's AssumeRole).
#[derive(Clone, Debug)]
pub struct RoleSession {
    pub role_arn: String,
    pub name: String,
    pub lasts: SignedDuration,
    /// Documents, and ARNs of managed policies, that limit the session.
    pub policies: Vec<String>,
    /// `sts:ExternalId` and the like.
    pub context: Context,
}

/// An instance profile and the role in it, if one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceProfile {
    pub name: String,
    pub arn: String,
    pub id: String,
    pub role_arn: Option<String>,
}

/// What IAM knows and decides.
pub trait Authority: Send + Sync + std::fmt::Debug {
    /// Whether the caller has this access. The decision is recorded.
    ///
    /// # Errors
    /// AWS's AccessDenied, with the code and wording of the action's service.
    fn authorize(&self, caller: &Caller, access: &Access) -> Result<(), AwsError>;

    /// `iam:PassRole`, which the caller needs to hand `role_arn` to a service (`sagemaker.amazonaws.com`).
    ///
    /// # Errors
    /// `AccessDeniedException`.
    fn authorize_pass_role(&self, caller: &Caller, role_arn: &str, service: &str) -> Result<(), AwsError>;

    /// Credentials of a role for an AWS service (`sagemaker.amazonaws.com`), if the role's trust policy lets it. They are
    /// the role's, end after 12 hours and outlive a restart. `context` has the keys of the service's request, such as
    /// `aws:SourceArn`: the resource on whose behalf it acts.
    ///
    /// # Errors
    /// `AccessDenied`, also where there is no such role; services word it in their own way.
    fn assume_role(
        &self,
        role_arn: &str,
        service: &str,
        session_name: &str,
        context: &Context,
    ) -> Result<Session, AwsError>;

    /// Credentials of a role for a user or another session.
    ///
    /// # Errors
    /// `AccessDenied`; `ValidationError` for a session that would last longer than the role allows.
    fn assume_role_as(&self, caller: &Caller, session: RoleSession) -> Result<Session, AwsError>;

    /// Whether a policy may name this principal (`AWS`, `Service`): those of the account must be there, others are believed.
    ///
    /// # Errors
    /// The store's.
    fn knows_principal(&self, kind: &str, principal: &str) -> Result<bool, AwsError>;

    /// The credential of an access key; None where there is no such key, or an inactive one.
    fn credential(&self, access_key_id: &str) -> Option<Arc<Credential>>;

    /// Remembers that a key was used for a service in a region.
    fn used(&self, credential: &Credential, service: &str, region: &str);

    /// The instance profile of a name.
    ///
    /// # Errors
    /// The store's.
    fn instance_profile(&self, name: &str) -> Result<Option<InstanceProfile>, AwsError>;
}
