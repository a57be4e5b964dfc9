//! Aliases: names for versions, which may share their invocations between two.

use serde_json::{Value, json};

use super::model::{
    Alias, Function, LATEST, Target, arn, check_revision, conflict, invalid, not_found, number, uuid,
};
use super::{Request, provisioned};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;

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

fn no_alias(target: &Target, cloud: &Cloud, name: &str) -> AwsError {
    not_found(format!("Cannot find alias arn: {}", arn(cloud, &target.name, Some(name))))
}

/// The alias after a call.
fn changed(
    request: &Request,
    target: &Target,
    function: &Function,
    before: Option<&Alias>,
) -> Result<Alias, AwsError> {
    let input = &request.call.input;
    let text = |member: &str, before: Option<&String>| {
        input[member].as_str().map(str::to_owned).or_else(|| before.cloned()).unwrap_or_default()
    };
    let version = text("FunctionVersion", before.map(|alias| &alias.version));
    let exists = |version: &str| {
        function.version(version).map(drop).ok_or_else(|| {
            let arn = arn(request.cloud, &target.name, Some(version));
            not_found(format!("Function not found: {arn}"))
        })
    };
    exists(&version)?;
    let weight = match &input["RoutingConfig"]["AdditionalVersionWeights"] {
        Value::Object(weights) if weights.len() > 1 => {
            return Err(invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
        }
        Value::Object(weights) => {
            weights.iter().next().map(|(version, weight)| (version.clone(), weight.clone()))
        }
        _ if input["RoutingConfig"].is_object() => None,
        _ => before.and_then(|alias| alias.weight.clone()).map(|(version, weight)| (version, json!(weight))),
    };
    let weight = match weight {
        None => None,
        Some((other, weight)) => {
            let weight = weight
                .as_f64()
                .filter(|weight| (0.0..=1.0).contains(weight))
                .ok_or_else(|| invalid("The weight of an additional version must be between 0.0 and 1.0."))?;
            if version == LATEST || other == LATEST {
                return Err(invalid("$LATEST is not supported for an alias pointing to more than 1 version"));
            }
            if version == other {
                return Err(invalid(format!(
                    "Invalid function version {other}. Function version {other} is already included in routing configuration."
                )));
            }
            exists(&other)?;
            Some((other, weight))
        }
    };
    Ok(Alias {
        version,
        description: text("Description", before.map(|alias| &alias.description)),
        weight,
        revision: uuid(),
    })
}

pub fn create(request: &Request) -> Reply {
    let (cloud, name) = (request.cloud, request.text("Name"));
    let target = request.target()?;
    if number(name).is_some() || name.bytes().all(|byte| byte.is_ascii_digit()) {
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

pub fn get(request: &Request) -> Reply {
    let (cloud, name) = (request.cloud, request.text("Name"));
    let target = request.target()?;
    let function = target.function(cloud)?;
    let alias = function.aliases.get(name).ok_or_else(|| no_alias(&target, cloud, name))?;
    Ok(described(cloud, &target.name, name, alias))
}

pub fn update(request: &Request) -> Reply {
    let (cloud, name) = (request.cloud, request.text("Name"));
    let target = request.target()?;
    let (alias, moved) = target.change(cloud, |function| {
        let before = function.aliases.get(name).cloned().ok_or_else(|| no_alias(&target, cloud, name))?;
        check_revision(&request.call.input, &before.revision)?;
        let alias = changed(request, &target, function, Some(&before))?;
        let provisioned = function.provisioned.contains_key(name);
        if provisioned && alias.version == LATEST {
            return Err(invalid(provisioned::UNPUBLISHED));
        }
        if provisioned && alias.weight.is_some() {
            return Err(AwsError::unsupported(
                "Lambda",
                "RoutingConfig of an alias with provisioned concurrency",
            ));
        }
        function.aliases.insert(name.to_owned(), alias.clone());
        let moved = provisioned && alias.version != before.version;
        Ok((alias, moved))
    })?;
    if moved {
        provisioned::provision(cloud, &target.name, name);
    }
    Ok(described(cloud, &target.name, name, &alias))
}

pub fn delete(request: &Request) -> Reply {
    let (cloud, name) = (request.cloud, request.text("Name"));
    let target = request.target()?;
    target.change(cloud, |function| {
        // As on AWS, one that isn't there is deleted, too.
        function.aliases.remove(name);
        function.provisioned.remove(name);
        function.policies.remove(name);
        Ok(())
    })?;
    provisioned::withdraw(cloud, &target.name, name);
    Ok(Value::Null)
}

pub fn list(request: &Request) -> Reply {
    let target = request.target()?;
    let function = target.function(request.cloud)?;
    let wanted = request.call.input["FunctionVersion"].as_str();
    let aliases =
        function.aliases.iter().filter(|(_, alias)| wanted.is_none_or(|wanted| alias.version == wanted));
    let items = aliases.map(|(name, alias)| described(request.cloud, &target.name, name, alias)).collect();
    request.page("Aliases", items)
}
