//! Checks whether a function can be invoked, and whether it can be changed.

use super::errors::conflict;
use super::record::{Function, State, Update, Version};
use super::target::arn;
use crate::call::AwsError;
use crate::cloud::Cloud;

/// # Errors
/// The function is still being created.
pub fn check_active(version: &Version) -> Result<(), AwsError> {
    if version.state == State::Active {
        return Ok(());
    }
    Err(conflict(
        "The operation cannot be performed at this time. The function is currently in the following state: Pending",
    ))
}

/// # Errors
/// The function is still being created, or an update is in progress.
pub fn check_settled(cloud: &Cloud, function: &Function) -> Result<(), AwsError> {
    check_active(&function.latest)?;
    if function.latest.update == Update::InProgress {
        let arn = arn(cloud, &function.name, None);
        return Err(conflict(format!(
            "The operation cannot be performed at this time. An update is in progress for resource: {arn}"
        )));
    }
    Ok(())
}
