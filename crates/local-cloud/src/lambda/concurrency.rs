//! The operations of reserved concurrency, and those of the account's limits.

use serde_json::{Value, json};

use super::code;
use super::errors::invalid;
use super::quota::{Quota, check_left, taken};
use super::record::{FUNCTION, Function};
use super::service::Request;
use super::target::Target;
use crate::call::{AwsError, Reply};

/// Returns the function that a request names. All its versions share its concurrency.
fn unqualified(request: &Request<'_>) -> Result<Target, AwsError> {
    let target = request.target()?;
    match target.qualifier {
        None => Ok(target),
        Some(_) => Err(invalid(
            "This operation is permitted on Lambda functions only. Lambda aliases and versions do not support this \
             operation. Please specify either a function name or an unqualified function ARN.",
        )),
    }
}

pub fn put(request: &Request<'_>) -> Reply {
    let cloud = &request.service.cloud;
    let target = unqualified(request)?;
    let function = target.function(cloud)?;
    let wanted = request.input()["ReservedConcurrentExecutions"].as_u64().unwrap_or_default();
    // A reservation of 0 takes nothing from the others. It stops the function.
    if wanted > 0 {
        check_left(&cloud.store, &function.name, "ReservedConcurrentExecutions", wanted)?;
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

pub fn get(request: &Request<'_>) -> Reply {
    let reserved = unqualified(request)?.function(&request.service.cloud)?.reserved;
    Ok(reserved.map_or_else(|| json!({}), |reserved| json!({"ReservedConcurrentExecutions": reserved})))
}

pub fn delete(request: &Request<'_>) -> Reply {
    unqualified(request)?.change(&request.service.cloud, |function| {
        function.reserved = None;
        Ok(Value::Null)
    })
}

pub fn account_settings(request: &Request<'_>) -> Reply {
    let store = &request.service.cloud.store;
    let all: Vec<Function> = store.list(FUNCTION)?.into_iter().map(|(_, function)| function).collect();
    let limit = Quota::ConcurrentExecutions.limit(store)?;
    let code_size: u64 = all.iter().flat_map(Function::versions).map(|version| version.code.size).sum();
    Ok(json!({
        "AccountLimit": {
            "TotalCodeSize": 80_530_636_800_u64,
            "CodeSizeUnzipped": code::MAX_UNZIPPED,
            "CodeSizeZipped": code::MAX_ZIP,
            "ConcurrentExecutions": limit,
            "UnreservedConcurrentExecutions": limit.saturating_sub(taken(&all)),
        },
        "AccountUsage": {
            "TotalCodeSize": code_size,
            "FunctionCount": all.len(),
        },
    }))
}
