//! Retries calls that name what was just made, and that a service does not see yet: a role that it cannot assume, an
//! instance profile, an endpoint config, a model.
//!
//! IAM is eventually consistent: a new role cannot be assumed for some seconds.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>

use std::time::Duration;

use tokio::time::Instant;

use super::traits::Report;
use crate::aws::{Aws, Target};
use crate::failure::{Failure, Outcome};

/// How long a call is repeated. What is wrong in the runbook says the same as what is not visible yet, so this is also how
/// late the user learns of that.
const PATIENCE: Duration = Duration::from_secs(120);
/// The local cloud sees everything at once.
const PATIENCE_LOCAL: Duration = Duration::from_secs(1);

/// Repeats the call until the service sees what it names.
pub async fn until_visible<T>(
    aws: &Aws,
    named: &str,
    progress: Report<'_>,
    mut call: impl AsyncFnMut() -> Outcome<T>,
) -> Outcome<T> {
    let patience = if matches!(aws.target, Target::Local { .. }) { PATIENCE_LOCAL } else { PATIENCE };
    let end = Instant::now() + patience;
    let mut attempt = 0;
    loop {
        match call().await {
            Err(failure) if is_unseen(&failure) && Instant::now() < end => {
                progress(format!("waiting until the service sees {named}"), None);
                aws.pause(attempt).await?;
                attempt += 1;
            }
            other => return other,
        }
    }
}

/// Whether it is the error for what a service does not see yet: a role, by SageMaker's and Lambda's messages, an instance
/// profile, by EC2's, an endpoint config or a model. Model data that is missing is another error.
fn is_unseen(failure: &Failure) -> bool {
    let says = |words: &str| failure.message.contains(words);
    match failure.code.as_str() {
        "ValidationException" => {
            says("ould not assume role")
                || says("ould not find endpoint configuration \"")
                || says("ould not find model \"")
        }
        "InvalidParameterValueException" => says("cannot be assumed by Lambda"),
        "InvalidParameterValue" => says("Invalid IAM Instance Profile"),
        _ => false,
    }
}
