//! Functions for all of SageMaker's resources: ARNs, and the conversion of inputs to answers.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cloud::Cloud;

/// Returns the ARN of a resource. As on AWS, the name in it is in lower case.
pub fn arn(cloud: &Cloud, path: &str, name: &str) -> String {
    cloud.arn("sagemaker", &format!("{path}/{}", name.to_lowercase()))
}

/// Returns a text member of a structure. It is empty if the member is absent.
pub fn text<'a>(structure: &'a Value, member: &str) -> &'a str {
    structure[member].as_str().unwrap_or_default()
}

/// Returns a status as AWS writes it.
pub fn words(status: impl Serialize) -> String {
    json!(status).as_str().unwrap_or_default().to_owned()
}

/// Returns the members of a Create call that Describe returns unchanged.
pub fn echo(input: &Value, leave_out: &[&str]) -> Map<String, Value> {
    let members = input.as_object().into_iter().flatten();
    members
        .filter(|(name, value)| !leave_out.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
