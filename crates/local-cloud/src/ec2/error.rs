//! EC2's errors, in EC2's words.

use crate::call::AwsError;
pub use crate::protocol::ec2query::{invalid, missing};

/// Makes an error whose cause is the request.
pub fn error(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(400, code, message)
}

/// Returns the error for a configuration that this cloud can't run, with the reason.
pub fn unsupported(why: &str) -> AwsError {
    let message = format!(
        "The requested configuration is currently not supported. Please check the documentation for supported \
         configurations. (local cloud: {why})"
    );
    error("Unsupported", message)
}

/// Returns the error for a part of an operation that the local cloud lacks.
pub fn lacking(what: &str) -> AwsError {
    AwsError::unsupported("EC2", what)
}
