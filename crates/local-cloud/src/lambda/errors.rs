//! Lambda's errors, in AWS's words.

use serde_json::Value;

use crate::call::AwsError;

/// The message if Lambda may not assume a function's role.
pub const NOT_ASSUMABLE: &str = "The role defined for the function cannot be assumed by Lambda.";
pub const THROTTLED: u16 = 429;

pub fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterValueException", message)
}

pub fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new(404, "ResourceNotFoundException", message)
}

pub fn conflict(message: impl Into<String>) -> AwsError {
    AwsError::new(409, "ResourceConflictException", message)
}

/// Returns the error for a failure that isn't the caller's fault.
pub fn service_failed(message: impl Into<String>) -> AwsError {
    AwsError::new(500, "ServiceException", message)
}

/// Returns the error for an invocation beyond a limit of concurrency, which `reason` names.
pub fn throttled(reason: &str) -> AwsError {
    AwsError::new(THROTTLED, "TooManyRequestsException", "Rate Exceeded.").with("Reason", reason)
}

/// Returns whether the same invocation may succeed later: it was throttled, or the failure isn't the caller's fault.
pub fn is_transient(error: &AwsError) -> bool {
    error.status == THROTTLED || error.status >= 500
}

/// Checks the RevisionId of a request, if it has one.
///
/// # Errors
/// It isn't the newest.
pub fn check_revision(input: &Value, newest: &str) -> Result<(), AwsError> {
    if input["RevisionId"].as_str().is_none_or(|given| given == newest) {
        return Ok(());
    }
    Err(AwsError::new(
        412,
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve \
         the latest Revision Id",
    ))
}
