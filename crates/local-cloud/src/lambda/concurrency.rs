//! The operations of reserved concurrency, and those of the account's limits.

use serde_json::{Value, json};

use super::code;
use super::errors::invalid;
use super::quota::{Quota, check_left, taken};
use super::record::{FUNCTION, Function};
use super::service::Request;
use crate::call::Reply;

pub fn put(request: &Request<'_>) -> Reply {
    let cloud = &request.service.cloud;
    let target = request.target()?;
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
    let reserved = request.found()?.1.reserved;
    Ok(reserved.map_or_else(|| json!({}), |reserved| json!({"ReservedConcurrentExecutions": reserved})))
}

pub fn delete(request: &Request<'_>) -> Reply {
    request.target()?.change(&request.service.cloud, |function| {
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
