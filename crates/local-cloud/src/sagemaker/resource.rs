//! What the records of SageMaker's resources share: ARNs, and how inputs become answers.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cloud::Cloud;

/// Returns the ARN of a resource. AWS writes the name in lower case there, whatever it is elsewhere.
pub fn arn(cloud: &Cloud, path: &str, name: &str) -> String {
    cloud.arn("sagemaker", &format!("{path}/{}", name.to_lowercase()))
}

/// Returns a text member of a structure; empty where it is absent.
pub fn text<'a>(structure: &'a Value, member: &str) -> &'a str {
    structure[member].as_str().unwrap_or_default()
}

/// Returns a status as AWS writes it.
pub fn words(status: impl Serialize) -> String {
    json!(status).as_str().unwrap_or_default().to_owned()
}

/// Returns the members of a Create call that its Describe answers unchanged.
pub fn echo(input: &Value, leave_out: &[&str]) -> Map<String, Value> {
    let members = input.as_object().into_iter().flatten();
    members
        .filter(|(name, value)| !leave_out.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
