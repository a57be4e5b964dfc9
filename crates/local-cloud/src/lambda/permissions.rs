//! Resource policies: who may invoke a function, beside those whose own policies allow it.

use serde_json::{Value, json};

use super::Request;
use super::model::{Function, Policy, Target, check_revision, conflict, invalid, not_found, uuid};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::iam::Document;

/// AWS's limit to a policy, in bytes.
const MOST: usize = 20_480;

/// The policies of a function and of its versions and aliases as one: each statement names its own resource.
///
/// # Errors
/// What is stored cannot be read.
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

/// The function, and the qualifier whose policy it is about, which must be there.
fn found(request: &Request) -> Result<(Target, Function, String), AwsError> {
    let target = request.target()?;
    let function = target.function(request.cloud)?;
    let qualifier = target.qualifier.clone().unwrap_or_default();
    if !qualifier.is_empty() && function.qualified(Some(&qualifier)).is_none() {
        return Err(target.not_found(request.cloud));
    }
    Ok((target, function, qualifier))
}

/// Who is meant: a service, an account, an ARN or everybody.
fn principal(cloud: &Cloud, principal: &str) -> Result<Value, AwsError> {
    let is_account = principal.len() == 12 && principal.bytes().all(|byte| byte.is_ascii_digit());
    if principal == "*" {
        Ok(json!("*"))
    } else if is_account {
        Ok(json!({"AWS": format!("arn:aws:iam::{principal}:root")}))
    } else if principal.starts_with("arn:aws:iam::") || principal.starts_with("arn:aws:sts::") {
        if !cloud.knows_principal("AWS", principal)? {
            return Err(invalid(
                "The provided principal was invalid. Please check the principal and try again.",
            ));
        }
        Ok(json!({"AWS": principal}))
    } else if principal.ends_with(".amazonaws.com") {
        Ok(json!({"Service": principal}))
    } else {
        Err(invalid("The provided principal was invalid. Please check the principal and try again."))
    }
}

pub fn add(request: &Request) -> Reply {
    let (cloud, input) = (request.cloud, &request.call.input);
    let (target, _, qualifier) = found(request)?;
    for member in ["EventSourceToken", "PrincipalOrgID", "FunctionUrlAuthType", "InvokedViaFunctionUrl"] {
        if !input[member].is_null() {
            return Err(AwsError::unsupported("Lambda", &format!("{member} in AddPermission")));
        }
    }
    let id = request.text("StatementId");
    let mut statement = json!({
        "Sid": id,
        "Effect": "Allow",
        "Principal": principal(cloud, request.text("Principal"))?,
        "Action": request.text("Action"),
        "Resource": target.arn(cloud),
    });
    if let Some(account) = input["SourceAccount"].as_str() {
        statement["Condition"]["StringEquals"] = json!({"AWS:SourceAccount": account});
    }
    if let Some(arn) = input["SourceArn"].as_str() {
        statement["Condition"]["ArnLike"] = json!({"AWS:SourceArn": arn});
    }
    target.change(cloud, |function| {
        let policy = function.policies.entry(qualifier).or_default();
        check_policy_revision(input, policy)?;
        if policy.statements.iter().any(|each| each["Sid"] == id) {
            return Err(conflict(format!(
                "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement."
            )));
        }
        policy.statements.push(statement.clone());
        let length = json!(policy.statements).to_string().len();
        if length > MOST {
            let message = format!("The final policy size ({length}) is bigger than the limit ({MOST}).");
            return Err(AwsError::new(400, "PolicyLengthExceededException", message));
        }
        policy.revision = uuid();
        Ok(())
    })?;
    Ok(json!({"Statement": statement.to_string()}))
}

/// A policy that isn't there yet has no revision to compare with.
fn check_policy_revision(input: &Value, policy: &Policy) -> Result<(), AwsError> {
    if policy.statements.is_empty() { Ok(()) } else { check_revision(input, &policy.revision) }
}

pub fn remove(request: &Request) -> Reply {
    let (cloud, input) = (request.cloud, &request.call.input);
    let (target, _, qualifier) = found(request)?;
    let id = request.text("StatementId");
    target.change(cloud, |function| {
        let missing = || not_found(format!("Statement {id} is not found in resource policy."));
        let policy = function.policies.get_mut(&qualifier).ok_or_else(missing)?;
        check_policy_revision(input, policy)?;
        let before = policy.statements.len();
        policy.statements.retain(|each| each["Sid"] != id);
        if policy.statements.len() == before {
            return Err(missing());
        }
        policy.revision = uuid();
        if policy.statements.is_empty() {
            function.policies.remove(&qualifier);
        }
        Ok(Value::Null)
    })
}

pub fn get(request: &Request) -> Reply {
    let (_, function, qualifier) = found(request)?;
    let policy = function.policies.get(&qualifier);
    let policy = policy.ok_or_else(|| not_found("The resource you requested does not exist."))?;
    let document = json!({"Version": "2012-10-17", "Id": "default", "Statement": policy.statements});
    Ok(json!({"Policy": document.to_string(), "RevisionId": policy.revision}))
}
