//! Tags of functions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Request;
use super::functions::by_arn;
use super::model::{Target, invalid};
use crate::call::{AwsError, Reply};

/// AWS's limit.
const MOST: usize = 50;

/// The tags of a call.
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
    if read.len() > MOST {
        return Err(invalid(format!("The number of tags exceeds the limit of {MOST}.")));
    }
    Ok(read)
}

fn target(request: &Request) -> Result<Target, AwsError> {
    let target = by_arn(request, request.text("Resource"))?;
    request.authorize(&target.function_arn(request.cloud))?;
    Ok(target)
}

pub fn tag(request: &Request) -> Reply {
    let target = target(request)?;
    let new = read(&request.call.input["Tags"])?;
    target.change(request.cloud, |function| {
        function.tags.extend(new);
        if function.tags.len() > MOST {
            return Err(invalid(format!("The number of tags exceeds the limit of {MOST}.")));
        }
        Ok(Value::Null)
    })
}

pub fn untag(request: &Request) -> Reply {
    let target = target(request)?;
    let keys = request.call.input["TagKeys"].as_array().cloned().unwrap_or_default();
    target.change(request.cloud, |function| {
        function.tags.retain(|key, _| !keys.iter().any(|each| each == key));
        Ok(Value::Null)
    })
}

pub fn list(request: &Request) -> Reply {
    let target = target(request)?;
    Ok(json!({"Tags": target.function(request.cloud)?.tags}))
}
