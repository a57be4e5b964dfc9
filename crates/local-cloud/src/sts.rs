//! STS: who am I, and temporary credentials.

use std::sync::Arc;

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::iam::{Context, Document, Session};
use crate::protocol::query::{list, number};

pub const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Characters of a session's policies together.
const SESSION_POLICIES: usize = 2048;

pub fn call(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    match call.operation.as_str() {
        "GetCallerIdentity" => Ok(caller_identity(cloud, call)),
        "AssumeRole" => assume_role(cloud, call),
        _ => Err(call.unsupported("STS")),
    }
}

/// Needs no permission, and cannot be denied.
fn caller_identity(cloud: &Cloud, call: &Call) -> Value {
    json!({"UserId": call.caller.user_id, "Account": cloud.account, "Arn": call.caller.arn})
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeRole {
    role_arn: String,
    role_session_name: String,
    #[serde(default, deserialize_with = "number")]
    duration_seconds: Option<i64>,
    policy: Option<String>,
    #[serde(default, deserialize_with = "list")]
    policy_arns: Vec<PolicyArn>,
    external_id: Option<String>,
}

#[derive(Deserialize)]
struct PolicyArn {
    arn: String,
}

fn assume_role(cloud: &Cloud, call: &Call) -> Reply {
    let input: AssumeRole = call.read().map_err(|error| validation(error.message))?;
    let name = &input.role_session_name;
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&name.len()) || !name.chars().all(fits) {
        return Err(validation(format!(
            "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member \
             must satisfy regular expression pattern: [\\w+=,.@-]*, and have length between 2 and 64"
        )));
    }
    let (session_policies, packed) = session_policies(input.policy, input.policy_arns)?;
    let seconds = input.duration_seconds.unwrap_or(3600);
    if !(900..=43_200).contains(&seconds) {
        return Err(validation(format!(
            "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: Member \
             must have value between 900 and 43200"
        )));
    }
    let context = match input.external_id {
        Some(id) => Context::new().with("sts:ExternalId", id),
        None => Context::new(),
    };
    let lasts = SignedDuration::from_secs(seconds);
    let session =
        cloud.assume_role_as(&call.caller, &input.role_arn, name, lasts, session_policies, &context)?;
    Ok(json!({
        "Credentials": credentials(&session),
        "AssumedRoleUser": {"AssumedRoleId": session.caller.user_id, "Arn": session.caller.arn},
        "PackedPolicySize": packed,
    }))
}

/// The policies that are to limit a session, and how much of their quota they take in percent.
fn session_policies(
    policy: Option<String>,
    arns: Vec<PolicyArn>,
) -> Result<(Vec<String>, Option<usize>), AwsError> {
    let mut policies: Vec<String> = arns.into_iter().map(|policy| policy.arn).collect();
    if let Some(arn) = policies.iter().find(|arn| !arn.starts_with("arn:") || !arn.contains(":policy/")) {
        return Err(validation(format!("{arn} is no managed policy's ARN.")));
    }
    if policies.len() > 10 {
        return Err(AwsError::new(
            400,
            "PackedPolicyTooLarge",
            "At most 10 managed session policies can be passed.",
        ));
    }
    if let Some(document) = policy {
        Document::identity(&document)
            .map_err(|error| AwsError::new(400, "MalformedPolicyDocument", error))?;
        policies.push(document);
    }
    let size: usize = policies.iter().map(String::len).sum();
    if size > SESSION_POLICIES {
        return Err(AwsError::new(
            400,
            "PackedPolicyTooLarge",
            format!("Packed size of session policies is {}% of the limit.", size * 100 / SESSION_POLICIES),
        ));
    }
    let packed = (size > 0).then(|| size * 100 / SESSION_POLICIES);
    Ok((policies, packed))
}

fn credentials(session: &Session) -> Value {
    json!({
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token,
        "Expiration": session.expiration.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    })
}

fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "ValidationError", message)
}
