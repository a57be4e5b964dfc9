//! Versions: what `$LATEST` was when it was published, for good.

use serde_json::Value;

use super::Request;
use super::functions::check_settled;
use super::model::{
    Function, LATEST, State, Update, Version, check_revision, described, invalid, now_ms, uuid,
};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;

/// Publishes `$LATEST` as it is, and answers the number: the last one's where nothing has changed since.
pub fn add(function: &mut Function, description: Option<&str>) -> u64 {
    let latest = &function.latest;
    let mut settings = latest.settings.clone();
    if let Some(description) = description {
        description.clone_into(&mut settings.description);
    }
    if let Some((number, last)) = function.published.last_key_value() {
        // A description alone makes no version.
        let mut same = last.settings.clone();
        same.description.clone_from(&latest.settings.description);
        if *number == function.last && last.code.sha256 == latest.code.sha256 && same == latest.settings {
            return *number;
        }
    }
    function.last += 1;
    let version = Version {
        number: Some(function.last),
        settings,
        code: latest.code.clone(),
        modified_ms: now_ms(),
        revision: uuid(),
        state: State::Active,
        update: Update::Successful,
    };
    function.published.insert(function.last, version);
    function.last
}

pub fn publish(request: &Request) -> Reply {
    let (cloud, input) = (request.cloud, &request.call.input);
    let target = request.target()?;
    if !input["PublishTo"].is_null() {
        return Err(AwsError::unsupported("Lambda", "PublishTo"));
    }
    let (function, number) = target.change(cloud, |function| {
        check_settled(request, function)?;
        check_revision(input, &function.latest.revision)?;
        let current = &function.latest.code.sha256;
        if let Some(given) = input["CodeSha256"].as_str().filter(|given| given != current) {
            return Err(invalid(format!(
                "CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with \
                 the CodeSHA256 in $LATEST."
            )));
        }
        let number = add(function, input["Description"].as_str().filter(|text| !text.is_empty()));
        Ok((function.clone(), number))
    })?;
    let version = &function.published[&number];
    Ok(described(cloud, &function, version, Some(&version.name())))
}

/// `$LATEST` and all versions.
pub fn described_all(cloud: &Cloud, function: &Function) -> Vec<Value> {
    let published =
        function.published.values().map(|version| described(cloud, function, version, Some(&version.name())));
    [described(cloud, function, &function.latest, Some(LATEST))].into_iter().chain(published).collect()
}

pub fn list(request: &Request) -> Reply {
    let target = request.target()?;
    let function = target.function(request.cloud)?;
    request.page("Versions", described_all(request.cloud, &function))
}
