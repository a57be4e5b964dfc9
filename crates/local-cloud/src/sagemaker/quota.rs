//! Quotas of the account.

use crate::call::AwsError;
use crate::store::Store;

/// The store's kind of changed quotas.
const QUOTA: &str = "sagemaker.quota";
/// AWS's default for most instance types, on an account that is in use.
const INSTANCES: u64 = 20;

/// Checks that `asked` more instances of a type may run for a usage, such as `training job`.
///
/// # Errors
/// `ResourceLimitExceeded`.
pub fn check_instances(
    store: &Store,
    instance_type: &str,
    usage: &str,
    used: u64,
    asked: u64,
) -> Result<(), AwsError> {
    check(store, "Instances", &format!("{instance_type} for {usage} usage"), INSTANCES, used, asked)
}

/// Checks that `asked` more of something are within a quota, which is given by its name.
///
/// # Errors
/// `ResourceLimitExceeded`, which names the quota.
pub fn check(
    store: &Store,
    unit: &str,
    name: &str,
    default: u64,
    used: u64,
    asked: u64,
) -> Result<(), AwsError> {
    let limit: u64 = store.get(QUOTA, name)?.unwrap_or(default);
    if used.saturating_add(asked) <= limit {
        return Ok(());
    }
    let message = format!(
        "The account-level service limit '{name}' is {limit} {unit}, with current utilization of {used} {unit} and a \
         request delta of {asked} {unit}. Please use AWS Service Quotas to request an increase for this quota."
    );
    Err(AwsError::new(400, "ResourceLimitExceeded", message))
}

/// Sets a quota, by the name in AWS's error: `ml.m5.xlarge for training job usage`.
///
/// # Errors
/// The store's.
pub fn set_quota(store: &Store, name: &str, limit: u64) -> Result<(), AwsError> {
    store.put(QUOTA, name, &limit)
}
