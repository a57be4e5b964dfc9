//! The policies of a role or user: inline ones, attached managed ones, and the permissions boundary.

use serde_json::{Value, json};

use super::describe;
use super::entity::{Holder, change, find};
use super::error::{invalid, no_such_entity, quota};
use super::request::{Request, policy_size, url_encoded};
use super::stored::Grants;
use crate::call::{AwsError, Reply};

/// The greatest number of managed policies of one role or user.
const ATTACHED_LIMIT: usize = 10;

/// Answers PutRolePolicy and PutUserPolicy.
pub fn put<H: Holder>(request: &Request) -> Reply {
    find::<H>(request)?;
    let (policy, document) = (request.text("PolicyName"), request.identity_policy("PolicyDocument")?);
    change_grants::<H>(request, |grants| {
        grants.inline.insert(policy.to_owned(), document.to_owned());
        let (limit, kind, name) = (H::INLINE_LIMIT, H::KIND, H::name_in(request));
        if grants.inline.values().map(|document| policy_size(document)).sum::<usize>() > limit {
            return Err(quota(format!("Maximum policy size of {limit} bytes exceeded for {kind} {name}")));
        }
        Ok(())
    })
}

/// Answers GetRolePolicy and GetUserPolicy.
pub fn get<H: Holder>(request: &Request) -> Reply {
    let (mut holder, policy) = (find::<H>(request)?, request.text("PolicyName"));
    let document = holder.grants().inline.get(policy).ok_or_else(|| no_inline::<H>(policy))?;
    let document = url_encoded(document);
    Ok(json!({H::MEMBER: H::name_in(request), "PolicyName": policy, "PolicyDocument": document}))
}

/// Answers DeleteRolePolicy and DeleteUserPolicy.
pub fn delete<H: Holder>(request: &Request) -> Reply {
    let policy = request.text("PolicyName");
    change_grants::<H>(request, |grants| {
        grants.inline.remove(policy).map(drop).ok_or_else(|| no_inline::<H>(policy))
    })
}

/// Answers ListRolePolicies and ListUserPolicies.
pub fn list<H: Holder>(request: &Request) -> Reply {
    let mut holder: H = find(request)?;
    let names = holder.grants().inline.keys();
    request.page("PolicyNames", names.map(|name| (name.clone(), json!(name))).collect())
}

/// Answers AttachRolePolicy and AttachUserPolicy.
pub fn attach<H: Holder>(request: &Request) -> Reply {
    find::<H>(request)?;
    let arn = request.text("PolicyArn");
    if request.service.managed_document(arn)?.is_none() {
        return Err(no_such_entity(format!("Policy {arn} does not exist or is not attachable.")));
    }
    change_grants::<H>(request, |grants| {
        if grants.attached.iter().any(|each| each == arn) {
            return Ok(());
        }
        if grants.attached.len() == ATTACHED_LIMIT {
            return Err(quota(format!("Cannot exceed quota for {}: {ATTACHED_LIMIT}", H::ATTACHED_QUOTA)));
        }
        grants.attached.push(arn.to_owned());
        Ok(())
    })
}

/// Answers DetachRolePolicy and DetachUserPolicy.
pub fn detach<H: Holder>(request: &Request) -> Reply {
    let arn = request.text("PolicyArn");
    change_grants::<H>(request, |grants| {
        let place = grants.attached.iter().position(|each| each == arn);
        let place = place.ok_or_else(|| no_such_entity(format!("Policy {arn} was not found.")))?;
        grants.attached.remove(place);
        Ok(())
    })
}

/// Answers ListAttachedRolePolicies and ListAttachedUserPolicies.
pub fn list_attached<H: Holder>(request: &Request) -> Reply {
    let mut holder: H = find(request)?;
    let attached = holder.grants().attached.iter();
    let attached = attached.map(|arn| (arn.clone(), describe::attached(arn)));
    request.page("AttachedPolicies", attached.collect())
}

/// Answers PutRolePermissionsBoundary and PutUserPermissionsBoundary.
pub fn put_boundary<H: Holder>(request: &Request) -> Reply {
    find::<H>(request)?;
    let boundary = boundary(request)?;
    change_grants::<H>(request, |grants| {
        grants.boundary = boundary;
        Ok(())
    })
}

/// Answers DeleteRolePermissionsBoundary and DeleteUserPermissionsBoundary.
pub fn delete_boundary<H: Holder>(request: &Request) -> Reply {
    let missing = || format!("The {} {} has no permissions boundary.", H::KIND, H::name_in(request));
    change_grants::<H>(request, |grants| {
        grants.boundary.take().map(drop).ok_or_else(|| no_such_entity(missing()))
    })
}

/// Returns the managed policy that `PermissionsBoundary` names, if the input has that member.
///
/// # Errors
/// It isn't a policy's ARN, or there is no such policy.
pub fn boundary(request: &Request) -> Result<Option<String>, AwsError> {
    let Some(arn) = request.optional("PermissionsBoundary") else { return Ok(None) };
    if !arn.starts_with("arn:") || !arn.contains(":policy/") {
        return Err(invalid(format!(
            "Value ({arn}) failed to satisfy constraint: Member must be a policy's ARN"
        )));
    }
    if request.service.managed_document(arn)?.is_none() {
        return Err(no_such_entity(format!("Scope ARN: {arn} does not exist or is not attachable.")));
    }
    Ok(Some(arn.to_owned()))
}

fn change_grants<H: Holder>(
    request: &Request,
    changed: impl FnOnce(&mut Grants) -> Result<(), AwsError>,
) -> Reply {
    change::<H>(request, |holder| changed(holder.grants()))?;
    Ok(Value::Null)
}

fn no_inline<H: Holder>(policy: &str) -> AwsError {
    no_such_entity(format!("The {} policy with name {policy} cannot be found.", H::KIND))
}
