//! The operations that create, describe, change and delete functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::errors::{check_revision, conflict, invalid};
use super::record::{Alias, FUNCTION, Function, LATEST, NUMBER, State, Update, Version, number};
use super::service::{Lambda, Request};
use super::state::check_settled;
use super::target::Target;
use super::{code, settings, tags, versions};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::support::clock::now_ms;
use crate::support::id;

pub async fn create(request: Request<'_>) -> Reply {
    let (service, input) = (request.service, request.input());
    let cloud = &service.cloud;
    let target = request.target()?;
    if target.qualifier.is_some() {
        return Err(invalid("The function name of a new function has no qualifier."));
    }
    let name = &target.name;
    let tags = tags::read(&input["Tags"])?;
    let exists = || conflict(format!("Function already exist: {name}"));
    if cloud.store.get::<Value>(FUNCTION, name)?.is_some() {
        return Err(exists());
    }
    settings::check_supported(&request)?;
    let zip = code::fetch(&*service.objects, &request.call.caller, &input["Code"]).await?;
    let settings = settings::read(&request, name, None)?;
    let code = code::store(cloud, zip).await?;
    let folder = code::folder(cloud, &code.folder);
    let latest = Version {
        number: None,
        settings,
        code,
        modified_ms: now_ms(),
        revision: id::uuid(),
        of: None,
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
        urls: BTreeMap::new(),
        tags,
        last: cloud.store.get(NUMBER, name)?.unwrap_or_default(),
    };
    if request.flag("Publish") {
        versions::add(&mut function, None);
    }
    if !cloud.store.insert(FUNCTION, name, &function)? {
        code::remove(&folder);
        return Err(exists());
    }
    settle(service, name);
    let version = function.published.values().next().unwrap_or(&function.latest);
    // Unlike that of UpdateFunctionCode, this answer has the function's own ARN beside the version's number.
    Ok(service.describe(&function, version, None))
}

/// Sets a new or changed function to Active, once the idle environments of its former version have ended.
pub fn settle(service: &Arc<Lambda>, name: &str) {
    let (service, name) = (Arc::clone(service), name.to_owned());
    tokio::spawn(async move {
        service.pools.retire(&name).await;
        // If this can't be written, the function stays Pending until the server's next start.
        let _ = service.cloud.store.update(FUNCTION, &name, |function: &mut Function| {
            for version in function.published.values_mut().chain([&mut function.latest]) {
                version.state = State::Active;
                version.update = Update::Successful;
            }
            Ok(())
        });
    });
}

fn configuration(request: &Request<'_>, target: &Target, function: &Function) -> Reply {
    let qualifier = target.qualifier.as_deref();
    let version = function.qualified(qualifier).ok_or_else(|| target.not_found(&request.service.cloud))?;
    Ok(request.service.describe(function, version, qualifier))
}

pub fn get_configuration(request: &Request<'_>) -> Reply {
    let (target, function) = request.found()?;
    configuration(request, &target, &function)
}

pub fn get(request: &Request<'_>) -> Reply {
    let service = request.service;
    let (target, function) = request.found()?;
    let mut answer = json!({
        "Configuration": configuration(request, &target, &function)?,
        "Code": {"RepositoryType": "S3"},
    });
    let version = function.qualified(target.qualifier.as_deref());
    if let Some(location) =
        version.and_then(|version| service.downloads.location(&service.cloud, &function.name, version))
    {
        answer["Code"]["Location"] = json!(location);
    }
    if !function.tags.is_empty() {
        answer["Tags"] = json!(function.tags);
    }
    if let Some(reserved) = function.reserved {
        answer["Concurrency"] = json!({"ReservedConcurrentExecutions": reserved});
    }
    Ok(answer)
}

pub fn list(request: &Request<'_>) -> Reply {
    let service = request.service;
    let all_versions = request.text("FunctionVersion") == "ALL";
    let mut items = Vec::new();
    for (_, function) in service.cloud.store.list::<Function>(FUNCTION)? {
        if all_versions {
            items.extend(service.describe_all(&function));
        } else {
            items.push(service.describe(&function, &function.latest, None));
        }
    }
    request.page("Functions", items)
}

fn check_latest(target: &Target) -> Result<(), AwsError> {
    if target.qualifier.as_deref().is_none_or(|qualifier| qualifier == LATEST) {
        return Ok(());
    }
    Err(invalid(
        "This operation is permitted on Lambda functions only. Lambda aliases and versions do not support this operation.",
    ))
}

/// Checks that `$LATEST` can be changed now.
fn check_changeable(request: &Request<'_>, function: &Function) -> Result<(), AwsError> {
    check_settled(&request.service.cloud, function)?;
    check_revision(request.input(), &function.latest.revision)
}

pub async fn update_code(request: Request<'_>) -> Reply {
    let (service, input) = (request.service, request.input());
    let cloud = &service.cloud;
    let (target, function) = request.found()?;
    check_latest(&target)?;
    check_changeable(&request, &function)?;
    let mut settings = function.latest.settings.clone();
    settings.architecture = settings::architecture(input, Some(&settings))?;
    let zip = code::fetch(&*service.objects, &request.call.caller, input).await?;
    let code = code::store(cloud, zip).await?;
    let folder = code::folder(cloud, &code.folder);
    if request.flag("DryRun") {
        code::remove(&folder);
        let latest = Version { settings, code, ..function.latest.clone() };
        return Ok(service.describe(&function, &latest, None));
    }
    let changed = target.change(cloud, |function| {
        check_changeable(&request, function)?;
        function.latest.settings = settings;
        function.latest.code = code;
        begin_update(&mut function.latest);
        Ok(function.clone())
    });
    let changed = changed.inspect_err(|_| code::remove(&folder))?;
    remove_unused(cloud, &changed, &function.code_folders());
    finish_update(&request, &target, &changed)
}

pub fn update_configuration(request: &Request<'_>) -> Reply {
    let (target, function) = request.found()?;
    check_latest(&target)?;
    check_changeable(request, &function)?;
    settings::check_supported(request)?;
    let settings = settings::read(request, &target.name, Some(&function.latest.settings))?;
    let changed = target.change(&request.service.cloud, |function| {
        check_changeable(request, function)?;
        function.latest.settings = settings;
        begin_update(&mut function.latest);
        Ok(function.clone())
    })?;
    finish_update(request, &target, &changed)
}

fn begin_update(version: &mut Version) {
    version.modified_ms = now_ms();
    version.revision = id::uuid();
    version.update = Update::InProgress;
}

/// Answers an update, which may also publish a version.
fn finish_update(request: &Request<'_>, target: &Target, function: &Function) -> Reply {
    let service = request.service;
    let answer = if request.flag("Publish") {
        let (function, number) = target.change(&service.cloud, |function| {
            let number = versions::add(function, None);
            Ok((function.clone(), number))
        })?;
        let version = function.published.get(&number).unwrap_or(&function.latest);
        service.describe(&function, version, Some(&version.name()))
    } else {
        service.describe(function, &function.latest, None)
    };
    settle(service, &target.name);
    Ok(answer)
}

/// Removes the folders that no version of the function uses any more.
fn remove_unused(cloud: &Cloud, function: &Function, folders: &[String]) {
    let used = function.code_folders();
    for folder in folders.iter().filter(|folder| !used.contains(folder)) {
        code::remove(&code::folder(cloud, folder));
    }
}

pub fn delete(request: &Request<'_>) -> Reply {
    let (target, function) = request.found()?;
    match target.qualifier.as_deref() {
        None => delete_function(request.service, &function)?,
        Some(LATEST) => {
            return Err(invalid("$LATEST version cannot be deleted without deleting the function."));
        }
        Some(qualifier) => delete_version(request.service, &target, qualifier, &function)?,
    }
    Ok(Value::Null)
}

fn delete_function(service: &Arc<Lambda>, function: &Function) -> Result<(), AwsError> {
    service.cloud.store.put(NUMBER, &function.name, &function.last)?;
    service.cloud.store.delete(FUNCTION, &function.name)?;
    for qualifier in function.provisioned.keys() {
        service.pools.withdraw(&function.name, qualifier);
    }
    service.host.watched.kill(Some(&function.name));
    let (service, name, folders) = (Arc::clone(service), function.name.clone(), function.code_folders());
    tokio::spawn(async move {
        service.pools.retire(&name).await;
        for folder in folders {
            code::remove(&code::folder(&service.cloud, &folder));
        }
    });
    Ok(())
}

fn delete_version(
    service: &Arc<Lambda>,
    target: &Target,
    qualifier: &str,
    function: &Function,
) -> Result<(), AwsError> {
    let version = number(qualifier).ok_or_else(|| {
        invalid("Deletion of aliases is not currently supported. Use DeleteAlias to delete an alias.")
    })?;
    let changed = target.change(&service.cloud, |function| {
        if !function.published.contains_key(&version) {
            return Err(target.not_found(&service.cloud));
        }
        let uses = |alias: &Alias| {
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
    service.pools.withdraw(&target.name, qualifier);
    let (service, folders) = (Arc::clone(service), function.code_folders());
    tokio::spawn(async move {
        service.pools.retire(&changed.name).await;
        remove_unused(&service.cloud, &changed, &folders);
    });
    Ok(())
}
