//! Users, as far as one can look at them.

use serde_json::{Value, json};

use super::model::{USER, User};
use super::service::{Request, no_such_entity, written};
use crate::call::Reply;

pub fn get(request: &Request) -> Reply {
    // Without a name: the caller.
    let name = match request.optional("UserName") {
        Some(name) => name,
        None => request.call.caller.arn.rsplit_once("user/").map_or("", |(_, name)| name),
    };
    let user: Option<User> = request.cloud.store.get(USER, name)?;
    let arn = user.as_ref().map_or_else(|| request.arn(&format!("user/{name}")), |user| user.arn.clone());
    request.authorize(&arn)?;
    let user = user.ok_or_else(|| no_such_entity(format!("The user with name {name} cannot be found.")))?;
    Ok(json!({"User": described(&user)}))
}

pub fn list(request: &Request) -> Reply {
    let prefix = request.optional("PathPrefix").unwrap_or("/");
    request.authorize(&request.arn(&format!("user{prefix}")))?;
    let users = request.cloud.store.list::<User>(USER)?.into_iter();
    let users = users.filter(|(_, user)| user.path.starts_with(prefix));
    request.page("Users", users.map(|(name, user)| (name, described(&user))).collect())
}

fn described(user: &User) -> Value {
    json!({
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": written(user.created),
    })
}
