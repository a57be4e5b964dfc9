//! Calls that hand a role to a service which may not know it yet.
//!
//! IAM is eventually consistent: a new role can't be assumed for some seconds.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>

use super::traits::Report;
use crate::aws::Aws;
use crate::failure::{Failure, Outcome};

/// How often it is tried: on AWS for about two minutes.
const ATTEMPTS: u32 = 12;

/// Makes the call again until the service can assume the role.
pub async fn until_role_is_known<T>(
    aws: &Aws,
    role: &str,
    progress: Report<'_>,
    mut call: impl AsyncFnMut() -> Outcome<T>,
) -> Outcome<T> {
    for asked in 0..ATTEMPTS {
        match call().await {
            Err(failure) if is_fresh(&failure) => {
                progress(format!("waiting until {role} can be assumed"), None);
                tokio::time::sleep(aws.poll_interval(asked)).await;
            }
            other => return other,
        }
    }
    call().await
}

/// SageMaker's and Lambda's words for a role, and EC2's for an instance profile.
fn is_fresh(failure: &Failure) -> bool {
    match failure.code.as_str() {
        "ValidationException" => failure.message.contains("ould not assume role"),
        "InvalidParameterValueException" => failure.message.contains("cannot be assumed by Lambda"),
        "InvalidParameterValue" => failure.message.contains("Invalid IAM Instance Profile"),
        _ => false,
    }
}
