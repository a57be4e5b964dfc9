//! The operations on managed policies and their versions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::{conflict, exists, no_such_entity, quota};
use super::id::unique_id;
use super::managed::{AWS_MANAGED, aws_managed};
use super::request::{Request, policy_size, written};
use super::stored::{Grants, POLICY, Policy, PolicyVersion, ROLE, Role, USER, User};
use super::usage::Usage;
use super::{describe, tags};
use crate::call::{AwsError, Reply};

/// The greatest number of characters of a managed policy.
const SIZE_LIMIT: usize = 6144;
const VERSION_LIMIT: usize = 5;

pub fn create(request: &Request) -> Reply {
    let name = request.text("PolicyName");
    let arn = request.new_arn("policy", name);
    let now = Timestamp::now();
    let version = PolicyVersion { document: document(request)?, created: now };
    let policy = Policy {
        name: name.to_owned(),
        path: request.path().to_owned(),
        id: unique_id("ANPA"),
        arn: arn.clone(),
        created: now,
        updated: now,
        description: request.optional("Description").map(str::to_owned),
        default_version: 1,
        versions: BTreeMap::from([(1, version)]),
        next_version: 2,
        tags: tags::merged(Vec::new(), request.tags()?)?,
    };
    // A name can be used only once, whatever the path is.
    let taken = request.store().list::<Policy>(POLICY)?.iter().any(|(_, other)| other.name == name);
    if taken || !request.store().insert(POLICY, &arn, &policy)? {
        return Err(exists(format!(
            "A policy called {name} already exists. Duplicate names are not allowed."
        )));
    }
    let mut created = describe::policy(&policy);
    // As on AWS, only GetPolicy returns a description, and tags if there are none.
    created["Description"] = Value::Null;
    created["Tags"] = json!((!policy.tags.is_empty()).then_some(&policy.tags));
    Ok(json!({"Policy": created}))
}

pub fn get(request: &Request) -> Reply {
    let arn = request.text("PolicyArn");
    let policy = match aws_managed(arn) {
        Some(policy) => describe::aws_policy(policy),
        None => describe::policy(&find(request)?),
    };
    Ok(json!({"Policy": Usage::read(request)?.counted(policy)}))
}

pub fn list(request: &Request) -> Reply {
    let scope = request.optional("Scope").unwrap_or("All");
    let only_attached = request.flag("OnlyAttached");
    let mut policies: Vec<Value> = Vec::new();
    if scope != "Local" {
        policies.extend(AWS_MANAGED.iter().map(describe::aws_policy));
    }
    if scope != "AWS" {
        let own = request.store().list::<Policy>(POLICY)?;
        policies.extend(own.iter().map(|(_, policy)| describe::policy(policy)));
    }
    let usage = Usage::read(request)?;
    let counted = policies.into_iter().map(|policy| usage.counted(policy)).filter(|policy| {
        let path = policy["Path"].as_str().unwrap_or_default();
        path.starts_with(request.path_prefix()) && (!only_attached || policy["AttachmentCount"] != 0)
    });
    let items = counted.map(|mut policy| {
        // As on AWS, only GetPolicy returns these members.
        policy["Description"] = Value::Null;
        policy["Tags"] = Value::Null;
        (policy["Arn"].as_str().unwrap_or_default().to_owned(), policy)
    });
    request.page("Policies", items.collect())
}

pub fn delete(request: &Request) -> Reply {
    let policy = own(request)?;
    if Usage::read(request)?.of(&policy.arn) != (0, 0) {
        return Err(conflict("Cannot delete a policy attached to entities."));
    }
    if policy.versions.len() > 1 {
        return Err(conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's \
             versions. The default version is deleted with the policy.",
        ));
    }
    request.store().delete(POLICY, &policy.arn)?;
    request.service.changed();
    Ok(Value::Null)
}

pub fn tag(request: &Request) -> Reply {
    own(request)?;
    let new = request.tags()?;
    change(request, |policy| {
        policy.tags = tags::merged(std::mem::take(&mut policy.tags), new)?;
        Ok(Value::Null)
    })
}

pub fn untag(request: &Request) -> Reply {
    own(request)?;
    let keys = request.texts("TagKeys");
    change(request, |policy| {
        policy.tags.retain(|tag| !keys.contains(&tag.key.as_str()));
        Ok(Value::Null)
    })
}

pub fn list_tags(request: &Request) -> Reply {
    let tags = match aws_managed(request.text("PolicyArn")) {
        Some(_) => Vec::new(),
        None => find(request)?.tags,
    };
    request.page("Tags", tags.iter().map(|tag| (tag.key.clone(), json!(tag))).collect())
}

pub fn create_version(request: &Request) -> Reply {
    own(request)?;
    let version = PolicyVersion { document: document(request)?, created: Timestamp::now() };
    let set_default = request.flag("SetAsDefault");
    change(request, |policy| {
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
    let (arn, id) = (request.text("PolicyArn"), request.text("VersionId"));
    let missing = || no_such_version(arn, id);
    if let Some(policy) = aws_managed(arn) {
        let version = describe::aws_version(policy, true);
        return (id == policy.version).then(|| json!({"PolicyVersion": version})).ok_or_else(missing);
    }
    let policy = find(request)?;
    let number = version_number(id).ok_or_else(missing)?;
    let version = policy.versions.get(&number).ok_or_else(missing)?;
    Ok(json!({"PolicyVersion": describe::version(&policy, number, version, true)}))
}

pub fn list_versions(request: &Request) -> Reply {
    let versions = match aws_managed(request.text("PolicyArn")) {
        Some(policy) => vec![(policy.version.clone(), describe::aws_version(policy, false))],
        None => {
            let policy = find(request)?;
            let versions = policy.versions.iter();
            versions
                .map(|(n, version)| (format!("{n:09}"), describe::version(&policy, *n, version, false)))
                .collect()
        }
    };
    request.page("Versions", versions)
}

pub fn delete_version(request: &Request) -> Reply {
    own(request)?;
    let id = request.text("VersionId");
    change(request, |policy| {
        let number = version_number(id).ok_or_else(|| no_such_version(&policy.arn, id))?;
        if number == policy.default_version {
            return Err(conflict("Cannot delete the default version of a policy."));
        }
        policy.versions.remove(&number).map(|_| Value::Null).ok_or_else(|| no_such_version(&policy.arn, id))
    })
}

pub fn set_default_version(request: &Request) -> Reply {
    own(request)?;
    let id = request.text("VersionId");
    change(request, |policy| {
        let number = version_number(id).filter(|number| policy.versions.contains_key(number));
        policy.default_version = number.ok_or_else(|| no_such_version(&policy.arn, id))?;
        Ok(Value::Null)
    })
}

/// Returns the document of a managed policy that the input has.
fn document(request: &Request) -> Result<String, AwsError> {
    let document = request.identity_policy("PolicyDocument")?;
    if policy_size(document) > SIZE_LIMIT {
        return Err(quota(format!("Cannot exceed quota for PolicySize: {SIZE_LIMIT}")));
    }
    Ok(document.to_owned())
}

/// Returns the policy of the account that `PolicyArn` names.
fn find(request: &Request) -> Result<Policy, AwsError> {
    let arn = request.text("PolicyArn");
    request.store().get(POLICY, arn)?.ok_or_else(|| no_such_policy(arn))
}

/// Returns the policy that `PolicyArn` names. Refuses AWS's own, which can't be changed.
fn own(request: &Request) -> Result<Policy, AwsError> {
    let arn = request.text("PolicyArn");
    if aws_managed(arn).is_some() {
        let message = format!("{arn} is managed by AWS and cannot be changed.");
        return Err(AwsError::new(403, "AccessDenied", message));
    }
    find(request)
}

/// Changes the policy that `PolicyArn` names. The change takes effect at once.
fn change(request: &Request, change: impl FnOnce(&mut Policy) -> Reply) -> Reply {
    let arn = request.text("PolicyArn");
    let changed = request.store().update(POLICY, arn, |policy: &mut Policy| {
        let answer = change(policy)?;
        policy.updated = Timestamp::now();
        Ok(answer)
    })?;
    request.service.changed();
    changed.ok_or_else(|| no_such_policy(arn))
}

/// Lists the users and roles that have the policy, attached or as a boundary. There are no groups here.
pub fn list_entities(request: &Request) -> Reply {
    let arn = request.text("PolicyArn");
    if request.service.managed_document(arn)?.is_none() {
        return Err(no_such_policy(arn));
    }
    let filter = request.optional("EntityFilter");
    let usage = request.optional("PolicyUsageFilter");
    let has = |grants: &Grants, path: &str| {
        let attached = usage != Some("PermissionsBoundary") && grants.attached.iter().any(|each| each == arn);
        let bounds = usage != Some("PermissionsPolicy") && grants.boundary.as_deref() == Some(arn);
        (attached || bounds) && path.starts_with(request.path_prefix())
    };
    let mut items = Vec::new();
    if filter.is_none_or(|kind| kind == "User") {
        let users = request.store().list::<User>(USER)?.into_iter();
        let users = users.filter(|(_, user)| has(&user.grants, &user.path));
        items.extend(users.map(|(name, user)| {
            (format!("1 {name}"), json!({"PolicyUsers": {"UserName": name, "UserId": user.id}}))
        }));
    }
    if filter.is_none_or(|kind| kind == "Role") {
        let roles = request.store().list::<Role>(ROLE)?.into_iter();
        let roles = roles.filter(|(_, role)| has(&role.grants, &role.path));
        items.extend(roles.map(|(name, role)| {
            (format!("2 {name}"), json!({"PolicyRoles": {"RoleName": name, "RoleId": role.id}}))
        }));
    }
    request.page_of(&["PolicyGroups", "PolicyUsers", "PolicyRoles"], items)
}

fn version_number(id: &str) -> Option<u32> {
    id.strip_prefix('v')?.parse().ok()
}

fn no_such_policy(arn: &str) -> AwsError {
    no_such_entity(format!("Policy {arn} was not found."))
}

fn no_such_version(arn: &str, id: &str) -> AwsError {
    no_such_entity(format!("Policy {arn} version {id} does not exist or is not attachable."))
}
