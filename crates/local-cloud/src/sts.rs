//! STS: who am I, and temporary credentials.

use std::sync::Arc;

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::iam::{Context, Session};
use crate::protocol::query::number;

pub const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

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
    policy_arns: Option<Value>,
    external_id: Option<String>,
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
    if input.policy.is_some() || input.policy_arns.is_some() {
        return Err(AwsError::unsupported("STS", "AssumeRole with a session policy"));
    }
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
    let session = cloud.assume_role_as(&call.caller, &input.role_arn, name, lasts, &context)?;
    Ok(json!({
        "Credentials": credentials(&session),
        "AssumedRoleUser": {"AssumedRoleId": session.caller.user_id, "Arn": session.caller.arn},
    }))
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
