//! The operations on instance profiles, by which an EC2 instance gets a role.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::entity::{Entity, change, find};
use super::error::{conflict, exists, quota};
use super::id::unique_id;
use super::request::Request;
use super::stored::{InstanceProfile, PROFILE, Role};
use super::{describe, tags};
use crate::authority::Authority;
use crate::call::Reply;

pub fn create(request: &Request) -> Reply {
    let name = request.text("InstanceProfileName");
    let profile = InstanceProfile {
        name: name.to_owned(),
        path: request.path().to_owned(),
        id: unique_id("AIPA"),
        arn: request.new_arn(InstanceProfile::KIND, name),
        created: Timestamp::now(),
        roles: Vec::new(),
        tags: tags::merged(Vec::new(), request.tags()?)?,
    };
    if !request.store().insert(PROFILE, name, &profile)? {
        return Err(exists(format!("Instance Profile {name} already exists.")));
    }
    Ok(json!({"InstanceProfile": describe::profile(request, &profile)?}))
}

pub fn get(request: &Request) -> Reply {
    Ok(json!({"InstanceProfile": describe::profile(request, &find(request)?)?}))
}

pub fn list(request: &Request) -> Reply {
    listed(request, |profile| profile.path.starts_with(request.path_prefix()))
}

pub fn list_for_role(request: &Request) -> Reply {
    let role: Role = find(request)?;
    listed(request, |profile| profile.roles.contains(&role.name))
}

pub fn delete(request: &Request) -> Reply {
    let profile: InstanceProfile = find(request)?;
    if !profile.roles.is_empty() {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    request.store().delete(PROFILE, &profile.name)?;
    Ok(Value::Null)
}

pub fn add_role(request: &Request) -> Reply {
    find::<InstanceProfile>(request)?;
    let role: Role = find(request)?;
    request.service.authorize_pass_role(&request.call.caller, &role.arn, "ec2.amazonaws.com")?;
    change(request, |profile: &mut InstanceProfile| {
        if !profile.roles.is_empty() {
            return Err(quota("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"));
        }
        profile.roles.push(role.name);
        Ok(())
    })?;
    Ok(Value::Null)
}

pub fn remove_role(request: &Request) -> Reply {
    let role = request.text("RoleName");
    change(request, |profile: &mut InstanceProfile| {
        if !profile.roles.iter().any(|each| each == role) {
            return Err(Role::missing(role));
        }
        profile.roles.retain(|each| each != role);
        Ok(())
    })?;
    Ok(Value::Null)
}

fn listed(request: &Request, wanted: impl Fn(&InstanceProfile) -> bool) -> Reply {
    let mut profiles = Vec::new();
    for (name, profile) in request.store().list::<InstanceProfile>(PROFILE)? {
        if wanted(&profile) {
            profiles.push((name, describe::profile(request, &profile)?));
        }
    }
    request.page("InstanceProfiles", profiles)
}
