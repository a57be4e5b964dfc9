//! The account's limits of concurrency, and how much of them functions take.

use super::errors::invalid;
use super::record::{FUNCTION, Function};
use crate::call::AwsError;
use crate::store::Store;

const QUOTA: &str = "lambda.quota";

/// A quota of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Invocations at once, of all functions: 1000, or 10 on a new account.
    ConcurrentExecutions,
    /// How many of them must stay unreserved: 100, or 10 or 50 on a new account.
    UnreservedMinimum,
}

impl Quota {
    fn name(self) -> &'static str {
        match self {
            Self::ConcurrentExecutions => "Concurrent executions",
            Self::UnreservedMinimum => "Minimum unreserved concurrent executions",
        }
    }

    pub(super) fn limit(self, store: &Store) -> Result<u64, AwsError> {
        let default = match self {
            Self::ConcurrentExecutions => 1000,
            Self::UnreservedMinimum => 100,
        };
        Ok(store.get(QUOTA, self.name())?.unwrap_or(default))
    }
}

/// Sets a quota, for later requests.
///
/// # Errors
/// The store's.
pub fn set_quota(store: &Store, quota: Quota, value: u64) -> Result<(), AwsError> {
    store.put(QUOTA, quota.name(), &value)
}

/// Returns how much of the account's concurrency the functions take: for each, its reserved concurrency, or if it has
/// none, its provisioned concurrency.
pub fn taken<'a>(functions: impl IntoIterator<Item = &'a Function>) -> u64 {
    let of = |function: &Function| function.reserved.unwrap_or_else(|| function.provisioned_total());
    functions.into_iter().map(of).sum()
}

/// Checks that a function may take `wanted`. `parameter` names the request's member in the message.
///
/// # Errors
/// Less than the minimum would stay unreserved; the store's.
pub fn check_left(store: &Store, name: &str, parameter: &str, wanted: u64) -> Result<(), AwsError> {
    let all: Vec<(String, Function)> = store.list(FUNCTION)?;
    let others = taken(all.iter().filter(|(each, _)| each != name).map(|(_, function)| function));
    let limit = Quota::ConcurrentExecutions.limit(store)?;
    let minimum = Quota::UnreservedMinimum.limit(store)?;
    if others.saturating_add(wanted).saturating_add(minimum) <= limit {
        return Ok(());
    }
    Err(invalid(format!(
        "Specified {parameter} for function decreases account's UnreservedConcurrentExecution below its minimum value of \
         [{minimum}]."
    )))
}
