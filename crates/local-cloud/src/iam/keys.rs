//! The operations on users' access keys.

use serde_json::{Value, json};

use super::access_key::AccessKey;
use super::entity::find;
use super::error::{invalid, no_such_entity, quota};
use super::request::{Request, written};
use super::stored::{KEY, User, UserKey};
use crate::call::{AwsError, Caller, Reply};

/// The greatest number of keys of one user.
const KEY_LIMIT: usize = 2;

pub fn create(request: &Request) -> Reply {
    let user: User = find(request)?;
    if request.service.keys_of(&user.name)?.len() >= KEY_LIMIT {
        return Err(quota(format!("Cannot exceed quota for AccessKeysPerUser: {KEY_LIMIT}")));
    }
    let made = request.service.add_key(&AccessKey::random(), Caller::new(user.arn, user.id))?;
    let mut described = described(&made);
    described["SecretAccessKey"] = json!(made.key.secret_access_key);
    Ok(json!({"AccessKey": described}))
}

pub fn list(request: &Request) -> Reply {
    let user: User = find(request)?;
    let keys = request.service.keys_of(&user.name)?;
    let keys = keys.iter().map(|key| (key.key.access_key_id.clone(), described(key)));
    request.page("AccessKeyMetadata", keys.collect())
}

pub fn update(request: &Request) -> Reply {
    let stored = find_key(request)?;
    let active = match request.text("Status") {
        "Active" => true,
        "Inactive" => false,
        // The model has one more status, which only AWS sets.
        other => return Err(invalid(format!("The status of an access key can't be set to {other}."))),
    };
    let id = &stored.key.access_key_id;
    request.store().update(KEY, id, |key: &mut UserKey| {
        key.active = active;
        Ok(())
    })?;
    if active {
        request.service.accept(&stored.key, stored.caller);
    } else {
        request.service.refuse(id);
    }
    Ok(Value::Null)
}

pub fn delete(request: &Request) -> Reply {
    let stored = find_key(request)?;
    let id = &stored.key.access_key_id;
    request.store().delete(KEY, id)?;
    request.service.refuse(id);
    request.service.forget_use(id)?;
    Ok(Value::Null)
}

pub fn last_used(request: &Request) -> Reply {
    let id = request.text("AccessKeyId");
    let stored: Option<UserKey> = request.store().get(KEY, id)?;
    let stored = stored.ok_or_else(|| no_such_key(id))?;
    let used = match request.service.last_used(id)? {
        Some(used) => {
            json!({"LastUsedDate": written(used.time), "ServiceName": used.service, "Region": used.region})
        }
        None => json!({"ServiceName": "N/A", "Region": "N/A"}),
    };
    Ok(json!({"UserName": stored.user, "AccessKeyLastUsed": used}))
}

/// Returns the key that `AccessKeyId` names, if it is the user's.
fn find_key(request: &Request) -> Result<UserKey, AwsError> {
    let user: User = find(request)?;
    let id = request.text("AccessKeyId");
    let stored: Option<UserKey> = request.store().get(KEY, id)?;
    stored.filter(|key| key.user == user.name).ok_or_else(|| no_such_key(id))
}

fn described(key: &UserKey) -> Value {
    json!({
        "UserName": key.user,
        "AccessKeyId": key.key.access_key_id,
        "Status": if key.active { "Active" } else { "Inactive" },
        "CreateDate": written(key.created),
    })
}

fn no_such_key(id: &str) -> AwsError {
    no_such_entity(format!("The Access Key with id {id} cannot be found."))
}
