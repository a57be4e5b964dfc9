//! The operations on resource policies, which allow others to invoke a function, in addition to callers' own policies.

use serde_json::{Value, json};

use super::errors::{check_revision, conflict, invalid, not_found};
use super::record::{Function, Policy};
use super::service::Request;
use super::target::Target;
use crate::call::{AwsError, Reply};
use crate::policy::Document;
use crate::support::id;

/// AWS's limit for a policy, in bytes.
const MOST: usize = 20_480;

/// Returns the policies of a function, its versions and its aliases as one document. Each statement names its own
/// resource.
///
/// # Errors
/// A stored policy can't be read.
pub fn document(function: Option<&Function>) -> Result<Option<Document>, AwsError> {
    let statements: Vec<&Value> = function
        .iter()
        .flat_map(|function| function.policies.values())
        .flat_map(|policy| &policy.statements)
        .collect();
    if statements.is_empty() {
        return Ok(None);
    }
    let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": statements});
    Document::resource(&policy.to_string()).map(Some).map_err(AwsError::internal)
}

/// Returns the function, and the qualifier whose policy the request is about. It is empty for the function's own
/// policy.
fn found(request: &Request<'_>) -> Result<(Target, Function, String), AwsError> {
    let (target, function) = request.found()?;
    let qualifier = target.qualifier.clone().unwrap_or_default();
    if !qualifier.is_empty() && function.qualified(Some(&qualifier)).is_none() {
        return Err(target.not_found(&request.service.cloud));
    }
    Ok((target, function, qualifier))
}

/// Returns the principal of a statement: a service, an account, an ARN or everybody.
fn principal(request: &Request<'_>) -> Result<Value, AwsError> {
    let principal = request.text("Principal");
    let is_account = principal.len() == 12 && principal.bytes().all(|byte| byte.is_ascii_digit());
    let is_arn = principal.starts_with("arn:aws:iam::") || principal.starts_with("arn:aws:sts::");
    if principal == "*" {
        Ok(json!("*"))
    } else if is_account {
        Ok(json!({"AWS": format!("arn:aws:iam::{principal}:root")}))
    } else if is_arn && request.service.iam.knows_principal("AWS", principal)? {
        Ok(json!({"AWS": principal}))
    } else if !is_arn && principal.ends_with(".amazonaws.com") {
        Ok(json!({"Service": principal}))
    } else {
        Err(invalid("The provided principal was invalid. Please check the principal and try again."))
    }
}

pub fn add(request: &Request<'_>) -> Reply {
    let (cloud, input) = (&request.service.cloud, request.input());
    let (target, _, qualifier) = found(request)?;
    for member in ["EventSourceToken", "PrincipalOrgID"] {
        if !input[member].is_null() {
            return Err(request.unsupported(&format!("{member} in AddPermission")));
        }
    }
    if request.optional("FunctionUrlAuthType").is_some()
        && request.text("Action") != "lambda:InvokeFunctionUrl"
    {
        return Err(invalid(
            "FunctionUrlAuthType is only supported for the action lambda:InvokeFunctionUrl.",
        ));
    }
    let sid = request.text("StatementId");
    let mut statement = json!({
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal(request)?,
        "Action": request.text("Action"),
        "Resource": target.arn(cloud),
    });
    if let Some(account) = request.optional("SourceAccount") {
        statement["Condition"]["StringEquals"]["AWS:SourceAccount"] = json!(account);
    }
    if let Some(arn) = request.optional("SourceArn") {
        statement["Condition"]["ArnLike"] = json!({"AWS:SourceArn": arn});
    }
    if let Some(kind) = request.optional("FunctionUrlAuthType") {
        statement["Condition"]["StringEquals"]["lambda:FunctionUrlAuthType"] = json!(kind);
    }
    if request.flag("InvokedViaFunctionUrl") {
        statement["Condition"]["Bool"] = json!({"lambda:InvokedViaFunctionUrl": "true"});
    }
    target.change(cloud, |function| {
        let policy = function.policies.entry(qualifier).or_default();
        check_policy_revision(input, policy)?;
        if policy.statements.iter().any(|each| each["Sid"] == sid) {
            return Err(conflict(format!(
                "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement."
            )));
        }
        policy.statements.push(statement.clone());
        let length = json!(policy.statements).to_string().len();
        if length > MOST {
            let message = format!("The final policy size ({length}) is bigger than the limit ({MOST}).");
            return Err(AwsError::new(400, "PolicyLengthExceededException", message));
        }
        policy.revision = id::uuid();
        Ok(())
    })?;
    Ok(json!({"Statement": statement.to_string()}))
}

/// Checks the RevisionId of a request. A policy without statements has no revision yet.
fn check_policy_revision(input: &Value, policy: &Policy) -> Result<(), AwsError> {
    if policy.statements.is_empty() { Ok(()) } else { check_revision(input, &policy.revision) }
}

pub fn remove(request: &Request<'_>) -> Reply {
    let (cloud, input) = (&request.service.cloud, request.input());
    let (target, _, qualifier) = found(request)?;
    let sid = request.text("StatementId");
    target.change(cloud, |function| {
        let missing = || not_found(format!("Statement {sid} is not found in resource policy."));
        let policy = function.policies.get_mut(&qualifier);
        let policy = policy.ok_or_else(|| not_found("No policy is associated with the given resource."))?;
        check_policy_revision(input, policy)?;
        let before = policy.statements.len();
        policy.statements.retain(|each| each["Sid"] != sid);
        if policy.statements.len() == before {
            return Err(missing());
        }
        policy.revision = id::uuid();
        if policy.statements.is_empty() {
            function.policies.remove(&qualifier);
        }
        Ok(Value::Null)
    })
}

pub fn get(request: &Request<'_>) -> Reply {
    let (_, function, qualifier) = found(request)?;
    let policy = function.policies.get(&qualifier);
    let policy = policy.ok_or_else(|| not_found("The resource you requested does not exist."))?;
    let document = json!({"Version": "2012-10-17", "Id": "default", "Statement": policy.statements});
    Ok(json!({"Policy": document.to_string(), "RevisionId": policy.revision}))
}
