//! Managed policies and their versions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::document::Document;
use super::managed::{AWS_MANAGED, AwsManaged, aws_managed, policy_name};
use super::model::{Grants, POLICY, Policy, PolicyVersion, ROLE, Role, USER, User, unique_id};
use super::service::{
    Request, conflict, exists, malformed, merged_tags, no_such_entity, policy_size, quota, url_encoded,
    written,
};
use crate::call::{AwsError, Reply};

/// Characters of a managed policy.
const SIZE_LIMIT: usize = 6144;
const VERSION_LIMIT: usize = 5;

pub fn create(request: &Request) -> Reply {
    let (name, path) = (request.name("PolicyName", 128)?, request.path()?);
    let arn = request.arn(&format!("policy{path}{name}"));
    request.authorize(&arn)?;
    let now = Timestamp::now();
    let version = PolicyVersion { document: checked(request)?, created: now };
    let policy = Policy {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id("ANPA"),
        arn: arn.clone(),
        created: now,
        updated: now,
        description: request.optional("Description").map(str::to_owned),
        default_version: 1,
        versions: BTreeMap::from([(1, version)]),
        next_version: 2,
        tags: merged_tags(Vec::new(), request.tags()?)?,
    };
    // The name is taken whatever the path.
    let taken = request.cloud.store.list::<Policy>(POLICY)?.iter().any(|(_, other)| other.name == name);
    if taken || !request.cloud.store.insert(POLICY, &arn, &policy)? {
        return Err(exists(format!(
            "A policy called {name} already exists. Duplicate names are not allowed."
        )));
    }
    Ok(json!({"Policy": described(&policy)}))
}

pub fn get(request: &Request) -> Reply {
    let arn = request.text("PolicyArn")?;
    request.authorize(arn)?;
    let policy = match aws_managed(arn) {
        Some(policy) => aws_described(policy),
        None => described(&find(request, arn)?),
    };
    Ok(json!({"Policy": counted(request, arn, policy)?}))
}

pub fn list(request: &Request) -> Reply {
    request.authorize("*")?;
    let scope = request.optional("Scope").unwrap_or("All");
    let only_attached = request.boolean("OnlyAttached")?;
    let prefix = request.optional("PathPrefix").unwrap_or("/");
    let mut items = Vec::new();
    if scope != "Local" {
        for policy in AWS_MANAGED.iter() {
            items.push((policy.arn.clone(), counted(request, &policy.arn, aws_described(policy))?));
        }
    }
    if scope != "AWS" {
        for (arn, policy) in request.cloud.store.list::<Policy>(POLICY)? {
            let policy = counted(request, &arn, described(&policy))?;
            items.push((arn, policy));
        }
    }
    items.retain(|(_, item)| {
        let path = item["Path"].as_str().unwrap_or_default();
        path.starts_with(prefix) && (!only_attached || item["AttachmentCount"] != 0)
    });
    items.iter_mut().for_each(|(_, item)| {
        // As on AWS, only GetPolicy tells these.
        item["Description"] = Value::Null;
        item["Tags"] = Value::Null;
    });
    items.sort_by(|(left, _), (right, _)| left.cmp(right));
    request.page("Policies", items)
}

pub fn delete(request: &Request) -> Reply {
    let policy = own(request)?;
    let used = counted(request, &policy.arn, described(&policy))?;
    if used["AttachmentCount"] != 0 || used["PermissionsBoundaryUsageCount"] != 0 {
        return Err(conflict("Cannot delete a policy attached to entities."));
    }
    if policy.versions.len() > 1 {
        return Err(conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's \
             versions. The default version is deleted with the policy.",
        ));
    }
    request.cloud.store.delete(POLICY, &policy.arn)?;
    request.cloud.iam.changed();
    Ok(Value::Null)
}

pub fn create_version(request: &Request) -> Reply {
    let policy = own(request)?;
    let version = PolicyVersion { document: checked(request)?, created: Timestamp::now() };
    let set_default = request.boolean("SetAsDefault")?;
    change(request, &policy.arn, |policy| {
        if policy.versions.len() == VERSION_LIMIT {
            return Err(quota(format!(
                "A managed policy can have up to {VERSION_LIMIT} versions. Before you create a new version, you must \
                 delete an existing version."
            )));
        }
        let number = policy.next_version;
        policy.next_version += 1;
        policy.versions.insert(number, version.clone());
        if set_default {
            policy.default_version = number;
        }
        let created = json!({
            "VersionId": format!("v{number}"),
            "IsDefaultVersion": set_default,
            "CreateDate": written(version.created),
        });
        Ok(json!({"PolicyVersion": created}))
    })
}

pub fn get_version(request: &Request) -> Reply {
    let arn = request.text("PolicyArn")?;
    request.authorize(arn)?;
    let id = request.text("VersionId")?;
    let missing = || no_such_version(arn, id);
    if let Some(policy) = aws_managed(arn) {
        let version = aws_described_version(policy, true);
        return (id == policy.version).then(|| json!({"PolicyVersion": version})).ok_or_else(missing);
    }
    let policy = find(request, arn)?;
    let number = version_number(id).ok_or_else(missing)?;
    let version = policy.versions.get(&number).ok_or_else(missing)?;
    Ok(json!({"PolicyVersion": described_version(&policy, number, version, true)}))
}

pub fn list_versions(request: &Request) -> Reply {
    let arn = request.text("PolicyArn")?;
    request.authorize(arn)?;
    let versions = match aws_managed(arn) {
        Some(policy) => vec![(policy.version.clone(), aws_described_version(policy, false))],
        None => {
            let policy = find(request, arn)?;
            let versions = policy.versions.iter();
            versions
                .map(|(n, version)| (format!("{n:09}"), described_version(&policy, *n, version, false)))
                .collect()
        }
    };
    request.page("Versions", versions)
}

pub fn delete_version(request: &Request) -> Reply {
    let policy = own(request)?;
    let id = request.text("VersionId")?;
    change(request, &policy.arn, |policy| {
        let number = version_number(id).ok_or_else(|| no_such_version(&policy.arn, id))?;
        if number == policy.default_version {
            return Err(conflict("Cannot delete the default version of a policy."));
        }
        policy.versions.remove(&number).map(|_| Value::Null).ok_or_else(|| no_such_version(&policy.arn, id))
    })
}

pub fn set_default_version(request: &Request) -> Reply {
    let policy = own(request)?;
    let id = request.text("VersionId")?;
    change(request, &policy.arn, |policy| {
        let number = version_number(id).filter(|number| policy.versions.contains_key(number));
        policy.default_version = number.ok_or_else(|| no_such_version(&policy.arn, id))?;
        Ok(Value::Null)
    })
}

fn checked(request: &Request) -> Result<String, AwsError> {
    let document = request.text("PolicyDocument")?;
    Document::identity(document).map_err(malformed)?;
    if policy_size(document) > SIZE_LIMIT {
        return Err(quota(format!("Cannot exceed quota for PolicySize: {SIZE_LIMIT}")));
    }
    Ok(document.to_owned())
}

fn find(request: &Request, arn: &str) -> Result<Policy, AwsError> {
    let policy: Option<Policy> = request.cloud.store.get(POLICY, arn)?;
    policy.ok_or_else(|| no_such_entity(format!("Policy {arn} was not found.")))
}

/// A policy that the account may change, and the caller too.
fn own(request: &Request) -> Result<Policy, AwsError> {
    let arn = request.text("PolicyArn")?;
    request.authorize(arn)?;
    if aws_managed(arn).is_some() {
        return Err(AwsError::new(
            403,
            "AccessDenied",
            format!("{arn} is managed by AWS and cannot be changed."),
        ));
    }
    find(request, arn)
}

fn change(request: &Request, arn: &str, change: impl FnOnce(&mut Policy) -> Reply) -> Reply {
    let changed = request.cloud.store.update(POLICY, arn, |policy: &mut Policy| {
        let answer = change(policy)?;
        policy.updated = Timestamp::now();
        Ok(answer)
    })?;
    request.cloud.iam.changed();
    changed.ok_or_else(|| no_such_entity(format!("Policy {arn} was not found.")))
}

/// A described policy with how many users and roles it is attached to, and how many it bounds.
pub fn counted(request: &Request, arn: &str, mut policy: Value) -> Reply {
    let store = &request.cloud.store;
    let roles = store.list::<Role>(ROLE)?.into_iter().map(|(_, role)| role.grants);
    let users = store.list::<User>(USER)?.into_iter().map(|(_, user)| user.grants);
    let all: Vec<Grants> = roles.chain(users).collect();
    let attached = all.iter().filter(|grants| grants.attached.iter().any(|each| each == arn)).count();
    let bounds = all.iter().filter(|grants| grants.boundary.as_deref() == Some(arn)).count();
    policy["AttachmentCount"] = json!(attached);
    policy["PermissionsBoundaryUsageCount"] = json!(bounds);
    Ok(policy)
}

/// Who has the policy, attached or as a boundary. There are no groups here.
pub fn list_entities(request: &Request) -> Reply {
    let arn = request.text("PolicyArn")?;
    request.authorize(arn)?;
    if request.cloud.iam.managed_document(arn)?.is_none() {
        return Err(no_such_entity(format!("Policy {arn} was not found.")));
    }
    let filter = request.optional("EntityFilter");
    let usage = request.optional("PolicyUsageFilter");
    let prefix = request.optional("PathPrefix").unwrap_or("/");
    let has = |grants: &Grants, path: &str| {
        let attached = usage != Some("PermissionsBoundary") && grants.attached.iter().any(|each| each == arn);
        let bounds = usage != Some("PermissionsPolicy") && grants.boundary.as_deref() == Some(arn);
        (attached || bounds) && path.starts_with(prefix)
    };
    let store = &request.cloud.store;
    let mut items = Vec::new();
    if filter.is_none_or(|kind| kind == "User") {
        let users = store.list::<User>(USER)?.into_iter().filter(|(_, user)| has(&user.grants, &user.path));
        items.extend(users.map(|(name, user)| {
            (format!("1 {name}"), json!({"PolicyUsers": {"UserName": name, "UserId": user.id}}))
        }));
    }
    if filter.is_none_or(|kind| kind == "Role") {
        let roles = store.list::<Role>(ROLE)?.into_iter().filter(|(_, role)| has(&role.grants, &role.path));
        items.extend(roles.map(|(name, role)| {
            (format!("2 {name}"), json!({"PolicyRoles": {"RoleName": name, "RoleId": role.id}}))
        }));
    }
    request.page_of(&["PolicyGroups", "PolicyUsers", "PolicyRoles"], items)
}

fn version_number(id: &str) -> Option<u32> {
    id.strip_prefix('v')?.parse().ok()
}

fn no_such_version(arn: &str, id: &str) -> AwsError {
    no_such_entity(format!("Policy {arn} version {id} does not exist or is not attachable."))
}

pub fn described(policy: &Policy) -> Value {
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

pub fn aws_described(policy: &AwsManaged) -> Value {
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

pub fn aws_described_version(policy: &AwsManaged, with_document: bool) -> Value {
    json!({
        "Document": with_document.then(|| url_encoded(policy.document())),
        "VersionId": policy.version,
        "IsDefaultVersion": true,
        "CreateDate": policy.updated,
    })
}

pub fn described_version(
    policy: &Policy,
    number: u32,
    version: &PolicyVersion,
    with_document: bool,
) -> Value {
    json!({
        "Document": with_document.then(|| url_encoded(&version.document)),
        "VersionId": format!("v{number}"),
        "IsDefaultVersion": number == policy.default_version,
        "CreateDate": written(version.created),
    })
}
