//! What IAM decided, as the local cloud logs it: the evidence that a least-privilege policy is written from.

use serde::{Deserialize, Serialize};

/// The log group in CloudWatch Logs to which the local cloud writes what was asked for in the sessions of roles, SageMaker's
/// own apart, one stream a role. AWS has none
/// of this name: CloudTrail is its nearest relative, and doesn't hold InvokeEndpoint.
pub const DECISIONS_LOG_GROUP: &str = "opsml/decisions";

/// A line of that log, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub principal: String,
    /// `sagemaker:InvokeEndpoint`.
    pub action: String,
    /// An ARN, or `*` for an action without a resource.
    pub resource: String,
    /// `allowed`, `explicitDeny` or `implicitDeny`, as in SimulatePrincipalPolicy.
    pub outcome: String,
}
