//! The operations on users.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::entity::{Entity, find};
use super::error::{conflict, exists};
use super::id::unique_id;
use super::request::Request;
use super::stored::{Grants, USER, User};
use super::{describe, grants, tags};
use crate::call::Reply;

pub fn create(request: &Request) -> Reply {
    let name = request.text("UserName");
    let user = User {
        name: name.to_owned(),
        path: request.path().to_owned(),
        id: unique_id("AIDA"),
        arn: request.new_arn(User::KIND, name),
        created: Timestamp::now(),
        tags: tags::merged(Vec::new(), request.tags()?)?,
        grants: Grants { boundary: grants::boundary(request)?, ..Grants::default() },
    };
    if !request.store().insert(USER, name, &user)? {
        return Err(exists(format!("User with name {name} already exists.")));
    }
    Ok(json!({"User": describe::user(&user, true)}))
}

pub fn get(request: &Request) -> Reply {
    Ok(json!({"User": describe::user(&find(request)?, true)}))
}

pub fn list(request: &Request) -> Reply {
    let users = request.store().list::<User>(USER)?.into_iter();
    let users = users.filter(|(_, user)| user.path.starts_with(request.path_prefix()));
    request.page("Users", users.map(|(name, user)| (name, describe::user(&user, false))).collect())
}

pub fn delete(request: &Request) -> Reply {
    let user: User = find(request)?;
    if !user.grants.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !user.grants.inline.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    if !request.service.keys_of(&user.name)?.is_empty() {
        return Err(conflict("Cannot delete entity, must delete access keys first."));
    }
    request.store().delete(USER, &user.name)?;
    request.service.changed();
    Ok(Value::Null)
}

/// Lists no MFA devices, since none can be created here.
pub fn list_mfa_devices(request: &Request) -> Reply {
    find::<User>(request)?;
    request.page("MFADevices", Vec::new())
}
