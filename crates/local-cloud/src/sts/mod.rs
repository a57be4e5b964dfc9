//! STS: GetCallerIdentity and AssumeRole.

use std::sync::{Arc, LazyLock};

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::authority::{Authority, RoleSession, Session};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::model::Model;
use crate::policy::{Context, Document};
use crate::service::{Operation, Service};
use crate::support::clock;

/// The greatest number of characters of all policies of a session.
const SESSION_POLICIES: usize = 2048;
/// The greatest number of managed policies of a session.
const MANAGED_POLICIES: usize = 10;

static MODEL: LazyLock<Model> =
    LazyLock::new(|| Model::read(include_str!("model.json")).with_members(include_str!("members.txt")));

const OPERATIONS: &[Operation<Sts>] = &[
    Operation::undeniable("GetCallerIdentity", caller_identity),
    Operation::by_trust("AssumeRole", assume_role),
];

/// The STS service.
#[derive(Debug)]
pub struct Sts {
    cloud: Arc<Cloud>,
    iam: Arc<dyn Authority>,
}

type Request<'a> = crate::service::Request<'a, Sts>;

impl Sts {
    /// Returns the service. `authority` decides for its callers.
    pub fn new(cloud: &Arc<Cloud>, authority: Arc<dyn Authority>) -> Self {
        Self { cloud: cloud.clone(), iam: authority }
    }
}

impl Service for Sts {
    const NAME: &'static str = "sts";
    const TITLE: &'static str = "STS";

    fn model() -> &'static Model {
        &MODEL
    }

    fn operations() -> &'static [Operation<Self>] {
        OPERATIONS
    }
}

fn caller_identity(request: &Request) -> Reply {
    let Request { service, call } = *request;
    Ok(json!({"UserId": call.caller.user_id, "Account": service.cloud.account, "Arn": call.caller.arn}))
}

fn assume_role(request: &Request) -> Reply {
    let policies = session_policies(request)?;
    let size: usize = policies.iter().map(String::len).sum();
    let percent = size * 100 / SESSION_POLICIES;
    if size > SESSION_POLICIES {
        return Err(too_large(format!("Packed size of session policies is {percent}% of the limit.")));
    }
    let context = match request.optional("ExternalId") {
        Some(id) => Context::new().with("sts:ExternalId", id),
        None => Context::new(),
    };
    let seconds = request.input()["DurationSeconds"].as_i64().unwrap_or(3600);
    let session = RoleSession {
        role_arn: request.text("RoleArn").to_owned(),
        name: request.text("RoleSessionName").to_owned(),
        lasts: SignedDuration::from_secs(seconds),
        policies,
        context,
    };
    let session = request.service.iam.assume_role_as(&request.call.caller, session)?;
    Ok(json!({
        "Credentials": credentials(&session),
        "AssumedRoleUser": {"AssumedRoleId": session.caller.user_id, "Arn": session.caller.arn},
        "PackedPolicySize": (size > 0).then_some(percent),
    }))
}

/// Returns the policies that limit a session: ARNs of managed policies, then a document.
fn session_policies(request: &Request) -> Result<Vec<String>, AwsError> {
    let arns = request.items("PolicyArns").iter().map(|policy| policy["arn"].as_str().unwrap_or_default());
    let mut policies: Vec<String> = arns.map(str::to_owned).collect();
    if let Some(arn) = policies.iter().find(|arn| !arn.starts_with("arn:") || !arn.contains(":policy/")) {
        return Err(AwsError::new(
            400,
            "ValidationError",
            format!("{arn} is not the ARN of a managed policy."),
        ));
    }
    if policies.len() > MANAGED_POLICIES {
        return Err(too_large(format!("At most {MANAGED_POLICIES} managed session policies can be passed.")));
    }
    if let Some(document) = request.optional("Policy") {
        Document::identity(document).map_err(|error| AwsError::new(400, "MalformedPolicyDocument", error))?;
        policies.push(document.to_owned());
    }
    Ok(policies)
}

fn credentials(session: &Session) -> Value {
    json!({
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token,
        "Expiration": clock::iso_seconds(session.expiration),
    })
}

fn too_large(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "PackedPolicyTooLarge", message)
}
