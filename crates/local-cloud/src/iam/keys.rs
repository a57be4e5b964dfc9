//! The access keys of users: made, listed, put out of use, deleted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Iam;
use super::credentials::AccessKey;
use super::service::{Request, invalid, no_such_entity, quota, written};
use super::users::{authorized, no_such_user};
use crate::call::{AwsError, Caller, Reply};
use crate::cloud::Cloud;

const KEY: &str = "iam.access-key";
/// Of one user.
const KEY_LIMIT: usize = 2;

/// A stored access key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserKey {
    pub key: AccessKey,
    pub user: String,
    pub caller: Caller,
    pub active: bool,
    pub created: Timestamp,
}

impl Iam {
    /// Makes `key` one of `caller`'s, unless it is there already, perhaps out of use.
    pub fn add_key(&self, key: &AccessKey, caller: Caller) -> Result<(), AwsError> {
        let user = caller.arn.rsplit('/').next().unwrap_or_default().to_owned();
        let new = UserKey { key: key.clone(), user, caller, active: true, created: Timestamp::now() };
        self.store.insert(KEY, &key.access_key_id, &new)?;
        self.load_keys()
    }

    /// Lets the stored keys that are in use sign.
    pub(super) fn load_keys(&self) -> Result<(), AwsError> {
        for (_, stored) in self.store.list::<UserKey>(KEY)? {
            if stored.active {
                self.accept(&stored.key, stored.caller);
            }
        }
        Ok(())
    }
}

/// A user's keys, oldest first.
pub fn keys_of(cloud: &Cloud, user: &str) -> Result<Vec<UserKey>, AwsError> {
    let all = cloud.store.list::<UserKey>(KEY)?.into_iter();
    let mut keys: Vec<UserKey> = all.map(|(_, key)| key).filter(|key| key.user == user).collect();
    keys.sort_by_key(|key| key.created);
    Ok(keys)
}

pub fn create(request: &Request) -> Reply {
    let user = authorized(request)?;
    if keys_of(request.cloud, &user.name)?.len() >= KEY_LIMIT {
        return Err(quota(format!("Cannot exceed quota for AccessKeysPerUser: {KEY_LIMIT}")));
    }
    let key = AccessKey::random();
    request.cloud.iam.add_key(&key, Caller::new(user.arn, user.id))?;
    let made = request.cloud.store.get::<UserKey>(KEY, &key.access_key_id)?;
    let made = made.ok_or_else(|| no_such_user(&user.name))?;
    let mut described = described(&made);
    described["SecretAccessKey"] = json!(key.secret_access_key);
    Ok(json!({"AccessKey": described}))
}

pub fn list(request: &Request) -> Reply {
    let user = authorized(request)?;
    let keys = keys_of(request.cloud, &user.name)?;
    let keys = keys.iter().map(|key| (key.key.access_key_id.clone(), described(key)));
    let mut keys: Vec<(String, Value)> = keys.collect();
    keys.sort_by(|(left, _), (right, _)| left.cmp(right));
    request.page("AccessKeyMetadata", keys)
}

pub fn update(request: &Request) -> Reply {
    let stored = authorized_key(request)?;
    let active = match request.text("Status")? {
        "Active" => true,
        "Inactive" => false,
        other => {
            return Err(invalid(format!(
                "1 validation error detected: Value '{other}' at 'status' failed to satisfy constraint: Member must \
                 satisfy enum value set: [Active, Inactive]"
            )));
        }
    };
    let id = &stored.key.access_key_id;
    request.cloud.store.update(KEY, id, |key: &mut UserKey| {
        key.active = active;
        Ok(())
    })?;
    if active {
        request.cloud.iam.accept(&stored.key, stored.caller);
    } else {
        request.cloud.iam.refuse(id);
    }
    Ok(Value::Null)
}

pub fn delete(request: &Request) -> Reply {
    let stored = authorized_key(request)?;
    let id = &stored.key.access_key_id;
    request.cloud.store.delete(KEY, id)?;
    request.cloud.iam.refuse(id);
    request.cloud.iam.forget_use(id)?;
    Ok(Value::Null)
}

pub fn last_used(request: &Request) -> Reply {
    let id = request.text("AccessKeyId")?;
    let stored: Option<UserKey> = request.cloud.store.get(KEY, id)?;
    let user = stored.as_ref().map_or("*", |key| &key.user);
    request.authorize(&request.arn(&format!("user/{user}")))?;
    let stored = stored.ok_or_else(|| no_such_key(id))?;
    let used = match request.cloud.iam.last_used(id)? {
        Some(used) => {
            json!({"LastUsedDate": written(used.time), "ServiceName": used.service, "Region": used.region})
        }
        None => json!({"ServiceName": "N/A", "Region": "N/A"}),
    };
    Ok(json!({"UserName": stored.user, "AccessKeyLastUsed": used}))
}

/// The key that `AccessKeyId` names, if it is the user's.
fn authorized_key(request: &Request) -> Result<UserKey, AwsError> {
    let user = authorized(request)?;
    let id = request.text("AccessKeyId")?;
    let stored: Option<UserKey> = request.cloud.store.get(KEY, id)?;
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
