//! The errors of CloudWatch, in AWS's words.

use crate::call::AwsError;

pub fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterValue", message)
}

pub fn invalid_token() -> AwsError {
    AwsError::new(400, "InvalidNextToken", "The next token specified is invalid.")
}

pub fn invalid_combination(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterCombination", message)
}

/// Returns a `ValidationException`, with the code that it has in the query protocol.
pub fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "ValidationError", message)
}
