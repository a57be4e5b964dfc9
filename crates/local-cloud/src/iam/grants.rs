//! The policies of a role or user: inline ones, and attached managed ones.

use serde_json::{Value, json};

use super::Context;
use super::document::Document;
use super::managed::policy_name;
use super::model::{Grants, ROLE, Role, USER, User};
use super::service::{Request, invalid, malformed, no_such_entity, policy_size, quota, url_encoded};
use crate::call::{AwsError, Reply};

/// Managed policies that one role or user may have.
const ATTACHED_LIMIT: usize = 10;

/// Whose policies an operation is about: `PutRolePolicy` and `PutUserPolicy` differ in nothing else.
struct Owner<'a> {
    request: &'a Request<'a>,
    is_role: bool,
    name: &'a str,
    grants: Grants,
}

impl<'a> Owner<'a> {
    /// Reads the owner, once the caller is allowed to do this to it.
    fn authorized(request: &'a Request<'a>) -> Result<Self, AwsError> {
        let is_role = request.call.operation.contains("Role");
        let (kind, name) = if is_role {
            ("role", request.name("RoleName", 64)?)
        } else {
            ("user", request.name("UserName", 64)?)
        };
        let store = &request.cloud.store;
        let found = if is_role {
            store.get::<Role>(ROLE, name)?.map(|role| (role.arn, role.grants))
        } else {
            store.get::<User>(USER, name)?.map(|user| (user.arn, user.grants))
        };
        let arn =
            found.as_ref().map_or_else(|| request.arn(&format!("{kind}/{name}")), |(arn, _)| arn.clone());
        let mut context = Context::new();
        for (member, key) in
            [("PolicyArn", "iam:PolicyARN"), ("PermissionsBoundary", "iam:PermissionsBoundary")]
        {
            if let Some(policy) = request.optional(member) {
                context = context.with(key, policy);
            }
        }
        request.authorize_in(&arn, &context)?;
        let missing = || no_such_entity(format!("The {kind} with name {name} cannot be found."));
        let (_, grants) = found.ok_or_else(missing)?;
        Ok(Self { request, is_role, name, grants })
    }

    fn change(&self, change: impl FnOnce(&mut Grants) -> Result<(), AwsError>) -> Reply {
        let store = &self.request.cloud.store;
        let changed = if self.is_role {
            store.update(ROLE, self.name, |role: &mut Role| change(&mut role.grants))?
        } else {
            store.update(USER, self.name, |user: &mut User| change(&mut user.grants))?
        };
        changed.ok_or_else(|| no_such_entity(format!("{} cannot be found.", self.name)))?;
        self.request.cloud.iam.changed();
        Ok(Value::Null)
    }

    fn kind(&self) -> &'static str {
        if self.is_role { "role" } else { "user" }
    }

    /// Characters that the inline policies may have together.
    fn inline_limit(&self) -> usize {
        if self.is_role { 10_240 } else { 2048 }
    }

    fn no_inline(&self, policy: &str) -> AwsError {
        no_such_entity(format!("The {} policy with name {policy} cannot be found.", self.kind()))
    }
}

pub fn put(request: &Request) -> Reply {
    let owner = Owner::authorized(request)?;
    let (policy, document) = (request.name("PolicyName", 128)?, request.text("PolicyDocument")?);
    Document::identity(document).map_err(malformed)?;
    owner.change(|grants| {
        grants.inline.insert(policy.to_owned(), document.to_owned());
        let (limit, kind, name) = (owner.inline_limit(), owner.kind(), owner.name);
        if grants.inline.values().map(|document| policy_size(document)).sum::<usize>() > limit {
            return Err(quota(format!("Maximum policy size of {limit} bytes exceeded for {kind} {name}")));
        }
        Ok(())
    })
}

pub fn get(request: &Request) -> Reply {
    let owner = Owner::authorized(request)?;
    let policy = request.name("PolicyName", 128)?;
    let document = owner.grants.inline.get(policy).ok_or_else(|| owner.no_inline(policy))?;
    let member = if owner.is_role { "RoleName" } else { "UserName" };
    Ok(json!({member: owner.name, "PolicyName": policy, "PolicyDocument": url_encoded(document)}))
}

pub fn delete(request: &Request) -> Reply {
    let owner = Owner::authorized(request)?;
    let policy = request.name("PolicyName", 128)?;
    owner.change(|grants| grants.inline.remove(policy).map(drop).ok_or_else(|| owner.no_inline(policy)))
}

pub fn list(request: &Request) -> Reply {
    let owner = Owner::authorized(request)?;
    request.page("PolicyNames", owner.grants.inline.keys().map(|name| (name.clone(), json!(name))).collect())
}

pub fn attach(request: &Request) -> Reply {
    let owner = Owner::authorized(request)?;
    let arn = request.text("PolicyArn")?;
    if request.cloud.iam.managed_document(arn)?.is_none() {
        return Err(no_such_entity(format!("Policy {arn} does not exist or is not attachable.")));
    }
    owner.change(|grants| {
        if grants.attached.iter().any(|each| each == arn) {
            return Ok(());
        }
        if grants.attached.len() == ATTACHED_LIMIT {
            let which = if owner.is_role { "PoliciesPerRole" } else { "PoliciesPerUser" };
            return Err(quota(format!("Cannot exceed quota for {which}: {ATTACHED_LIMIT}")));
        }
        grants.attached.push(arn.to_owned());
        Ok(())
    })
}

pub fn detach(request: &Request) -> Reply {
    let owner = Owner::authorized(request)?;
    let arn = request.text("PolicyArn")?;
    owner.change(|grants| {
        let place = grants.attached.iter().position(|each| each == arn);
        let place = place.ok_or_else(|| no_such_entity(format!("Policy {arn} was not found.")))?;
        grants.attached.remove(place);
        Ok(())
    })
}

pub fn list_attached(request: &Request) -> Reply {
    let owner = Owner::authorized(request)?;
    let mut attached: Vec<(String, Value)> = owner
        .grants
        .attached
        .iter()
        .map(|arn| (arn.clone(), json!({"PolicyName": policy_name(arn), "PolicyArn": arn})))
        .collect();
    attached.sort_by(|(left, _), (right, _)| left.cmp(right));
    request.page("AttachedPolicies", attached)
}

pub fn put_boundary(request: &Request) -> Reply {
    let owner = Owner::authorized(request)?;
    request.text("PermissionsBoundary")?;
    let boundary = checked_boundary(request)?;
    owner.change(|grants| {
        grants.boundary = boundary;
        Ok(())
    })
}

pub fn delete_boundary(request: &Request) -> Reply {
    let owner = Owner::authorized(request)?;
    owner.change(|grants| match grants.boundary.take() {
        Some(_) => Ok(()),
        None => {
            Err(no_such_entity(format!("The {} {} has no permissions boundary.", owner.kind(), owner.name)))
        }
    })
}

/// The managed policy that `PermissionsBoundary` names, if it does.
pub fn checked_boundary(request: &Request) -> Result<Option<String>, AwsError> {
    let Some(arn) = request.optional("PermissionsBoundary") else { return Ok(None) };
    if !arn.starts_with("arn:") || !arn.contains(":policy/") {
        return Err(invalid(format!(
            "Value ({arn}) failed to satisfy constraint: Member must be a policy's ARN"
        )));
    }
    if request.cloud.iam.managed_document(arn)?.is_none() {
        return Err(no_such_entity(format!("Scope ARN: {arn} does not exist or is not attachable.")));
    }
    Ok(Some(arn.to_owned()))
}

/// A boundary in the shape of AWS's model.
pub fn boundary_described(grants: &Grants) -> Option<Value> {
    let arn = grants.boundary.as_ref()?;
    Some(json!({"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": arn}))
}
