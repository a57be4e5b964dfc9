//! The error with which the function ends.

use lambda_runtime::Diagnostic;

/// Returns an error as Lambda reports it: `errorType` and `errorMessage`.
pub fn error(error_type: impl Into<String>, message: impl Into<String>) -> Diagnostic {
    Diagnostic { error_type: error_type.into(), error_message: message.into() }
}
