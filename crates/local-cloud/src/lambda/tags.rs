//! Tags of functions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::errors::{invalid, not_found};
use super::service::Request;
use super::target::Target;
use crate::call::{AwsError, Reply};

/// AWS's limit for one function.
const MOST: usize = 50;

/// Reads the tags of a request.
///
/// # Errors
/// There are too many; a key or a value that is too long or reserved.
pub fn read(tags: &Value) -> Result<BTreeMap<String, String>, AwsError> {
    let mut read = BTreeMap::new();
    for (key, value) in tags.as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        if key.is_empty()
            || key.chars().count() > 128
            || value.chars().count() > 256
            || key.starts_with("aws:")
        {
            return Err(invalid(format!(
                "The tag '{key}' is not valid: a key has 1 to 128 characters and does not begin with aws:, a value has 256 at most."
            )));
        }
        read.insert(key.clone(), value.to_owned());
    }
    check_count(&read)?;
    Ok(read)
}

fn check_count(tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
    if tags.len() <= MOST {
        return Ok(());
    }
    Err(invalid(format!("The number of tags exceeds the limit of {MOST}.")))
}

/// Returns the function that a request about tags names by its ARN.
///
/// # Errors
/// It isn't a function's ARN, or it has a qualifier.
pub fn tagged(request: &Request<'_>) -> Result<Target, AwsError> {
    let target = Target::parse(&request.service.cloud, request.text("Resource"), None)?;
    match target.qualifier {
        None => Ok(target),
        Some(_) => Err(not_found(
            "Tags on function aliases and versions are not supported. Please specify function ARN without any qualifiers",
        )),
    }
}

pub fn tag(request: &Request<'_>) -> Reply {
    let new = read(&request.input()["Tags"])?;
    tagged(request)?.change(&request.service.cloud, |function| {
        function.tags.extend(new);
        check_count(&function.tags)?;
        Ok(Value::Null)
    })
}

pub fn untag(request: &Request<'_>) -> Reply {
    let keys = request.texts("TagKeys");
    tagged(request)?.change(&request.service.cloud, |function| {
        function.tags.retain(|key, _| !keys.contains(&key.as_str()));
        Ok(Value::Null)
    })
}

pub fn list(request: &Request<'_>) -> Reply {
    Ok(json!({"Tags": tagged(request)?.function(&request.service.cloud)?.tags}))
}
