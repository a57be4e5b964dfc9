//! The operations on roles and their trust policies.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::entity::{Entity, change, find};
use super::error::{conflict, exists, malformed, quota};
use super::id::unique_id;
use super::request::Request;
use super::stored::{Grants, InstanceProfile, PROFILE, ROLE, Role};
use super::{describe, grants, tags};
use crate::authority::Authority;
use crate::call::{AwsError, Reply};
use crate::policy::Document;

/// The greatest size of a trust policy in bytes (the quota `ACLSizePerRole`).
const TRUST_LIMIT: usize = 2048;

/// The default of a role's longest session, in seconds.
const MAX_SESSION: u32 = 3600;

pub fn create(request: &Request) -> Reply {
    let name = request.text("RoleName");
    let role = Role {
        name: name.to_owned(),
        path: request.path().to_owned(),
        id: unique_id("AROA"),
        arn: request.new_arn(Role::KIND, name),
        created: Timestamp::now(),
        trust: trust(request, "AssumeRolePolicyDocument")?,
        description: request.optional("Description").map(str::to_owned),
        max_session: max_session(request).unwrap_or(MAX_SESSION),
        tags: tags::merged(Vec::new(), request.tags()?)?,
        grants: Grants { boundary: grants::boundary(request)?, ..Grants::default() },
    };
    if !request.store().insert(ROLE, name, &role)? {
        return Err(exists(format!("Role with name {name} already exists.")));
    }
    request.service.changed();
    Ok(json!({"Role": describe::role(&role)}))
}

pub fn get(request: &Request) -> Reply {
    let role: Role = find(request)?;
    let mut described = describe::role(&role);
    described["RoleLastUsed"] = describe::last_used(request, &role)?;
    Ok(json!({"Role": described}))
}

pub fn list(request: &Request) -> Reply {
    let roles = request.store().list::<Role>(ROLE)?.into_iter();
    let roles = roles.filter(|(_, role)| role.path.starts_with(request.path_prefix()));
    let described = roles.map(|(name, role)| {
        let mut described = describe::role(&role);
        // As on AWS, only GetRole returns the tags and the boundary.
        described["Tags"] = Value::Null;
        described["PermissionsBoundary"] = Value::Null;
        (name, described)
    });
    request.page("Roles", described.collect())
}

pub fn update(request: &Request) -> Reply {
    change(request, |role: &mut Role| {
        role.description = request.optional("Description").map(str::to_owned).or(role.description.take());
        role.max_session = max_session(request).unwrap_or(role.max_session);
        Ok(())
    })?;
    Ok(json!({}))
}

/// Answers UpdateRoleDescription, the older form of UpdateRole. It returns the role.
pub fn update_description(request: &Request) -> Reply {
    change(request, |role: &mut Role| {
        role.description = Some(request.text("Description").to_owned());
        Ok(())
    })?;
    Ok(json!({"Role": describe::role(&find(request)?)}))
}

pub fn update_trust(request: &Request) -> Reply {
    find::<Role>(request)?;
    let trust = trust(request, "PolicyDocument")?;
    change(request, |role: &mut Role| {
        role.trust = trust;
        Ok(())
    })?;
    Ok(Value::Null)
}

pub fn delete(request: &Request) -> Reply {
    let role: Role = find(request)?;
    if !role.grants.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !role.grants.inline.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    let profiles = request.store().list::<InstanceProfile>(PROFILE)?;
    if profiles.iter().any(|(_, profile)| profile.roles.contains(&role.name)) {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    request.store().delete(ROLE, &role.name)?;
    request.service.forget_use(&role.id)?;
    request.service.changed();
    Ok(Value::Null)
}

/// Returns a member that must be a trust policy.
fn trust(request: &Request, member: &str) -> Result<String, AwsError> {
    let document = request.text(member);
    if document.len() > TRUST_LIMIT {
        return Err(quota(format!("Cannot exceed quota for ACLSizePerRole: {TRUST_LIMIT}")));
    }
    let parsed = Document::trust(document).map_err(malformed)?;
    for (kind, principal) in parsed.principals() {
        if !request.service.knows_principal(kind, principal)? {
            let kind = if kind == "Service" { "SERVICE" } else { kind };
            return Err(malformed(format!("Invalid principal in policy: \"{kind}\":\"{principal}\"")));
        }
    }
    Ok(document.to_owned())
}

fn max_session(request: &Request) -> Option<u32> {
    u32::try_from(request.input()["MaxSessionDuration"].as_u64()?).ok()
}
