//! The document of a managed policy's default version.

use serde_json::Value;

use crate::aws::{Aws, failure};
use crate::failure::{Failure, Outcome};

pub async fn managed_policy(aws: &Aws, arn: &str) -> Outcome<Value> {
    let policy = aws.iam.get_policy().policy_arn(arn).send().await;
    let policy = policy.map_err(|error| failure("GetPolicy", error))?;
    let unread = |what: &str| {
        Failure::new("BadAnswer", format!("{what} of {arn}: the service's answer has no document"))
    };
    let version = policy.policy().and_then(|policy| policy.default_version_id());
    let version = version.ok_or_else(|| unread("GetPolicy"))?;
    let version = aws.iam.get_policy_version().policy_arn(arn).version_id(version).send().await;
    let version = version.map_err(|error| failure("GetPolicyVersion", error))?;
    let document = version.policy_version().and_then(|version| version.document()).unwrap_or_default();
    // IAM returns policy documents URL-encoded.
    let text = percent_encoding::percent_decode_str(document).decode_utf8_lossy();
    // A document that cannot be read must not count as one that allows nothing.
    serde_json::from_str(&text).map_err(|_| unread("GetPolicyVersion"))
}
