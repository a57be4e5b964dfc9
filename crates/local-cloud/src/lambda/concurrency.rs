//! Concurrency: the account's limit, and what is reserved of it.

use serde_json::{Value, json};

use super::Request;
use super::model::{FUNCTION, Function, invalid, not_found};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::store::Store;

const QUOTA: &str = "lambda.quota";

/// A number that AWS sets for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Invocations at once, of all functions: 1000, or 10 on a new account.
    ConcurrentExecutions,
    /// How many of them no function may reserve: 100, or 10 or 50 on a new account.
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

/// Sets a quota, for what is asked from now on.
pub fn set_quota(store: &Store, quota: Quota, value: u64) -> Result<(), AwsError> {
    store.put(QUOTA, quota.name(), &value)
}

/// What is taken from the account's concurrency: reservations, and what is provisioned without one.
pub fn taken<'a>(functions: impl IntoIterator<Item = &'a Function>) -> u64 {
    let of = |function: &Function| function.reserved.unwrap_or_else(|| function.provisioned_total());
    functions.into_iter().map(of).sum()
}

/// Whether a function may take more than before.
///
/// # Errors
/// AWS's, where less than the minimum would be left to the others. `what` is the parameter's name.
pub fn check_left(cloud: &Cloud, name: &str, what: &str, wanted: u64) -> Result<(), AwsError> {
    let all: Vec<(String, Function)> = cloud.store.list(FUNCTION)?;
    let others = taken(all.iter().filter(|(each, _)| each != name).map(|(_, function)| function));
    let limit = Quota::ConcurrentExecutions.limit(&cloud.store)?;
    let minimum = Quota::UnreservedMinimum.limit(&cloud.store)?;
    if others.saturating_add(wanted).saturating_add(minimum) <= limit {
        return Ok(());
    }
    Err(invalid(format!(
        "Specified {what} for function decreases account's UnreservedConcurrentExecution below its minimum value of \
         [{minimum}]."
    )))
}

pub fn put(request: &Request) -> Reply {
    let cloud = request.cloud;
    let target = request.target()?;
    let function = target.function(cloud)?;
    let wanted = request.call.input["ReservedConcurrentExecutions"].as_u64().unwrap_or_default();
    // To reserve nothing leaves all to the others, and stops the function.
    if wanted > 0 {
        check_left(cloud, &function.name, "ReservedConcurrentExecutions", wanted)?;
    }
    target.change(cloud, |function| {
        let provisioned = function.provisioned_total();
        if wanted < provisioned {
            return Err(invalid(format!(
                "Specified ReservedConcurrentExecutions for function is less than its provisioned concurrency of \
                 [{provisioned}]."
            )));
        }
        function.reserved = Some(wanted);
        Ok(json!({"ReservedConcurrentExecutions": wanted}))
    })
}

pub fn get(request: &Request) -> Reply {
    let target = request.target()?;
    let reserved = target.function(request.cloud)?.reserved;
    Ok(reserved.map_or_else(|| json!({}), |reserved| json!({"ReservedConcurrentExecutions": reserved})))
}

pub fn delete(request: &Request) -> Reply {
    let target = request.target()?;
    target.change(request.cloud, |function| {
        function.reserved = None;
        Ok(Value::Null)
    })
}

pub fn account(request: &Request) -> Reply {
    let store = &request.cloud.store;
    request.authorize("*")?;
    let all: Vec<Function> = store.list(FUNCTION)?.into_iter().map(|(_, function)| function).collect();
    let limit = Quota::ConcurrentExecutions.limit(store)?;
    let versions = |function: &Function| {
        function.published.values().chain([&function.latest]).map(|version| version.code.size).sum::<u64>()
    };
    Ok(json!({
        "AccountLimit": {
            "TotalCodeSize": 80_530_636_800_u64,
            "CodeSizeUnzipped": super::code::MAX_UNZIPPED,
            "CodeSizeZipped": super::code::MAX_ZIP,
            "ConcurrentExecutions": limit,
            "UnreservedConcurrentExecutions": limit.saturating_sub(taken(&all)),
        },
        "AccountUsage": {
            "TotalCodeSize": all.iter().map(versions).sum::<u64>(),
            "FunctionCount": all.len(),
        },
    }))
}

/// The error to a config that isn't there.
pub fn no_config(function: &str) -> AwsError {
    let mut error =
        not_found(format!("No Provisioned Concurrency Config found for this function: {function}"));
    "ProvisionedConcurrencyConfigNotFoundException".clone_into(&mut error.code);
    error
}
