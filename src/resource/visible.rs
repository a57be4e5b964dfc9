//! Retries calls with a role that a service cannot assume yet.
//!
//! IAM is eventually consistent: a new role cannot be assumed for some seconds.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>

use super::traits::Report;
use crate::aws::Aws;
use crate::failure::{Failure, Outcome};

/// How many times a call is made: on AWS for about two minutes.
const ATTEMPTS: u32 = 12;

/// Repeats the call until the service can assume the role.
pub async fn until_role_is_known<T>(
    aws: &Aws,
    role: &str,
    progress: Report<'_>,
    mut call: impl AsyncFnMut() -> Outcome<T>,
) -> Outcome<T> {
    for attempt in 0..ATTEMPTS {
        match call().await {
            Err(failure) if is_fresh(&failure) => {
                progress(format!("waiting until {role} can be assumed"), None);
                aws.pause(attempt).await?;
            }
            other => return other,
        }
    }
    call().await
}

/// Whether it is the error for a new role, by SageMaker's and Lambda's messages, or for a new instance profile, by EC2's.
fn is_fresh(failure: &Failure) -> bool {
    match failure.code.as_str() {
        "ValidationException" => failure.message.contains("ould not assume role"),
        "InvalidParameterValueException" => failure.message.contains("cannot be assumed by Lambda"),
        "InvalidParameterValue" => failure.message.contains("Invalid IAM Instance Profile"),
        _ => false,
    }
}
