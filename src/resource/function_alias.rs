//! Alias of a function: a name that points to a version.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::function::function_tags;
use super::traits::{Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::Outcome;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionAlias {
    pub function: String,
    pub alias: String,
    pub version: String,
}

impl Resource for FunctionAlias {
    const TYPE: &'static str = "function-alias";
    const ROWS: &'static [&'static str] = &["version"];
    const SHARES_TAGS: bool = true;

    fn naming(&self) -> Naming {
        Naming::Fixed(format!("{}:{}", self.function, self.alias))
    }

    fn replaces(&self, old: &Self) -> bool {
        self.naming() != old.naming()
    }

    async fn describe(&self, aws: &Aws, _name: &str) -> Outcome<Option<Live>> {
        let alias = aws.lambda.get_alias().function_name(&self.function).name(&self.alias).send().await;
        let alias = present(alias.map_err(|error| failure("GetAlias", error)))?;
        Ok(alias.map(|alias| Live {
            status: Status::Ready,
            facts: facts([
                ("arn", json!(alias.alias_arn())),
                ("version", json!(alias.function_version())),
                ("revision", json!(alias.function_version())),
            ]),
        }))
    }

    async fn tags(&self, aws: &Aws, _name: &str) -> Outcome<Tags> {
        function_tags(aws, &self.function).await
    }

    async fn create(&self, aws: &Aws, _name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        let created = aws.lambda.create_alias().function_name(&self.function).name(&self.alias);
        let created = created.function_version(&self.version).send().await;
        created.map(|_| ()).map_err(|error| failure("CreateAlias", error))
    }

    async fn update(&self, aws: &Aws, _name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        let updated = aws.lambda.update_alias().function_name(&self.function).name(&self.alias);
        let updated = updated.function_version(&self.version).send().await;
        updated.map(|_| ()).map_err(|error| failure("UpdateAlias", error))
    }

    async fn delete(&self, aws: &Aws, _name: &str) -> Outcome<()> {
        let deleted = aws.lambda.delete_alias().function_name(&self.function).name(&self.alias).send().await;
        present(deleted.map_err(|error| failure("DeleteAlias", error))).map(|_| ())
    }
}
