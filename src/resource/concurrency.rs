//! A function's reserved and provisioned concurrency.

use aws_sdk_lambda::types::ProvisionedConcurrencyStatusEnum as Provisioning;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::function::Function;
use super::function::function_tags;
use super::traits::{Drawn, Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};
use crate::journal::ResourceId;

/// Executions that are reserved for a function, and that it cannot exceed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReservedConcurrency {
    pub function: String,
    pub executions: i32,
}

impl Resource for ReservedConcurrency {
    const TYPE: &'static str = "reserved-concurrency";
    const DRAWN: Drawn = Drawn::Note;
    const SHARES_TAGS: bool = true;

    fn naming(&self) -> Naming {
        Naming::Fixed(self.function.clone())
    }

    fn replaces(&self, old: &Self) -> bool {
        self.function != old.function
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let found = aws.lambda.get_function_concurrency().function_name(name).send().await;
        let found = present(found.map_err(|error| failure("GetFunctionConcurrency", error)))?;
        let reserved = found.and_then(|found| found.reserved_concurrent_executions());
        Ok(reserved.map(|executions| Live {
            status: Status::Ready,
            facts: facts([("reserved_concurrent_executions", json!(executions))]),
        }))
    }

    async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
        function_tags(aws, name).await
    }

    fn attached_to(&self) -> Option<ResourceId> {
        Some(ResourceId { kind: Function::TYPE.into(), name: self.function.clone() })
    }

    async fn create(&self, aws: &Aws, name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        let put = aws.lambda.put_function_concurrency().function_name(name);
        let put = put.reserved_concurrent_executions(self.executions).send().await;
        put.map(|_| ()).map_err(|error| {
            let failure = failure("PutFunctionConcurrency", error);
            match failure.message.contains("UnreservedConcurrentExecution") {
                true => failure.hint(
                    "an account keeps a part of its concurrency for functions without a reservation: 100 executions, \
                     or 10 and 50 in new accounts. Reserve less, or have the account's quota L-B99A9384 raised \
                     (Service Quotas, AWS Lambda, Concurrent executions)",
                ),
                false => failure,
            }
        })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let deleted = aws.lambda.delete_function_concurrency().function_name(name).send().await;
        present(deleted.map_err(|error| failure("DeleteFunctionConcurrency", error))).map(|_| ())
    }
}

/// Environments that are started before any request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProvisionedConcurrency {
    pub function: String,
    /// The number of a version, or an alias.
    pub qualifier: String,
    pub executions: i32,
}

impl Resource for ProvisionedConcurrency {
    const TYPE: &'static str = "provisioned-concurrency";
    const DRAWN: Drawn = Drawn::Note;
    const SHARES_TAGS: bool = true;

    fn naming(&self) -> Naming {
        Naming::Fixed(format!("{}:{}", self.function, self.qualifier))
    }

    fn replaces(&self, old: &Self) -> bool {
        self.naming() != old.naming()
    }

    async fn describe(&self, aws: &Aws, _name: &str) -> Outcome<Option<Live>> {
        let found = aws.lambda.get_provisioned_concurrency_config().function_name(&self.function);
        let found = found.qualifier(&self.qualifier).send().await;
        let found = match found.map_err(|error| failure("GetProvisionedConcurrencyConfig", error)) {
            Err(none) if none.code == "ProvisionedConcurrencyConfigNotFoundException" => return Ok(None),
            found => present(found)?,
        };
        Ok(found.map(|found| Live {
            status: match found.status() {
                Some(Provisioning::Ready) => Status::Ready,
                Some(Provisioning::Failed) => {
                    Status::Failed(found.status_reason().unwrap_or("FAILED").to_owned())
                }
                other => Status::Pending(other.map_or("IN_PROGRESS", Provisioning::as_str).to_owned()),
            },
            facts: facts([
                ("requested", json!(found.requested_provisioned_concurrent_executions())),
                ("status", json!(found.status().map(Provisioning::as_str))),
            ]),
        }))
    }

    async fn tags(&self, aws: &Aws, _name: &str) -> Outcome<Tags> {
        function_tags(aws, &self.function).await
    }

    fn attached_to(&self) -> Option<ResourceId> {
        Some(ResourceId { kind: Function::TYPE.into(), name: self.function.clone() })
    }

    async fn create(&self, aws: &Aws, _name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        let put = aws
            .lambda
            .put_provisioned_concurrency_config()
            .function_name(&self.function)
            .qualifier(&self.qualifier)
            .provisioned_concurrent_executions(self.executions)
            .send()
            .await;
        put.map(|_| ()).map_err(|error| failure("PutProvisionedConcurrencyConfig", error))
    }

    async fn delete(&self, aws: &Aws, _name: &str) -> Outcome<()> {
        let deleted = aws.lambda.delete_provisioned_concurrency_config().function_name(&self.function);
        let deleted = deleted.qualifier(&self.qualifier).send().await;
        match deleted.map_err(|error| failure("DeleteProvisionedConcurrencyConfig", error)) {
            Err(Failure { code, .. }) if code == "ProvisionedConcurrencyConfigNotFoundException" => Ok(()),
            other => present(other).map(|_| ()),
        }
    }
}
