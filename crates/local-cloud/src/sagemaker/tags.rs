//! The tags of resources as they are stored, and as condition keys.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::AwsError;
use crate::policy::Context;
use crate::store::Store;

const TAGS: &str = "sagemaker.tags";
/// AWS's limit for one resource.
const MOST: usize = 50;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    #[serde(rename = "Key")]
    pub key: String,
    #[serde(rename = "Value")]
    pub value: String,
}

/// Returns the tags of a resource.
pub fn of(store: &Store, arn: &str) -> Result<Vec<Tag>, AwsError> {
    Ok(store.get(TAGS, arn)?.unwrap_or_default())
}

/// Adds the tags in an operation's input, if it has any, to those of a resource.
///
/// # Errors
/// A ValidationException: the resource would have more than 50.
pub fn add(store: &Store, arn: &str, input: &Value) -> Result<(), AwsError> {
    let Some(added) = read(input) else { return Ok(()) };
    let mut tags = of(store, arn)?;
    for tag in added {
        tags.retain(|old| old.key != tag.key);
        tags.push(tag);
    }
    if tags.len() > MOST {
        return Err(AwsError::validation("A resource can have at most 50 tags"));
    }
    store.put(TAGS, arn, &tags)
}

/// Removes the tags with these keys.
pub fn remove(store: &Store, arn: &str, keys: &[&str]) -> Result<(), AwsError> {
    let mut tags = of(store, arn)?;
    tags.retain(|tag| !keys.contains(&tag.key.as_str()));
    store.put(TAGS, arn, &tags)
}

/// Removes all tags of a resource that is deleted.
pub fn clear(store: &Store, arn: &str) -> Result<(), AwsError> {
    store.delete(TAGS, arn).map(drop)
}

/// Returns the condition keys of the tags in an operation's input.
pub fn context(input: &Value) -> Context {
    let mut context = Context::new();
    if let Some(tags) = read(input) {
        for tag in &tags {
            context = context.with(&format!("aws:RequestTag/{}", tag.key), &*tag.value);
        }
        context = context.with_list("aws:TagKeys", tags.into_iter().map(|tag| tag.key));
    }
    context
}

fn read(input: &Value) -> Option<Vec<Tag>> {
    Vec::<Tag>::deserialize(input.get("Tags")?).ok()
}
