//! A statement of a function's resource policy: who may invoke it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::function::{Function, function_tags};
use super::traits::{Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::Outcome;
use crate::journal::ResourceId;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionPermission {
    pub function: String,
    /// Its `Sid`, which is unique in the policy.
    pub statement_id: String,
    /// An account, the ARN of a user or role, or a service.
    pub principal: String,
    /// The ARN of the resource for which a service may invoke it.
    pub source_arn: Option<String>,
}

impl FunctionPermission {
    async fn statement(&self, aws: &Aws) -> Outcome<Option<Value>> {
        let policy = aws.lambda.get_policy().function_name(&self.function).send().await;
        let Some(policy) = present(policy.map_err(|error| failure("GetPolicy", error)))? else {
            return Ok(None);
        };
        let document: Value = serde_json::from_str(policy.policy().unwrap_or_default()).unwrap_or_default();
        let statements = document.get("Statement").and_then(Value::as_array);
        Ok(statements.into_iter().flatten().find(|one| one["Sid"] == json!(self.statement_id)).cloned())
    }
}

impl Resource for FunctionPermission {
    const TYPE: &'static str = "function-permission";
    const SHARES_TAGS: bool = true;

    fn naming(&self) -> Naming {
        Naming::Fixed(format!("{}/{}", self.function, self.statement_id))
    }

    fn replaces(&self, old: &Self) -> bool {
        self != old
    }

    async fn describe(&self, aws: &Aws, _name: &str) -> Outcome<Option<Live>> {
        let Some(statement) = self.statement(aws).await? else { return Ok(None) };
        let pick = |name: &str| statement.get(name).cloned().unwrap_or_default();
        Ok(Some(Live {
            status: Status::Ready,
            facts: facts([
                ("principal", pick("Principal")),
                ("action", pick("Action")),
                ("resource", pick("Resource")),
                ("condition", pick("Condition")),
            ]),
        }))
    }

    async fn tags(&self, aws: &Aws, _name: &str) -> Outcome<Tags> {
        function_tags(aws, &self.function).await
    }

    async fn create(&self, aws: &Aws, _name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        let added = aws
            .lambda
            .add_permission()
            .function_name(&self.function)
            .statement_id(&self.statement_id)
            .action("lambda:InvokeFunction")
            .principal(&self.principal)
            .set_source_arn(self.source_arn.clone())
            .send()
            .await;
        added.map(|_| ()).map_err(|error| failure("AddPermission", error))
    }

    fn attached_to(&self) -> Option<ResourceId> {
        Some(ResourceId { kind: Function::TYPE.into(), name: self.function.clone() })
    }

    async fn delete(&self, aws: &Aws, _name: &str) -> Outcome<()> {
        let removed = aws.lambda.remove_permission().function_name(&self.function);
        let removed = removed.statement_id(&self.statement_id).send().await;
        present(removed.map_err(|error| failure("RemovePermission", error))).map(|_| ())
    }
}
