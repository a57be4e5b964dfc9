//! Roles: who may assume them, and their tags.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::document::Document;
use super::grants::{boundary_described, checked_boundary};
use super::model::{Grants, InstanceProfile, PROFILE, ROLE, Role, Tag, unique_id};
use super::service::{
    Request, conflict, exists, invalid, malformed, merged_tags, no_such_role, quota, texts, url_encoded,
    written,
};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;

/// Bytes of a trust policy (the quota `ACLSizePerRole`).
const TRUST_LIMIT: usize = 2048;

pub fn create(request: &Request) -> Reply {
    let (name, path) = (request.name("RoleName", 64)?, request.path()?);
    let arn = request.arn(&format!("role{path}{name}"));
    request.authorize(&arn)?;
    let max_session = request.number("MaxSessionDuration")?.unwrap_or(3600);
    let role = Role {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id("AROA"),
        arn,
        created: Timestamp::now(),
        trust: checked_trust(request, request.text("AssumeRolePolicyDocument")?)?,
        description: checked_description(request)?,
        max_session: checked_session(max_session)?,
        tags: merged_tags(Vec::new(), request.tags()?)?,
        grants: Grants { boundary: checked_boundary(request)?, ..Grants::default() },
    };
    if !request.cloud.store.insert(ROLE, name, &role)? {
        return Err(exists(format!("Role with name {name} already exists.")));
    }
    request.cloud.iam.changed();
    Ok(json!({"Role": described(&role)}))
}

pub fn get(request: &Request) -> Reply {
    let role = request.authorized_role()?;
    let mut described = described(&role);
    described["RoleLastUsed"] = last_used(request, &role)?;
    Ok(json!({"Role": described}))
}

/// Empty for a role that has not been used.
pub fn last_used(request: &Request, role: &Role) -> Reply {
    Ok(match request.cloud.iam.last_used(&role.id)? {
        Some(used) => json!({"LastUsedDate": written(used.time), "Region": used.region}),
        None => json!({}),
    })
}

pub fn list(request: &Request) -> Reply {
    let prefix = request.optional("PathPrefix").unwrap_or("/");
    request.authorize(&request.arn(&format!("role{prefix}")))?;
    let roles = request.cloud.store.list::<Role>(ROLE)?.into_iter();
    let roles = roles.filter(|(_, role)| role.path.starts_with(prefix)).map(|(name, role)| {
        let mut described = described(&role);
        // As on AWS, only GetRole tells the tags and the boundary.
        described["Tags"] = Value::Null;
        described["PermissionsBoundary"] = Value::Null;
        (name, described)
    });
    request.page("Roles", roles.collect())
}

pub fn update(request: &Request) -> Reply {
    let role = request.authorized_role()?;
    let (description, max_session) = (checked_description(request)?, request.number("MaxSessionDuration")?);
    let max_session = max_session.map(checked_session).transpose()?;
    change(request, &role.name, |role| {
        role.description = description.or(role.description.take());
        role.max_session = max_session.unwrap_or(role.max_session);
        Ok(())
    })?;
    Ok(json!({}))
}

pub fn update_trust(request: &Request) -> Reply {
    let role = request.authorized_role()?;
    let trust = checked_trust(request, request.text("PolicyDocument")?)?;
    change(request, &role.name, |role| {
        role.trust = trust;
        Ok(())
    })?;
    Ok(Value::Null)
}

pub fn delete(request: &Request) -> Reply {
    let role = request.authorized_role()?;
    if !role.grants.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !role.grants.inline.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    let profiles = request.cloud.store.list::<InstanceProfile>(PROFILE)?;
    if profiles.iter().any(|(_, profile)| profile.roles.contains(&role.name)) {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    request.cloud.store.delete(ROLE, &role.name)?;
    request.cloud.iam.forget_use(&role.id)?;
    request.cloud.iam.changed();
    Ok(Value::Null)
}

pub fn tag(request: &Request) -> Reply {
    let role = request.authorized_role()?;
    let new = request.tags()?;
    change(request, &role.name, |role| {
        role.tags = merged_tags(std::mem::take(&mut role.tags), new)?;
        Ok(())
    })?;
    Ok(Value::Null)
}

pub fn untag(request: &Request) -> Reply {
    let role = request.authorized_role()?;
    let keys = texts(request.call.input.get("TagKeys"))?;
    change(request, &role.name, |role| {
        role.tags.retain(|tag| !keys.contains(&tag.key));
        Ok(())
    })?;
    Ok(Value::Null)
}

pub fn list_tags(request: &Request) -> Reply {
    let role = request.authorized_role()?;
    let mut tags: Vec<(String, Value)> = role.tags.iter().map(|tag| (tag.key.clone(), json!(tag))).collect();
    tags.sort_by(|(left, _), (right, _)| left.cmp(right));
    request.page("Tags", tags)
}

/// Changes a stored role, and lets the change take effect.
pub fn change(
    request: &Request,
    name: &str,
    change: impl FnOnce(&mut Role) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    request.cloud.store.update(ROLE, name, change)?.ok_or_else(|| no_such_role(name))?;
    request.cloud.iam.changed();
    Ok(())
}

/// A role in the shape of AWS's model.
pub fn described(role: &Role) -> Value {
    json!({
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": written(role.created),
        "AssumeRolePolicyDocument": url_encoded(&role.trust),
        "Description": role.description,
        "MaxSessionDuration": role.max_session,
        "PermissionsBoundary": boundary_described(&role.grants),
        "Tags": (!role.tags.is_empty()).then_some::<&[Tag]>(&role.tags),
    })
}

fn checked_trust(request: &Request, document: &str) -> Result<String, AwsError> {
    if document.len() > TRUST_LIMIT {
        return Err(quota(format!("Cannot exceed quota for ACLSizePerRole: {TRUST_LIMIT}")));
    }
    let parsed = Document::trust(document).map_err(malformed)?;
    for (kind, principal) in parsed.principals() {
        if !request.cloud.knows_principal(kind, principal)? {
            let kind = if kind == "Service" { "SERVICE" } else { kind };
            return Err(malformed(format!("Invalid principal in policy: \"{kind}\":\"{principal}\"")));
        }
    }
    Ok(document.to_owned())
}

fn checked_description(request: &Request) -> Result<Option<String>, AwsError> {
    match request.optional("Description") {
        Some(text) if text.chars().count() > 1000 => Err(invalid(
            "1 validation error detected: Value at 'description' failed to satisfy constraint: Member must have \
             length less than or equal to 1000",
        )),
        other => Ok(other.map(str::to_owned)),
    }
}

fn checked_session(seconds: u32) -> Result<u32, AwsError> {
    if (3600..=43_200).contains(&seconds) {
        return Ok(seconds);
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint: Member \
         must have value between 3600 and 43200"
    )))
}
