//! The IAM service: which operation is answered where, and what the answers have in common.

use std::sync::Arc;

use jiff::Timestamp;
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};

use super::model::{ROLE, Role, Tag};
use super::{account, grants, keys, policies, profiles, roles, simulate, users};
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::protocol::query;

pub const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

/// Answers one operation.
pub fn call(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let request = Request { cloud, call };
    match call.operation.as_str() {
        "CreateRole" => roles::create(&request),
        "GetRole" => roles::get(&request),
        "ListRoles" => roles::list(&request),
        "UpdateRole" => roles::update(&request),
        "UpdateAssumeRolePolicy" => roles::update_trust(&request),
        "DeleteRole" => roles::delete(&request),
        "TagRole" => roles::tag(&request),
        "UntagRole" => roles::untag(&request),
        "ListRoleTags" => roles::list_tags(&request),
        "CreateUser" => users::create(&request),
        "DeleteUser" => users::delete(&request),
        "TagUser" => users::tag(&request),
        "UntagUser" => users::untag(&request),
        "ListUserTags" => users::list_tags(&request),
        "ListMFADevices" => users::list_mfa_devices(&request),
        "CreateAccessKey" => keys::create(&request),
        "ListAccessKeys" => keys::list(&request),
        "UpdateAccessKey" => keys::update(&request),
        "DeleteAccessKey" => keys::delete(&request),
        "GetAccessKeyLastUsed" => keys::last_used(&request),
        "GetAccountSummary" => account::summary(&request),
        "GetAccountAuthorizationDetails" => account::authorization_details(&request),
        "GenerateCredentialReport" => account::generate_report(&request),
        "GetCredentialReport" => account::report(&request),
        "SimulatePrincipalPolicy" => simulate::principal(&request),
        "SimulateCustomPolicy" => simulate::custom(&request),
        "GetUser" => users::get(&request),
        "ListUsers" => users::list(&request),
        "PutRolePolicy" | "PutUserPolicy" => grants::put(&request),
        "GetRolePolicy" | "GetUserPolicy" => grants::get(&request),
        "DeleteRolePolicy" | "DeleteUserPolicy" => grants::delete(&request),
        "ListRolePolicies" | "ListUserPolicies" => grants::list(&request),
        "AttachRolePolicy" | "AttachUserPolicy" => grants::attach(&request),
        "DetachRolePolicy" | "DetachUserPolicy" => grants::detach(&request),
        "ListAttachedRolePolicies" | "ListAttachedUserPolicies" => grants::list_attached(&request),
        "PutRolePermissionsBoundary" | "PutUserPermissionsBoundary" => grants::put_boundary(&request),
        "DeleteRolePermissionsBoundary" | "DeleteUserPermissionsBoundary" => {
            grants::delete_boundary(&request)
        }
        "ListEntitiesForPolicy" => policies::list_entities(&request),
        "CreatePolicy" => policies::create(&request),
        "GetPolicy" => policies::get(&request),
        "ListPolicies" => policies::list(&request),
        "DeletePolicy" => policies::delete(&request),
        "CreatePolicyVersion" => policies::create_version(&request),
        "GetPolicyVersion" => policies::get_version(&request),
        "ListPolicyVersions" => policies::list_versions(&request),
        "DeletePolicyVersion" => policies::delete_version(&request),
        "SetDefaultPolicyVersion" => policies::set_default_version(&request),
        "CreateInstanceProfile" => profiles::create(&request),
        "GetInstanceProfile" => profiles::get(&request),
        "ListInstanceProfiles" => profiles::list(&request),
        "ListInstanceProfilesForRole" => profiles::list_for_role(&request),
        "ListInstanceProfileTags" => profiles::list_tags(&request),
        "DeleteInstanceProfile" => profiles::delete(&request),
        "AddRoleToInstanceProfile" => profiles::add_role(&request),
        "RemoveRoleFromInstanceProfile" => profiles::remove_role(&request),
        _ => Err(call.unsupported("IAM")),
    }
}

/// One operation, with what reads its input and authorises it.
pub struct Request<'a> {
    pub cloud: &'a Cloud,
    pub call: &'a Call,
}

impl Request<'_> {
    /// A member that must be there.
    pub fn text(&self, member: &str) -> Result<&str, AwsError> {
        self.optional(member).ok_or_else(|| {
            invalid(format!(
                "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
                lower_camel(member)
            ))
        })
    }

    pub fn optional(&self, member: &str) -> Option<&str> {
        self.call.input.get(member).and_then(Value::as_str)
    }

    /// A name of letters, digits and `+=,.@_-`.
    pub fn name(&self, member: &str, longest: usize) -> Result<&str, AwsError> {
        let name = self.text(member)?;
        let path = lower_camel(member);
        if name.is_empty() || name.len() > longest {
            let bound = if name.is_empty() { ("greater", 1) } else { ("less", longest) };
            return Err(invalid(format!(
                "1 validation error detected: Value '{name}' at '{path}' failed to satisfy constraint: Member must \
                 have length {} than or equal to {}",
                bound.0, bound.1
            )));
        }
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c)) {
            return Err(invalid(format!(
                "The specified value for {path} is invalid. It must contain only alphanumeric characters and/or the \
                 following: +=,.@_-"
            )));
        }
        Ok(name)
    }

    /// `/` unless told.
    pub fn path(&self) -> Result<&str, AwsError> {
        let path = self.optional("Path").unwrap_or("/");
        let framed = path == "/" || (path.len() > 2 && path.starts_with('/') && path.ends_with('/'));
        if !framed || path.len() > 512 || !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(invalid(
                "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
                 characters and/or / characters.",
            ));
        }
        Ok(path)
    }

    pub fn number(&self, member: &str) -> Result<Option<u32>, AwsError> {
        let value = self.call.input.get(member).cloned().unwrap_or_default();
        query::number(value).map_err(|error| invalid(error.to_string()))
    }

    pub fn boolean(&self, member: &str) -> Result<bool, AwsError> {
        let value = self.call.input.get(member).cloned().unwrap_or_default();
        query::boolean(value).map_err(|error| invalid(error.to_string()))
    }

    pub fn tags(&self) -> Result<Vec<Tag>, AwsError> {
        let value = self.call.input.get("Tags").cloned().unwrap_or_default();
        query::list(value).map_err(|error| invalid(error.to_string()))
    }

    /// The account's ARN of `role/PATH/NAME` and the like.
    pub fn arn(&self, resource: &str) -> String {
        format!("arn:aws:iam::{}:{resource}", self.cloud.account)
    }

    /// Whether the caller may do this operation on `resource`.
    pub fn authorize(&self, resource: &str) -> Result<(), AwsError> {
        self.authorize_in(resource, &super::Context::new())
    }

    pub fn authorize_in(&self, resource: &str, context: &super::Context) -> Result<(), AwsError> {
        let action = format!("iam:{}", self.call.operation);
        self.cloud.authorize(&self.call.caller, &action, resource, context)
    }

    /// The role that `RoleName` names, once the caller is allowed to do this to it.
    pub fn authorized_role(&self) -> Result<Role, AwsError> {
        let name = self.name("RoleName", 64)?;
        let role: Option<Role> = self.cloud.store.get(ROLE, name)?;
        let arn = role.as_ref().map_or_else(|| self.arn(&format!("role/{name}")), |role| role.arn.clone());
        self.authorize(&arn)?;
        role.ok_or_else(|| no_such_role(name))
    }

    /// The page of `items` (each with the key it is sorted by) that `Marker` and `MaxItems` ask for.
    pub fn page(&self, member: &str, items: Vec<(String, Value)>) -> Reply {
        let size = self.number("MaxItems")?.unwrap_or(100);
        if !(1..=1000).contains(&size) {
            return Err(invalid(format!(
                "1 validation error detected: Value '{size}' at 'maxItems' failed to satisfy constraint: Member must \
                 have value between 1 and 1000"
            )));
        }
        let after = match self.optional("Marker") {
            Some(marker) => {
                let key = hex::decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                Some(key.ok_or_else(|| invalid(format!("Invalid Marker: {marker}")))?)
            }
            None => None,
        };
        let mut rest =
            items.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after)).peekable();
        let mut page = Vec::new();
        let mut last = String::new();
        while page.len() < size as usize
            && let Some((key, value)) = rest.next()
        {
            page.push(value);
            last = key;
        }
        let marker = rest.peek().map(|_| hex::encode(last));
        Ok(json!({member: page, "IsTruncated": marker.is_some(), "Marker": marker}))
    }

    /// A page of items of several lists: each is an object with the name of its list as the only member.
    pub fn page_of(&self, lists: &[&str], mut items: Vec<(String, Value)>) -> Reply {
        items.sort_by(|(left, _), (right, _)| left.cmp(right));
        let mut page = self.page("Items", items)?;
        let mut answer = json!({"IsTruncated": page["IsTruncated"], "Marker": page["Marker"]});
        for list in lists {
            let items = page["Items"].as_array_mut().into_iter().flatten();
            answer[*list] = items.filter_map(|item| Some(item.get_mut(*list)?.take())).collect();
        }
        Ok(answer)
    }
}

/// The tags with `new` among them; an existing key is overwritten.
pub fn merged_tags(mut tags: Vec<Tag>, new: Vec<Tag>) -> Result<Vec<Tag>, AwsError> {
    for tag in new {
        if tag.key.is_empty() || tag.key.chars().count() > 128 || tag.value.chars().count() > 256 {
            return Err(invalid(format!(
                "Tag '{}': keys have 1 to 128 characters, values at most 256.",
                tag.key
            )));
        }
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(AwsError::new(
                400,
                "InvalidInput",
                "System tags cannot be added/updated by requester",
            ));
        }
        match tags.iter_mut().find(|each| each.key == tag.key) {
            Some(each) => each.value = tag.value,
            None => tags.push(tag),
        }
    }
    if tags.len() > 50 {
        return Err(quota("The number of tags has reached the maximum limit: 50"));
    }
    Ok(tags)
}

/// Members of the input that are a list of texts.
pub fn texts(value: Option<&Value>) -> Result<Vec<String>, AwsError> {
    query::list(value.cloned().unwrap_or_default()).map_err(|error| invalid(error.to_string()))
}

/// As IAM's answers write a time.
pub fn written(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As IAM's answers write a policy document.
pub fn url_encoded(document: &str) -> String {
    utf8_percent_encode(document, crate::sigv4::ENCODED).to_string()
}

/// Characters that count against a policy's size: whitespace does not.
pub fn policy_size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

pub fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "ValidationError", message)
}

pub fn malformed(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "MalformedPolicyDocument", message)
}

pub fn no_such_entity(message: impl Into<String>) -> AwsError {
    AwsError::new(404, "NoSuchEntity", message)
}

pub fn no_such_role(name: &str) -> AwsError {
    no_such_entity(format!("The role with name {name} cannot be found."))
}

pub fn exists(message: impl Into<String>) -> AwsError {
    AwsError::new(409, "EntityAlreadyExists", message)
}

pub fn conflict(message: impl Into<String>) -> AwsError {
    AwsError::new(409, "DeleteConflict", message)
}

pub fn quota(message: impl Into<String>) -> AwsError {
    AwsError::new(409, "LimitExceeded", message)
}

/// `RoleName` as AWS's validation messages have it.
fn lower_camel(member: &str) -> String {
    let mut chars = member.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}
