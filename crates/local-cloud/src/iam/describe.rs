//! Users, roles, policies and instance profiles in the shapes of AWS's model.

use serde_json::{Value, json};

use super::managed::{AwsManaged, policy_name};
use super::request::{Request, url_encoded, written};
use super::stored::{Grants, InstanceProfile, Policy, PolicyVersion, ROLE, Role, User};
use crate::call::Reply;

/// Describes a user. As on AWS, only GetUser shows the tags and the boundary: with `whole`.
pub fn user(user: &User, whole: bool) -> Value {
    json!({
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": written(user.created),
        "PermissionsBoundary": boundary(&user.grants).filter(|_| whole),
        "Tags": (whole && !user.tags.is_empty()).then_some(&user.tags),
    })
}

/// Describes a role.
pub fn role(role: &Role) -> Value {
    json!({
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": written(role.created),
        "AssumeRolePolicyDocument": url_encoded(&role.trust),
        "Description": role.description,
        "MaxSessionDuration": role.max_session,
        "PermissionsBoundary": boundary(&role.grants),
        "Tags": (!role.tags.is_empty()).then_some(&role.tags),
    })
}

/// Describes when a role was used last. Empty if it was never used.
pub fn last_used(request: &Request, role: &Role) -> Reply {
    Ok(match request.service.last_used(&role.id)? {
        Some(used) => json!({"LastUsedDate": written(used.time), "Region": used.region}),
        None => json!({}),
    })
}

/// Describes a permissions boundary, if there is one.
pub fn boundary(grants: &Grants) -> Option<Value> {
    let arn = grants.boundary.as_ref()?;
    Some(json!({"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": arn}))
}

/// Describes a policy that is attached.
pub fn attached(arn: &str) -> Value {
    json!({"PolicyName": policy_name(arn), "PolicyArn": arn})
}

/// Describes an instance profile with its role.
pub fn profile(request: &Request, profile: &InstanceProfile) -> Reply {
    let mut roles = Vec::new();
    for name in &profile.roles {
        roles.extend(request.store().get::<Role>(ROLE, name)?.as_ref().map(role));
    }
    Ok(json!({
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": written(profile.created),
        "Roles": roles,
        "Tags": profile.tags,
    }))
}

/// Describes a policy of the account, without how often it is used.
pub fn policy(policy: &Policy) -> Value {
    json!({
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": format!("v{}", policy.default_version),
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": true,
        "Description": policy.description,
        "CreateDate": written(policy.created),
        "UpdateDate": written(policy.updated),
        "Tags": policy.tags,
    })
}

/// Describes a version of a policy of the account.
pub fn version(policy: &Policy, number: u32, version: &PolicyVersion, with_document: bool) -> Value {
    json!({
        "Document": with_document.then(|| url_encoded(&version.document)),
        "VersionId": format!("v{number}"),
        "IsDefaultVersion": number == policy.default_version,
        "CreateDate": written(version.created),
    })
}

/// Describes an AWS managed policy, without how often it is used.
pub fn aws_policy(policy: &AwsManaged) -> Value {
    let path = policy.arn.strip_prefix("arn:aws:iam::aws:policy").unwrap_or("/");
    let path = &path[..=path.rfind('/').unwrap_or(0)];
    json!({
        "PolicyName": policy_name(&policy.arn),
        "Arn": policy.arn,
        "Path": path,
        "DefaultVersionId": policy.version,
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": true,
        "CreateDate": policy.created,
        "UpdateDate": policy.updated,
        "Tags": [],
    })
}

/// Describes the only version of an AWS managed policy.
pub fn aws_version(policy: &AwsManaged, with_document: bool) -> Value {
    json!({
        "Document": with_document.then(|| url_encoded(policy.document())),
        "VersionId": policy.version,
        "IsDefaultVersion": true,
        "CreateDate": policy.updated,
    })
}
