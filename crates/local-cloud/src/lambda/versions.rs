//! The operations on versions: copies of `$LATEST` at the time of publishing, which never change.

use super::errors::{check_revision, invalid};
use super::record::{Function, State, Update, Version};
use super::service::Request;
use super::state::check_settled;
use crate::call::{AwsError, Reply};
use crate::support::clock::now_ms;
use crate::support::id;

/// Publishes `$LATEST`, and returns the version's number. If nothing has changed since the last version, it is that
/// one's.
pub fn add(function: &mut Function, description: Option<&str>) -> u64 {
    let latest = &function.latest;
    let mut settings = latest.settings.clone();
    if let Some(description) = description {
        description.clone_into(&mut settings.description);
    }
    // An update is a change, even to the same code.
    let last = function.published.last_key_value();
    if let Some((number, last)) = last
        && *number == function.last
        && last.of.as_ref() == Some(&latest.revision)
    {
        return *number;
    }
    function.last += 1;
    let version = Version {
        number: Some(function.last),
        settings,
        code: latest.code.clone(),
        modified_ms: now_ms(),
        revision: id::uuid(),
        of: Some(latest.revision.clone()),
        state: State::Active,
        update: Update::Successful,
    };
    function.published.insert(function.last, version);
    function.last
}

pub fn publish(request: &Request<'_>) -> Reply {
    let (service, input) = (request.service, request.input());
    let (function, number) = request.target()?.change(&service.cloud, |function| {
        check_settled(&service.cloud, function)?;
        check_revision(input, &function.latest.revision)?;
        check_sha256(request.optional("CodeSha256"), &function.latest.code.sha256)?;
        let number = add(function, request.optional("Description").filter(|text| !text.is_empty()));
        Ok((function.clone(), number))
    })?;
    let version = &function.published[&number];
    Ok(service.describe(&function, version, Some(&version.name())))
}

fn check_sha256(given: Option<&str>, current: &str) -> Result<(), AwsError> {
    match given {
        Some(given) if given != current => Err(invalid(format!(
            "CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with \
             the CodeSHA256 in $LATEST."
        ))),
        _ => Ok(()),
    }
}

pub fn list(request: &Request<'_>) -> Reply {
    let (_, function) = request.found()?;
    request.page("Versions", request.service.describe_all(&function))
}
