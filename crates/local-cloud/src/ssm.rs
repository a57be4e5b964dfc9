//! Systems Manager: its public parameters, which name the newest machine images.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::ec2;
use crate::iam::Context;

/// The public parameters' time: that of the images.
const MODIFIED: i64 = 1_736_899_200;

pub fn call(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    match call.operation.as_str() {
        "GetParameter" => get_parameter(cloud, call),
        "GetParameters" => get_parameters(cloud, call),
        _ => Err(call.unsupported("SSM")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameter {
    name: String,
}

fn get_parameter(cloud: &Cloud, call: &Call) -> Reply {
    let GetParameter { name } = call.read()?;
    authorize(cloud, call, &name)?;
    let parameter = parameter(cloud, &name).ok_or_else(|| AwsError::new(400, "ParameterNotFound", ""))?;
    Ok(json!({"Parameter": parameter}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameters {
    names: Vec<String>,
}

fn get_parameters(cloud: &Cloud, call: &Call) -> Reply {
    let GetParameters { names } = call.read()?;
    if !(1..=10).contains(&names.len()) {
        return Err(AwsError::validation(
            "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length less \
             than or equal to 10 and greater than or equal to 1",
        ));
    }
    names.iter().try_for_each(|name| authorize(cloud, call, name))?;
    let found: Vec<Value> = names.iter().filter_map(|name| parameter(cloud, name)).collect();
    let lacking: Vec<&String> = names.iter().filter(|name| parameter(cloud, name).is_none()).collect();
    Ok(json!({"Parameters": found, "InvalidParameters": lacking}))
}

/// Parameters under /aws are AWS's own, so their ARNs have no account.
fn arn(cloud: &Cloud, name: &str) -> String {
    if name.starts_with("/aws/") {
        return format!("arn:aws:ssm:{}::parameter{name}", cloud.region);
    }
    cloud.arn("ssm", &format!("parameter/{}", name.trim_start_matches('/')))
}

fn authorize(cloud: &Cloud, call: &Call, name: &str) -> Result<(), AwsError> {
    let action = format!("ssm:{}", call.operation);
    cloud.authorize(&call.caller, &action, &arn(cloud, name), &Context::new())
}

fn parameter(cloud: &Cloud, name: &str) -> Option<Value> {
    let value = ec2::parameter(cloud, name)?;
    Some(json!({
        "ARN": arn(cloud, name),
        "DataType": "text",
        "LastModifiedDate": MODIFIED,
        "Name": name,
        "Type": "String",
        "Value": value,
        "Version": 1,
    }))
}
