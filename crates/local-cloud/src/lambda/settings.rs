//! Reads a function's settings from requests.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::errors::{NOT_ASSUMABLE, invalid};
use super::host::PRINCIPAL;
use super::record::Settings;
use super::service::Request;
use super::{runtime, vpc};
use crate::call::AwsError;

/// The environment variables that Lambda sets (AWS: "Defined runtime environment variables").
const RESERVED: [&str; 18] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];
/// The greatest size of all environment variables together, in bytes.
const MAX_ENVIRONMENT: usize = 4096;

/// Returns the settings after a request. Members that it lacks stay as they were, or have AWS's defaults.
///
/// # Errors
/// Invalid values; a role that the caller may not pass or that Lambda can't assume; unsupported settings.
pub fn read(request: &Request<'_>, name: &str, before: Option<&Settings>) -> Result<Settings, AwsError> {
    let (service, input) = (request.service, request.input());
    let text = |member: &str, before: Option<&String>, default: &str| {
        let given = input[member].as_str().map(str::to_owned);
        given.or_else(|| before.cloned()).unwrap_or_else(|| default.to_owned())
    };
    let number =
        |value: &Value, before: Option<u64>, default: u64| value.as_u64().or(before).unwrap_or(default);
    let environment = match input["Environment"]["Variables"].as_object() {
        Some(variables) => environment(variables)?,
        None => before.map(|before| before.environment.clone()).unwrap_or_default(),
    };
    let vpc = match &input["VpcConfig"] {
        Value::Null => before.and_then(|before| before.vpc.clone()),
        config => vpc::read(&*service.network, config)?,
    };
    let default_group = format!("/aws/lambda/{name}");
    let settings = Settings {
        runtime: text("Runtime", before.map(|b| &b.runtime), ""),
        role: text("Role", before.map(|b| &b.role), ""),
        handler: text("Handler", before.map(|b| &b.handler), ""),
        description: text("Description", before.map(|b| &b.description), ""),
        timeout: number(&input["Timeout"], before.map(|b| b.timeout), 3),
        memory: number(&input["MemorySize"], before.map(|b| b.memory), 128),
        storage: number(&input["EphemeralStorage"]["Size"], before.map(|b| b.storage), 512),
        architecture: architecture(input, before)?,
        environment,
        vpc,
        log_group: match input["LoggingConfig"]["LogGroup"].as_str() {
            Some(group) => group.to_owned(),
            None => before.map_or(default_group, |before| before.log_group.clone()),
        },
    };
    if settings.runtime.is_empty() || settings.handler.is_empty() {
        return Err(invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    }
    runtime::check(&settings.runtime)?;
    let native = native_architecture();
    if settings.runtime.starts_with("provided") && settings.architecture != native {
        let what = format!("{} functions on this machine, which is {native}", settings.architecture);
        return Err(request.unsupported(&what));
    }
    let is_new_role = before.is_none_or(|before| before.role != settings.role);
    if is_new_role {
        let account = settings.role.split(':').nth(4);
        if account.is_some_and(|account| account != service.cloud.account) {
            let message = "Cross-account pass role is not allowed.";
            return Err(AwsError::new(403, "AccessDeniedException", message));
        }
        service.iam.authorize_pass_role(&request.call.caller, &settings.role, PRINCIPAL)?;
    }
    if is_new_role || before.is_none_or(|before| before.vpc != settings.vpc) {
        let session = service
            .host
            .assume_role(&settings.role, name)
            .map_err(|error| if error.code == "AccessDenied" { invalid(NOT_ASSUMABLE) } else { error })?;
        if settings.vpc.is_some() {
            vpc::check_role(&service.host, &session.caller)?;
        }
    }
    Ok(settings)
}

fn native_architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

/// Returns the architecture after a request. UpdateFunctionCode can change it too.
///
/// # Errors
/// There is no such architecture.
pub fn architecture(input: &Value, before: Option<&Settings>) -> Result<String, AwsError> {
    match input["Architectures"][0].as_str() {
        Some(given) if ["x86_64", "arm64"].contains(&given) => Ok(given.to_owned()),
        Some(given) => Err(invalid(format!("Architecture {given} is not supported."))),
        None => Ok(before.map_or("x86_64", |before| before.architecture.as_str()).to_owned()),
    }
}

/// Refuses values that the local cloud doesn't support. Members of which it supports no value are in `members.txt`.
pub fn check_supported(request: &Request<'_>) -> Result<(), AwsError> {
    let input = request.input();
    for (what, is_used) in [
        ("PackageType Image", input["PackageType"] == "Image"),
        ("SnapStart", input["SnapStart"]["ApplyOn"] == "PublishedVersions"),
        ("TracingConfig with Mode Active", input["TracingConfig"]["Mode"] == "Active"),
        ("LoggingConfig with LogFormat JSON", input["LoggingConfig"]["LogFormat"] == "JSON"),
    ] {
        if is_used {
            return Err(request.unsupported(what));
        }
    }
    Ok(())
}

fn environment(variables: &Map<String, Value>) -> Result<BTreeMap<String, String>, AwsError> {
    let reserved: Vec<&str> =
        variables.keys().map(String::as_str).filter(|name| RESERVED.contains(name)).collect();
    if !reserved.is_empty() {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided contains reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: {}",
            reserved.join(", ")
        )));
    }
    let read =
        |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap_or_default().to_owned());
    let variables: BTreeMap<String, String> = variables.iter().map(read).collect();
    if let Some((name, _)) = variables.iter().find(|(_, value)| value.contains('\0')) {
        return Err(invalid(format!("The value of the environment variable {name} has a null character.")));
    }
    let size: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > MAX_ENVIRONMENT {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided exceeded the 4KB limit. String measured: {}",
            serde_json::to_string(&variables).unwrap_or_default()
        )));
    }
    Ok(variables)
}
