//! Functions: made, described, changed, deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::model::{
    FUNCTION, Function, LATEST, NUMBER, State, Target, Update, Version, check_revision, conflict, described,
    invalid, not_found, now_ms, number, uuid,
};
use super::{Request, code, pool, provisioned, settings, tags, versions};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::iam::Context;

pub async fn create(request: &Request<'_>) -> Reply {
    let (cloud, input) = (request.cloud, &request.call.input);
    let target = request.target()?;
    if target.qualifier.is_some() {
        return Err(invalid("The function name of a new function has no qualifier."));
    }
    let name = &target.name;
    let tags = tags::read(&input["Tags"])?;
    if !tags.is_empty() {
        let arn = target.function_arn(cloud);
        cloud.authorize(&request.call.caller, "lambda:TagResource", &arn, &Context::new())?;
    }
    let exists = || conflict(format!("Function already exist: {name}"));
    if cloud.store.get::<Value>(FUNCTION, name)?.is_some() {
        return Err(exists());
    }
    let settings = settings::read(request, name, None)?;
    let zip = code::fetch(cloud, &request.call.caller, &input["Code"]).await?;
    let code = code::store(cloud, zip).await?;
    let folder = code::folder(cloud, &code.folder);
    let latest = Version {
        number: None,
        settings,
        code,
        modified_ms: now_ms(),
        revision: uuid(),
        state: State::Pending,
        update: Update::Successful,
    };
    let mut function = Function {
        name: name.clone(),
        latest,
        published: BTreeMap::new(),
        aliases: BTreeMap::new(),
        reserved: None,
        provisioned: BTreeMap::new(),
        policies: BTreeMap::new(),
        tags,
        last: cloud.store.get(NUMBER, name)?.unwrap_or_default(),
    };
    let publish = input["Publish"] == true;
    if publish {
        versions::add(&mut function, None);
    }
    if !cloud.store.insert(FUNCTION, name, &function)? {
        code::remove(&folder);
        return Err(exists());
    }
    settle(cloud, name);
    let version = function.published.values().next().unwrap_or(&function.latest);
    let qualifier = publish.then(|| version.name());
    Ok(described(cloud, &function, version, qualifier.as_deref()))
}

/// Brings a new or changed function to rest: environments of what it was are ended, and it is active.
pub fn settle(cloud: &Arc<Cloud>, name: &str) {
    let (cloud, name) = (Arc::clone(cloud), name.to_owned());
    tokio::spawn(async move {
        pool::retire(&cloud, &name).await;
        // What cannot be written now stays pending, and settles at the next start.
        let _ = cloud.store.update(FUNCTION, &name, |function: &mut Function| {
            for version in function.published.values_mut().chain([&mut function.latest]) {
                version.state = State::Active;
                version.update = Update::Successful;
            }
            Ok(())
        });
    });
}

/// The function and the version that a call is about.
fn found(request: &Request) -> Result<(Target, Function), AwsError> {
    let target = request.target()?;
    let function = target.function(request.cloud)?;
    Ok((target, function))
}

pub fn get_configuration(request: &Request) -> Reply {
    let (target, function) = found(request)?;
    let qualifier = target.qualifier.as_deref();
    let version = function.qualified(qualifier).ok_or_else(|| target.not_found(request.cloud))?;
    Ok(described(request.cloud, &function, version, qualifier))
}

pub fn get(request: &Request) -> Reply {
    let (target, function) = found(request)?;
    let qualifier = target.qualifier.as_deref();
    let version = function.qualified(qualifier).ok_or_else(|| target.not_found(request.cloud))?;
    let mut answer = json!({
        "Configuration": described(request.cloud, &function, version, qualifier),
        // There is no Location: nobody else holds the zip.
        "Code": {"RepositoryType": "S3"},
    });
    if !function.tags.is_empty() {
        answer["Tags"] = json!(function.tags);
    }
    if let Some(reserved) = function.reserved {
        answer["Concurrency"] = json!({"ReservedConcurrentExecutions": reserved});
    }
    Ok(answer)
}

pub fn list(request: &Request) -> Reply {
    request.authorize("*")?;
    let all = request.call.input["FunctionVersion"] == "ALL";
    let mut items = Vec::new();
    for (_, function) in request.cloud.store.list::<Function>(FUNCTION)? {
        if all {
            items.extend(versions::described_all(request.cloud, &function));
        } else {
            items.push(described(request.cloud, &function, &function.latest, None));
        }
    }
    request.page("Functions", items)
}

/// # Errors
/// The function is still being made.
pub fn check_active(version: &Version) -> Result<(), AwsError> {
    if version.state == State::Active {
        return Ok(());
    }
    Err(conflict(
        "The operation cannot be performed at this time. The function is currently in the following state: Pending",
    ))
}

/// # Errors
/// An update is on its way, or the function isn't active yet.
pub fn check_settled(request: &Request, function: &Function) -> Result<(), AwsError> {
    check_active(&function.latest)?;
    if function.latest.update == Update::InProgress {
        let arn = super::model::arn(request.cloud, &function.name, None);
        return Err(conflict(format!(
            "The operation cannot be performed at this time. An update is in progress for resource: {arn}"
        )));
    }
    Ok(())
}

fn is_latest(target: &Target) -> Result<(), AwsError> {
    if target.qualifier.as_deref().is_none_or(|qualifier| qualifier == LATEST) {
        return Ok(());
    }
    Err(invalid(
        "This operation is permitted on Lambda functions only. Lambda aliases and versions do not support this operation.",
    ))
}

pub async fn update_code(request: &Request<'_>) -> Reply {
    let (cloud, input) = (request.cloud, &request.call.input);
    let (target, function) = found(request)?;
    is_latest(&target)?;
    check_settled(request, &function)?;
    check_revision(input, &function.latest.revision)?;
    if !input["PublishTo"].is_null() {
        return Err(AwsError::unsupported("Lambda", "PublishTo"));
    }
    let mut settings = function.latest.settings.clone();
    settings.architecture = settings::architecture(input, Some(&settings))?;
    let zip = code::fetch(cloud, &request.call.caller, input).await?;
    let code = code::store(cloud, zip).await?;
    let folder = code::folder(cloud, &code.folder);
    if input["DryRun"] == true {
        code::remove(&folder);
        let latest = Version { settings, code, ..function.latest.clone() };
        return Ok(described(cloud, &function, &latest, None));
    }
    let changed = target.change(cloud, |function| {
        check_settled(request, function)?;
        check_revision(input, &function.latest.revision)?;
        function.latest.settings = settings;
        function.latest.code = code;
        touch(&mut function.latest);
        Ok(function.clone())
    });
    let changed = changed.inspect_err(|_| code::remove(&folder))?;
    remove_unused(cloud, &changed, &function.code_folders());
    settled(request, &target, changed)
}

pub fn update_configuration(request: &Request) -> Reply {
    let (cloud, input) = (request.cloud, &request.call.input);
    let (target, function) = found(request)?;
    is_latest(&target)?;
    check_settled(request, &function)?;
    check_revision(input, &function.latest.revision)?;
    let settings = settings::read(request, &target.name, Some(&function.latest.settings))?;
    let changed = target.change(cloud, |function| {
        check_settled(request, function)?;
        check_revision(input, &function.latest.revision)?;
        function.latest.settings = settings;
        touch(&mut function.latest);
        Ok(function.clone())
    })?;
    settled(request, &target, changed)
}

fn touch(version: &mut Version) {
    version.modified_ms = now_ms();
    version.revision = uuid();
    version.update = Update::InProgress;
}

/// The answer to an update, which may publish what it made.
fn settled(request: &Request, target: &Target, function: Function) -> Reply {
    let cloud = request.cloud;
    let answer = if request.call.input["Publish"] == true {
        let (function, number) = target.change(cloud, |function| {
            let number = versions::add(function, None);
            Ok((function.clone(), number))
        })?;
        let version = function.published.get(&number).unwrap_or(&function.latest);
        described(cloud, &function, version, Some(&version.name()))
    } else {
        described(cloud, &function, &function.latest, None)
    };
    settle(cloud, &target.name);
    Ok(answer)
}

/// Removes what lies in folders that no version uses any more.
fn remove_unused(cloud: &Cloud, function: &Function, folders: &[String]) {
    let used = function.code_folders();
    for folder in folders.iter().filter(|folder| !used.contains(folder)) {
        code::remove(&code::folder(cloud, folder));
    }
}

pub fn delete(request: &Request) -> Reply {
    let cloud = request.cloud;
    let (target, function) = found(request)?;
    let Some(qualifier) = target.qualifier.as_deref() else {
        cloud.store.put(NUMBER, &target.name, &function.last)?;
        cloud.store.delete(FUNCTION, &target.name)?;
        for qualifier in function.provisioned.keys() {
            provisioned::withdraw(cloud, &target.name, qualifier);
        }
        end(cloud, &target.name, function.code_folders());
        return Ok(Value::Null);
    };
    if qualifier == LATEST {
        return Err(invalid("$LATEST version cannot be deleted without deleting the function."));
    }
    let version = number(qualifier).ok_or_else(|| {
        invalid("Deletion of aliases is not currently supported. Use DeleteAlias to delete an alias.")
    })?;
    let changed = target.change(cloud, |function| {
        if !function.published.contains_key(&version) {
            return Err(target.not_found(cloud));
        }
        let uses = |alias: &super::model::Alias| {
            alias.version == qualifier || alias.weight.as_ref().is_some_and(|(other, _)| other == qualifier)
        };
        let aliases: Vec<&str> =
            function.aliases.iter().filter(|(_, alias)| uses(alias)).map(|(name, _)| name.as_str()).collect();
        if !aliases.is_empty() {
            return Err(conflict(format!(
                "Unable to delete version because the following aliases reference it: [{}]",
                aliases.join(", ")
            )));
        }
        function.published.remove(&version);
        function.provisioned.remove(qualifier);
        function.policies.remove(qualifier);
        Ok(function.clone())
    })?;
    provisioned::withdraw(cloud, &target.name, qualifier);
    let folders = function.code_folders();
    let (cloud, name) = (Arc::clone(cloud), target.name);
    tokio::spawn(async move {
        pool::retire(&cloud, &name).await;
        remove_unused(&cloud, &changed, &folders);
    });
    Ok(Value::Null)
}

/// Ends all that runs of a function that is gone.
fn end(cloud: &Arc<Cloud>, name: &str, folders: Vec<String>) {
    cloud.lambda.watched.kill(Some(name));
    let (cloud, name) = (Arc::clone(cloud), name.to_owned());
    tokio::spawn(async move {
        pool::retire(&cloud, &name).await;
        for folder in folders {
            code::remove(&code::folder(&cloud, &folder));
        }
    });
}

/// The function that an ARN names.
pub fn by_arn(request: &Request, arn: &str) -> Result<Target, AwsError> {
    let target = Target::read(request.cloud, &json!({"FunctionName": arn}))?;
    match target.qualifier {
        None => Ok(target),
        Some(_) => Err(not_found(
            "Tags on function aliases and versions are not supported. Please specify function ARN without any qualifiers",
        )),
    }
}
