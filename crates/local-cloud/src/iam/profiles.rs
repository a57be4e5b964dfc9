//! Instance profiles: by which an EC2 instance gets a role.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Iam;
use super::model::{InstanceProfile, PROFILE, ROLE, Role, unique_id};
use super::roles;
use super::service::{Request, conflict, exists, merged_tags, no_such_entity, no_such_role, quota, written};
use crate::call::{AwsError, Reply};

/// What EC2 needs to know of an instance profile.
#[derive(Clone, Debug)]
pub struct ProfileInfo {
    pub name: String,
    pub arn: String,
    /// AIPA…
    pub id: String,
    /// Of its role, if it has one.
    pub role_arn: Option<String>,
}

impl Iam {
    pub fn instance_profile(&self, name: &str) -> Result<Option<ProfileInfo>, AwsError> {
        let Some(profile) = self.store.get::<InstanceProfile>(PROFILE, name)? else { return Ok(None) };
        let role =
            profile.roles.first().map(|role| self.store.get::<Role>(ROLE, role)).transpose()?.flatten();
        let role_arn = role.map(|role| role.arn);
        Ok(Some(ProfileInfo { name: profile.name, arn: profile.arn, id: profile.id, role_arn }))
    }
}

pub fn create(request: &Request) -> Reply {
    let (name, path) = (request.name("InstanceProfileName", 128)?, request.path()?);
    let arn = request.arn(&format!("instance-profile{path}{name}"));
    request.authorize(&arn)?;
    let profile = InstanceProfile {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id("AIPA"),
        arn,
        created: Timestamp::now(),
        roles: Vec::new(),
        tags: merged_tags(Vec::new(), request.tags()?)?,
    };
    if !request.cloud.store.insert(PROFILE, name, &profile)? {
        return Err(exists(format!("Instance Profile {name} already exists.")));
    }
    Ok(json!({"InstanceProfile": described(request, &profile)?}))
}

pub fn get(request: &Request) -> Reply {
    let profile = authorized(request)?;
    Ok(json!({"InstanceProfile": described(request, &profile)?}))
}

pub fn list(request: &Request) -> Reply {
    let prefix = request.optional("PathPrefix").unwrap_or("/");
    request.authorize(&request.arn(&format!("instance-profile{prefix}")))?;
    listed(request, |profile| profile.path.starts_with(prefix))
}

pub fn list_tags(request: &Request) -> Reply {
    let profile = authorized(request)?;
    let mut tags: Vec<(String, Value)> =
        profile.tags.iter().map(|tag| (tag.key.clone(), json!(tag))).collect();
    tags.sort_by(|(left, _), (right, _)| left.cmp(right));
    request.page("Tags", tags)
}

pub fn list_for_role(request: &Request) -> Reply {
    let role = request.authorized_role()?;
    listed(request, |profile| profile.roles.contains(&role.name))
}

pub fn delete(request: &Request) -> Reply {
    let profile = authorized(request)?;
    if !profile.roles.is_empty() {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    request.cloud.store.delete(PROFILE, &profile.name)?;
    Ok(Value::Null)
}

pub fn add_role(request: &Request) -> Reply {
    let profile = authorized(request)?;
    let name = request.name("RoleName", 64)?;
    let role: Role = request.cloud.store.get(ROLE, name)?.ok_or_else(|| no_such_role(name))?;
    request.cloud.authorize_pass_role(&request.call.caller, &role.arn, "ec2.amazonaws.com")?;
    change(request, &profile.name, |profile| {
        if !profile.roles.is_empty() {
            return Err(quota("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"));
        }
        profile.roles.push(role.name);
        Ok(())
    })
}

pub fn remove_role(request: &Request) -> Reply {
    let profile = authorized(request)?;
    let role = request.name("RoleName", 64)?;
    change(request, &profile.name, |profile| {
        if !profile.roles.iter().any(|each| each == role) {
            return Err(no_such_role(role));
        }
        profile.roles.retain(|each| each != role);
        Ok(())
    })
}

fn authorized(request: &Request) -> Result<InstanceProfile, AwsError> {
    let name = request.name("InstanceProfileName", 128)?;
    let profile: Option<InstanceProfile> = request.cloud.store.get(PROFILE, name)?;
    let bare = || request.arn(&format!("instance-profile/{name}"));
    request.authorize(&profile.as_ref().map_or_else(bare, |profile| profile.arn.clone()))?;
    profile.ok_or_else(|| missing(name))
}

fn change(
    request: &Request,
    name: &str,
    change: impl FnOnce(&mut InstanceProfile) -> Result<(), AwsError>,
) -> Reply {
    request.cloud.store.update(PROFILE, name, change)?.ok_or_else(|| missing(name))?;
    Ok(Value::Null)
}

fn missing(name: &str) -> AwsError {
    no_such_entity(format!("Instance Profile {name} cannot be found."))
}

fn listed(request: &Request, wanted: impl Fn(&InstanceProfile) -> bool) -> Reply {
    let mut profiles = Vec::new();
    for (name, profile) in request.cloud.store.list::<InstanceProfile>(PROFILE)? {
        if wanted(&profile) {
            profiles.push((name, described(request, &profile)?));
        }
    }
    request.page("InstanceProfiles", profiles)
}

pub fn described(request: &Request, profile: &InstanceProfile) -> Result<Value, AwsError> {
    let mut held = Vec::new();
    for name in &profile.roles {
        held.extend(request.cloud.store.get::<Role>(ROLE, name)?.map(|role| roles::described(&role)));
    }
    Ok(json!({
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": written(profile.created),
        "Roles": held,
        "Tags": profile.tags,
    }))
}
