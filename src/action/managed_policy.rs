//! The document of a managed policy, as it is in force.

use serde_json::Value;

use crate::aws::{Aws, failure};
use crate::failure::Outcome;

pub async fn managed_policy(aws: &Aws, arn: &str) -> Outcome<Value> {
    let policy = aws.iam.get_policy().policy_arn(arn).send().await;
    let policy = policy.map_err(|error| failure("GetPolicy", error))?;
    let version = policy.policy().and_then(|policy| policy.default_version_id()).unwrap_or("v1");
    let version = aws.iam.get_policy_version().policy_arn(arn).version_id(version).send().await;
    let version = version.map_err(|error| failure("GetPolicyVersion", error))?;
    let document = version.policy_version().and_then(|version| version.document()).unwrap_or_default();
    // IAM answers documents URL-encoded.
    let text = percent_encoding::percent_decode_str(document).decode_utf8_lossy();
    Ok(serde_json::from_str(&text).unwrap_or_default())
}
