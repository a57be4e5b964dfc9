//! The operations on functions' URLs.

use serde_json::{Value, json};

use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::lambda::errors::{conflict, not_found};
use crate::lambda::record::{FUNCTION, Function, LATEST, Url, number};
use crate::lambda::service::Request;
use crate::lambda::target::{Target, arn};
use crate::support::clock::now_ms;

/// The number of characters in a URL's id.
const ID: usize = 32;

/// Returns the function that a request names, and the alias whose URL it is about. That is empty for the function's own.
///
/// # Errors
/// The qualifier is a version; there is no such function or alias.
fn named(request: &Request<'_>) -> Result<(Target, String), AwsError> {
    let target = request.target()?;
    let qualifier = target.qualifier.clone().unwrap_or_default();
    if qualifier == LATEST || number(&qualifier).is_some() {
        return Err(AwsError::validation(format!(
            "1 validation error detected: Value '{qualifier}' at 'qualifier' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)"
        )));
    }
    let function: Option<Function> = request.service.cloud.store.get(FUNCTION, &target.name)?;
    match function {
        Some(function) if qualifier.is_empty() || function.aliases.contains_key(&qualifier) => {
            Ok((target, qualifier))
        }
        _ => Err(not_found("Function does not exist")),
    }
}

fn no_url() -> AwsError {
    not_found("The resource you requested does not exist.")
}

fn check_mode(request: &Request<'_>) -> Result<(), AwsError> {
    match request.optional("InvokeMode") {
        None | Some("BUFFERED") => Ok(()),
        Some(mode) => Err(request.unsupported(&format!("InvokeMode {mode} of a function's URL"))),
    }
}

/// Returns the settings for browsers in a request. None: it has none, or empties them.
fn cors(request: &Request<'_>) -> Option<Value> {
    let cors = &request.input()["Cors"];
    cors.as_object().is_some_and(|cors| !cors.is_empty()).then(|| cors.clone())
}

fn described(cloud: &Cloud, function: &str, qualifier: &str, url: &Url) -> Value {
    let mut answer = json!({
        "FunctionUrl": format!("https://{}.lambda-url.{}.on.aws/", url.id, cloud.region),
        "FunctionArn": arn(cloud, function, Some(qualifier).filter(|qualifier| !qualifier.is_empty())),
        "AuthType": url.auth,
        "CreationTime": time(url.created_ms),
        "LastModifiedTime": time(url.modified_ms),
        "InvokeMode": "BUFFERED",
    });
    if let Some(cors) = &url.cors {
        answer["Cors"] = cors.clone();
    }
    answer
}

fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Returns a random id. AWS's have the same length and alphabet.
fn new_id() -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..ID).map(|_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())])).collect()
}

pub fn create(request: &Request<'_>) -> Reply {
    let cloud = &request.service.cloud;
    check_mode(request)?;
    let (target, qualifier) = named(request)?;
    let now = now_ms();
    let url = Url {
        id: new_id(),
        auth: request.text("AuthType").to_owned(),
        cors: cors(request),
        created_ms: now,
        modified_ms: now,
    };
    target.change(cloud, |function| {
        if function.urls.contains_key(&qualifier) {
            return Err(conflict(format!(
                "Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists \
                 for this Lambda function",
                target.arn(cloud)
            )));
        }
        function.urls.insert(qualifier.clone(), url.clone());
        Ok(())
    })?;
    let mut answer = described(cloud, &target.name, &qualifier, &url);
    if let Some(members) = answer.as_object_mut() {
        members.remove("LastModifiedTime");
    }
    Ok(answer)
}

pub fn get(request: &Request<'_>) -> Reply {
    let cloud = &request.service.cloud;
    let (target, qualifier) = named(request)?;
    let function = target.function(cloud)?;
    let url = function.urls.get(&qualifier).ok_or_else(no_url)?;
    Ok(described(cloud, &target.name, &qualifier, url))
}

pub fn update(request: &Request<'_>) -> Reply {
    let cloud = &request.service.cloud;
    check_mode(request)?;
    let (target, qualifier) = named(request)?;
    let url = target.change(cloud, |function| {
        let url = function.urls.get_mut(&qualifier).ok_or_else(no_url)?;
        if let Some(auth) = request.optional("AuthType") {
            auth.clone_into(&mut url.auth);
        }
        if !request.input()["Cors"].is_null() {
            url.cors = cors(request);
        }
        url.modified_ms = now_ms();
        Ok(url.clone())
    })?;
    Ok(described(cloud, &target.name, &qualifier, &url))
}

pub fn delete(request: &Request<'_>) -> Reply {
    let (target, qualifier) = named(request)?;
    target.change(&request.service.cloud, |function| {
        function.urls.remove(&qualifier).map(|_| Value::Null).ok_or_else(no_url)
    })
}

pub fn list(request: &Request<'_>) -> Reply {
    let cloud = &request.service.cloud;
    let target = request.target()?;
    let function: Option<Function> = cloud.store.get(FUNCTION, &target.name)?;
    let function = function.ok_or_else(|| not_found("Function does not exist"))?;
    let urls = function.urls.iter();
    let items = urls.map(|(qualifier, url)| described(cloud, &target.name, qualifier, url)).collect();
    request.page("FunctionUrlConfigs", items)
}
