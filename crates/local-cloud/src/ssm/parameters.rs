//! GetParameter and GetParameters.

use serde_json::{Value, json};

use super::service::Ssm;
use crate::authority::Access;
use crate::call::{AwsError, Reply};

type Request<'a> = crate::service::Request<'a, Ssm>;

/// When the public parameters were last changed, which is when the images were made.
const MODIFIED: i64 = 1_736_899_200;

pub fn get_one_needs(request: &Request) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.service.arn(request.text("Name")))])
}

pub fn get_one(request: &Request) -> Reply {
    let parameter = request.service.parameter(request.text("Name"));
    Ok(json!({"Parameter": parameter.ok_or_else(|| AwsError::new(400, "ParameterNotFound", ""))?}))
}

pub fn get_several_needs(request: &Request) -> Result<Vec<Access>, AwsError> {
    let names = request.texts("Names").into_iter();
    Ok(names.map(|name| request.on(request.service.arn(name))).collect())
}

pub fn get_several(request: &Request) -> Reply {
    let (mut found, mut lacking) = (Vec::new(), Vec::new());
    for name in request.texts("Names") {
        match request.service.parameter(name) {
            Some(parameter) => found.push(parameter),
            None => lacking.push(name),
        }
    }
    Ok(json!({"Parameters": found, "InvalidParameters": lacking}))
}

impl Ssm {
    /// Returns a parameter's ARN. Parameters under /aws are AWS's own, so their ARNs have no account.
    fn arn(&self, name: &str) -> String {
        if name.starts_with("/aws/") {
            return format!("arn:aws:ssm:{}::parameter{name}", self.cloud.region);
        }
        self.cloud.arn("ssm", &format!("parameter/{}", name.trim_start_matches('/')))
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        let value = self.images.parameter(name)?;
        Some(json!({
            "ARN": self.arn(name),
            "DataType": "text",
            "LastModifiedDate": MODIFIED,
            "Name": name,
            "Type": "String",
            "Value": value,
            "Version": 1,
        }))
    }
}
