//! Users.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::grants::{boundary_described, checked_boundary};
use super::keys::keys_of;
use super::model::{Grants, Tag, USER, User, unique_id};
use super::service::{Request, conflict, exists, merged_tags, no_such_entity, texts, written};
use crate::call::{AwsError, Reply};

pub fn create(request: &Request) -> Reply {
    let (name, path) = (request.name("UserName", 64)?, request.path()?);
    let arn = request.arn(&format!("user{path}{name}"));
    request.authorize(&arn)?;
    let user = User {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id("AIDA"),
        arn,
        created: Timestamp::now(),
        tags: merged_tags(Vec::new(), request.tags()?)?,
        grants: Grants { boundary: checked_boundary(request)?, ..Grants::default() },
    };
    if !request.cloud.store.insert(USER, name, &user)? {
        return Err(exists(format!("User with name {name} already exists.")));
    }
    Ok(json!({"User": described(&user, true)}))
}

pub fn get(request: &Request) -> Reply {
    Ok(json!({"User": described(&authorized(request)?, true)}))
}

pub fn list(request: &Request) -> Reply {
    let prefix = request.optional("PathPrefix").unwrap_or("/");
    request.authorize(&request.arn(&format!("user{prefix}")))?;
    let users = request.cloud.store.list::<User>(USER)?.into_iter();
    let users = users.filter(|(_, user)| user.path.starts_with(prefix));
    // As on AWS, only GetUser tells the tags and the boundary.
    request.page("Users", users.map(|(name, user)| (name, described(&user, false))).collect())
}

pub fn delete(request: &Request) -> Reply {
    request.text("UserName")?;
    let user = authorized(request)?;
    if !user.grants.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !user.grants.inline.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    if !keys_of(request.cloud, &user.name)?.is_empty() {
        return Err(conflict("Cannot delete entity, must delete access keys first."));
    }
    request.cloud.store.delete(USER, &user.name)?;
    request.cloud.iam.changed();
    Ok(Value::Null)
}

pub fn tag(request: &Request) -> Reply {
    let (user, new) = (authorized(request)?, request.tags()?);
    change_tags(request, &user, |tags| merged_tags(tags, new))
}

pub fn untag(request: &Request) -> Reply {
    let (user, keys) = (authorized(request)?, texts(request.call.input.get("TagKeys"))?);
    change_tags(request, &user, |mut tags| {
        tags.retain(|tag| !keys.contains(&tag.key));
        Ok(tags)
    })
}

pub fn list_tags(request: &Request) -> Reply {
    let user = authorized(request)?;
    let mut tags: Vec<(String, Value)> = user.tags.iter().map(|tag| (tag.key.clone(), json!(tag))).collect();
    tags.sort_by(|(left, _), (right, _)| left.cmp(right));
    request.page("Tags", tags)
}

/// Nobody here has a device for multi-factor authentication, and none can be made.
pub fn list_mfa_devices(request: &Request) -> Reply {
    authorized(request)?;
    request.page("MFADevices", Vec::new())
}

/// The user that `UserName` names, or without it the caller, once the caller is allowed to do this.
pub fn authorized(request: &Request) -> Result<User, AwsError> {
    let name = match request.optional("UserName") {
        Some(_) => request.name("UserName", 64)?,
        None => request
            .call
            .caller
            .arn
            .rsplit_once("user/")
            .map_or("", |(_, path)| path.rsplit('/').next().unwrap_or(path)),
    };
    let user: Option<User> = request.cloud.store.get(USER, name)?;
    let arn = user.as_ref().map_or_else(|| request.arn(&format!("user/{name}")), |user| user.arn.clone());
    request.authorize(&arn)?;
    user.ok_or_else(|| no_such_user(name))
}

pub fn no_such_user(name: &str) -> AwsError {
    no_such_entity(format!("The user with name {name} cannot be found."))
}

fn change_tags(
    request: &Request,
    user: &User,
    change: impl FnOnce(Vec<Tag>) -> Result<Vec<Tag>, AwsError>,
) -> Reply {
    let changed = request.cloud.store.update(USER, &user.name, |user: &mut User| {
        user.tags = change(std::mem::take(&mut user.tags))?;
        Ok(())
    })?;
    changed.ok_or_else(|| no_such_user(&user.name))?;
    request.cloud.iam.changed();
    Ok(Value::Null)
}

pub fn described(user: &User, whole: bool) -> Value {
    json!({
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": written(user.created),
        "PermissionsBoundary": boundary_described(&user.grants).filter(|_| whole),
        "Tags": (whole && !user.tags.is_empty()).then_some(&user.tags),
    })
}
