//! What is kept of a function: one record, so that every change of it is one step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::AwsError;
use crate::cloud::Cloud;

/// Of a [`Function`], by name.
pub const FUNCTION: &str = "lambda.function";
/// The last version number of a deleted function, by its name: none is used twice, not even by another function of
/// that name.
pub const NUMBER: &str = "lambda.number";
pub const LATEST: &str = "$LATEST";

/// A function with all that belongs to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Function {
    pub name: String,
    pub latest: Version,
    /// By number.
    pub published: BTreeMap<u64, Version>,
    pub aliases: BTreeMap<String, Alias>,
    pub reserved: Option<u64>,
    /// By qualifier: a version's number or an alias.
    pub provisioned: BTreeMap<String, Provisioned>,
    /// By qualifier, the function's own under an empty one.
    pub policies: BTreeMap<String, Policy>,
    pub tags: BTreeMap<String, String>,
    /// The number of the version that was published last.
    pub last: u64,
}

/// `$LATEST`, or a version that doesn't change any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version {
    /// None: `$LATEST`.
    pub number: Option<u64>,
    pub settings: Settings,
    pub code: Code,
    pub modified_ms: i64,
    /// Another one after each change.
    pub revision: String,
    pub state: State,
    pub update: Update,
}

/// What UpdateFunctionConfiguration changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub runtime: String,
    pub role: String,
    pub handler: String,
    pub description: String,
    /// Seconds.
    pub timeout: u64,
    /// MB.
    pub memory: u64,
    /// MB.
    pub storage: u64,
    pub architecture: String,
    pub environment: BTreeMap<String, String>,
    pub vpc: Option<Vpc>,
    pub log_group: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    pub subnets: Vec<String>,
    pub groups: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Code {
    /// Of the zip, in base64.
    pub sha256: String,
    /// Bytes of the zip.
    pub size: u64,
    /// The name of the unpacked zip's folder.
    pub folder: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Pending,
    Active,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Update {
    InProgress,
    Successful,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alias {
    /// `$LATEST` or a number.
    pub version: String,
    pub description: String,
    /// A second version and its share of the invocations.
    pub weight: Option<(String, f64)>,
    pub revision: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Provisioned {
    pub requested: u64,
    pub modified_ms: i64,
}

/// Who may do what with a function, beside what identity policies say.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Policy {
    pub statements: Vec<Value>,
    pub revision: String,
}

impl Version {
    /// `$LATEST` or the number.
    pub fn name(&self) -> String {
        self.number.map_or_else(|| LATEST.to_owned(), |number| number.to_string())
    }
}

impl Function {
    /// `$LATEST` or a version's number, but no alias.
    pub fn version(&self, name: &str) -> Option<&Version> {
        if name == LATEST {
            return Some(&self.latest);
        }
        self.published.get(&number(name)?)
    }

    /// What a qualifier stands for, an alias' first version.
    pub fn qualified(&self, qualifier: Option<&str>) -> Option<&Version> {
        let Some(qualifier) = qualifier else { return Some(&self.latest) };
        let alias = self.aliases.get(qualifier).map(|alias| alias.version.as_str());
        self.version(alias.unwrap_or(qualifier))
    }

    pub fn provisioned_total(&self) -> u64 {
        self.provisioned.values().map(|each| each.requested).sum()
    }

    /// The folders of code that some version uses.
    pub fn code_folders(&self) -> Vec<String> {
        let versions = self.published.values().chain([&self.latest]);
        versions.map(|version| version.code.folder.clone()).collect()
    }
}

/// A version's number; `01` and `+1` are none.
pub fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// A function and perhaps one of its versions or aliases, as a call names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub name: String,
    pub qualifier: Option<String>,
}

impl Target {
    /// Reads `FunctionName` (a name, a partial or a whole ARN, each perhaps with a qualifier) and `Qualifier`.
    pub fn read(cloud: &Cloud, input: &Value) -> Result<Self, AwsError> {
        let text = input["FunctionName"].as_str().unwrap_or_default();
        let unknown = || {
            let message =
                format!("Functions from '{text}' are not reachable in this region ('{}')", cloud.region);
            AwsError::new(404, "ResourceNotFoundException", message)
        };
        let rest = match text.strip_prefix("arn:") {
            Some(_) => text.strip_prefix(&cloud.arn("lambda", "function:")).ok_or_else(unknown)?,
            None => match text.split_once(":function:") {
                Some((account, rest)) if account == cloud.account => rest,
                Some(_) => return Err(unknown()),
                None => text.strip_prefix("function:").unwrap_or(text),
            },
        };
        let (name, derived) = match rest.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (rest, None),
        };
        let given = input["Qualifier"].as_str().filter(|qualifier| !qualifier.is_empty());
        if let (Some(derived), Some(given)) = (derived, given)
            && derived != given
        {
            return Err(invalid(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        if name.chars().count() > 64 {
            return Err(AwsError::validation(format!(
                "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member \
                 must have length less than or equal to 64"
            )));
        }
        Ok(Self { name: name.to_owned(), qualifier: derived.or(given).map(str::to_owned) })
    }

    pub fn arn(&self, cloud: &Cloud) -> String {
        arn(cloud, &self.name, self.qualifier.as_deref())
    }

    /// The ARN of the function, whatever the qualifier.
    pub fn function_arn(&self, cloud: &Cloud) -> String {
        arn(cloud, &self.name, None)
    }

    /// # Errors
    /// AWS's "Function not found".
    pub fn function(&self, cloud: &Cloud) -> Result<Function, AwsError> {
        cloud.store.get(FUNCTION, &self.name)?.ok_or_else(|| self.not_found(cloud))
    }

    pub fn not_found(&self, cloud: &Cloud) -> AwsError {
        not_found(format!("Function not found: {}", self.arn(cloud)))
    }

    /// Changes the function in one step, and answers it as it then is.
    pub fn change<R>(
        &self,
        cloud: &Cloud,
        change: impl FnOnce(&mut Function) -> Result<R, AwsError>,
    ) -> Result<R, AwsError> {
        cloud.store.update(FUNCTION, &self.name, change)?.ok_or_else(|| self.not_found(cloud))
    }
}

pub fn arn(cloud: &Cloud, name: &str, qualifier: Option<&str>) -> String {
    let resource = format!("function:{name}");
    cloud.arn("lambda", &qualifier.map_or(resource.clone(), |qualifier| format!("{resource}:{qualifier}")))
}

/// A version in the shape of AWS's FunctionConfiguration.
pub fn described(cloud: &Cloud, function: &Function, version: &Version, qualifier: Option<&str>) -> Value {
    let settings = &version.settings;
    let vpc = settings.vpc.as_ref().map(|vpc| {
        json!({
            "SubnetIds": vpc.subnets, "SecurityGroupIds": vpc.groups, "VpcId": crate::ec2::vpc_id(cloud),
            "Ipv6AllowedForDualStack": false,
        })
    });
    let mut answer = json!({
        "FunctionName": function.name,
        "FunctionArn": arn(cloud, &function.name, qualifier),
        "Runtime": settings.runtime,
        "Role": settings.role,
        "Handler": settings.handler,
        "CodeSize": version.code.size,
        "Description": settings.description,
        "Timeout": settings.timeout,
        "MemorySize": settings.memory,
        "LastModified": written(version.modified_ms),
        "CodeSha256": version.code.sha256,
        "Version": version.name(),
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": version.revision,
        "State": version.state,
        "LastUpdateStatus": version.update,
        "PackageType": "Zip",
        "Architectures": [settings.architecture],
        "EphemeralStorage": {"Size": settings.storage},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": settings.log_group},
    });
    if version.state == State::Pending {
        answer["StateReason"] = json!("The function is being created.");
        answer["StateReasonCode"] = json!("Creating");
    }
    if let Some(vpc) = vpc {
        answer["VpcConfig"] = vpc;
    }
    if !settings.environment.is_empty() {
        answer["Environment"] = json!({"Variables": settings.environment});
    }
    answer
}

/// `2026-11-21T09:00:00.000+0000`, as Lambda writes a time.
pub fn written(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}

pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A random UUID.
pub fn uuid() -> String {
    let hex = hex::encode(rand::random::<[u8; 16]>());
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

pub fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterValueException", message)
}

pub fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new(404, "ResourceNotFoundException", message)
}

pub fn conflict(message: impl Into<String>) -> AwsError {
    AwsError::new(409, "ResourceConflictException", message)
}

/// A RevisionId that is not the newest.
pub fn check_revision(input: &Value, revision: &str) -> Result<(), AwsError> {
    if input["RevisionId"].as_str().is_none_or(|given| given == revision) {
        return Ok(());
    }
    Err(AwsError::new(
        412,
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve \
         the latest Revision Id",
    ))
}
