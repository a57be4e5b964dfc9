//! The operations on aliases, the names of versions. An alias may divide its invocations between two versions.

use serde_json::{Value, json};

use super::errors::{check_revision, conflict, invalid, not_found};
use super::provisioned;
use super::record::{Alias, Function, LATEST};
use super::service::Request;
use super::target::{Target, arn};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::support::id;

fn described(cloud: &Cloud, function: &str, name: &str, alias: &Alias) -> Value {
    let mut answer = json!({
        "AliasArn": arn(cloud, function, Some(name)),
        "Name": name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    });
    if let Some((version, weight)) = &alias.weight {
        answer["RoutingConfig"] = json!({"AdditionalVersionWeights": {version: weight}});
    }
    answer
}

fn no_alias(cloud: &Cloud, target: &Target, name: &str) -> AwsError {
    not_found(format!("Cannot find alias arn: {}", arn(cloud, &target.name, Some(name))))
}

/// Returns the alias after a request. Members that the request lacks stay as they were.
fn changed(
    request: &Request<'_>,
    target: &Target,
    function: &Function,
    before: Option<&Alias>,
) -> Result<Alias, AwsError> {
    let text = |member: &str, before: Option<&String>| {
        request.optional(member).map(str::to_owned).or_else(|| before.cloned()).unwrap_or_default()
    };
    let version = text("FunctionVersion", before.map(|alias| &alias.version));
    check_version(request, target, function, &version)?;
    let weight = weight(request.input(), before)?;
    if let Some((other, _)) = &weight {
        if version == LATEST || other == LATEST {
            return Err(invalid("$LATEST is not supported for an alias pointing to more than 1 version"));
        }
        if version == *other {
            return Err(invalid(format!(
                "Invalid function version {other}. Function version {other} is already included in routing configuration."
            )));
        }
        check_version(request, target, function, other)?;
    }
    Ok(Alias {
        version,
        description: text("Description", before.map(|alias| &alias.description)),
        weight,
        revision: id::uuid(),
    })
}

fn check_version(
    request: &Request<'_>,
    target: &Target,
    function: &Function,
    version: &str,
) -> Result<(), AwsError> {
    function.version(version).map(drop).ok_or_else(|| {
        let arn = arn(&request.service.cloud, &target.name, Some(version));
        not_found(format!("Function not found: {arn}"))
    })
}

/// Returns the second version and its share of the invocations.
fn weight(input: &Value, before: Option<&Alias>) -> Result<Option<(String, f64)>, AwsError> {
    let weights = match &input["RoutingConfig"] {
        Value::Null => return Ok(before.and_then(|alias| alias.weight.clone())),
        routing => routing["AdditionalVersionWeights"].as_object(),
    };
    if weights.is_some_and(|weights| weights.len() > 1) {
        return Err(invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
    }
    let Some((version, weight)) = weights.and_then(|weights| weights.iter().next()) else { return Ok(None) };
    let weight = weight.as_f64().filter(|weight| (0.0..=1.0).contains(weight));
    let weight =
        weight.ok_or_else(|| invalid("The weight of an additional version must be between 0.0 and 1.0."))?;
    Ok(Some((version.clone(), weight)))
}

pub fn create(request: &Request<'_>) -> Reply {
    let (cloud, name) = (&request.service.cloud, request.text("Name"));
    let target = request.target()?;
    // The model's check skips this pattern, since it has a look-ahead.
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !is_word || name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AwsError::validation(format!(
            "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
        )));
    }
    let alias = target.change(cloud, |function| {
        if function.aliases.contains_key(name) {
            return Err(conflict(format!("Alias already exists: {}", arn(cloud, &target.name, Some(name)))));
        }
        let alias = changed(request, &target, function, None)?;
        function.aliases.insert(name.to_owned(), alias.clone());
        Ok(alias)
    })?;
    Ok(described(cloud, &target.name, name, &alias))
}

pub fn get(request: &Request<'_>) -> Reply {
    let (cloud, name) = (&request.service.cloud, request.text("Name"));
    let (target, function) = request.found()?;
    let alias = function.aliases.get(name).ok_or_else(|| no_alias(cloud, &target, name))?;
    Ok(described(cloud, &target.name, name, alias))
}

pub fn update(request: &Request<'_>) -> Reply {
    let (cloud, name) = (&request.service.cloud, request.text("Name"));
    let target = request.target()?;
    let (alias, moved) = target.change(cloud, |function| {
        let before = function.aliases.get(name).cloned().ok_or_else(|| no_alias(cloud, &target, name))?;
        check_revision(request.input(), &before.revision)?;
        let alias = changed(request, &target, function, Some(&before))?;
        let provisioned = function.provisioned.contains_key(name);
        if provisioned && alias.version == LATEST {
            return Err(invalid(provisioned::UNPUBLISHED));
        }
        if provisioned && alias.weight.is_some() {
            return Err(request.unsupported("RoutingConfig of an alias with provisioned concurrency"));
        }
        function.aliases.insert(name.to_owned(), alias.clone());
        let moved = provisioned && alias.version != before.version;
        Ok((alias, moved))
    })?;
    if moved {
        request.service.pools.provision(&target.name, name);
    }
    Ok(described(cloud, &target.name, name, &alias))
}

pub fn delete(request: &Request<'_>) -> Reply {
    let (cloud, name) = (&request.service.cloud, request.text("Name"));
    let target = request.target()?;
    target.change(cloud, |function| {
        // As on AWS, it is no error if there is none.
        function.aliases.remove(name);
        function.provisioned.remove(name);
        function.policies.remove(name);
        function.urls.remove(name);
        Ok(())
    })?;
    request.service.pools.withdraw(&target.name, name);
    Ok(Value::Null)
}

pub fn list(request: &Request<'_>) -> Reply {
    let (target, function) = request.found()?;
    let version = request.optional("FunctionVersion");
    let aliases =
        function.aliases.iter().filter(|(_, alias)| version.is_none_or(|version| alias.version == version));
    let cloud = &request.service.cloud;
    let items = aliases.map(|(name, alias)| described(cloud, &target.name, name, alias)).collect();
    request.page("Aliases", items)
}
