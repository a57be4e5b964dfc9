//! The tags of users, roles, policies and instance profiles.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::entity::{Entity, change, find};
use super::error::{invalid_input, quota};
use super::request::Request;
use super::stored::Tag;
use crate::call::{AwsError, Reply};

/// The greatest number of tags of one entity.
const LIMIT: usize = 50;

/// Answers TagRole, TagUser and TagInstanceProfile.
pub fn add<E: Entity>(request: &Request) -> Reply {
    let new = request.tags()?;
    change::<E>(request, |entity| {
        let tags = entity.tags();
        *tags = merged(std::mem::take(tags), new)?;
        Ok(())
    })?;
    Ok(Value::Null)
}

/// Answers UntagRole, UntagUser and UntagInstanceProfile.
pub fn remove<E: Entity>(request: &Request) -> Reply {
    let keys = request.texts("TagKeys");
    change::<E>(request, |entity| {
        entity.tags().retain(|tag| !keys.contains(&tag.key.as_str()));
        Ok(())
    })?;
    Ok(Value::Null)
}

/// Answers ListRoleTags, ListUserTags and ListInstanceProfileTags.
pub fn list<E: Entity>(request: &Request) -> Reply {
    let mut entity: E = find(request)?;
    request.page("Tags", entity.tags().iter().map(|tag| (tag.key.clone(), json!(tag))).collect())
}

/// Returns `tags` and `new`. A new tag replaces one with the same key, whatever the case of its letters is.
///
/// # Errors
/// A key is reserved for AWS or comes twice, or there are too many tags.
pub fn merged(mut tags: Vec<Tag>, new: Vec<Tag>) -> Result<Vec<Tag>, AwsError> {
    let keys: HashSet<String> = new.iter().map(|tag| tag.key.to_ascii_lowercase()).collect();
    if keys.len() < new.len() {
        return Err(invalid_input(
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ));
    }
    for tag in new {
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid_input("System tags cannot be added/updated by requester"));
        }
        match tags.iter_mut().find(|each| each.key.eq_ignore_ascii_case(&tag.key)) {
            Some(each) => *each = tag,
            None => tags.push(tag),
        }
    }
    if tags.len() > LIMIT {
        return Err(quota(format!("The number of tags has reached the maximum limit: {LIMIT}")));
    }
    Ok(tags)
}
