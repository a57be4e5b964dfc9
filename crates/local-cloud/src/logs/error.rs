//! The errors of CloudWatch Logs, in AWS's words.

use crate::call::AwsError;

pub fn no_group() -> AwsError {
    not_found("The specified log group does not exist.")
}

pub fn no_stream() -> AwsError {
    not_found("The specified log stream does not exist.")
}

fn not_found(message: &str) -> AwsError {
    AwsError::new(400, "ResourceNotFoundException", message)
}

pub fn already_exists(message: &str) -> AwsError {
    AwsError::new(400, "ResourceAlreadyExistsException", message)
}

pub fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterException", message)
}

pub fn invalid_token() -> AwsError {
    invalid("The specified nextToken is invalid.")
}
