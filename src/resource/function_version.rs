//! Version of a function: an immutable copy of its code and configuration.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::function::function_tags;
use super::traits::{Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, is_absent, present};
use crate::failure::{Failure, Outcome};

/// Lambda chooses the number of a version. The version is found by its description, which has the function's revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionVersion {
    pub function: String,
    /// The function's revision. When it changes, another version is needed.
    pub revision: String,
}

impl FunctionVersion {
    /// Returns the number of the version with this description.
    async fn number(&self, aws: &Aws, name: &str) -> Outcome<Option<(String, Live)>> {
        let mut pages = aws
            .lambda
            .list_versions_by_function()
            .function_name(&self.function)
            .into_paginator()
            .items()
            .send();
        while let Some(version) = pages.next().await {
            let version = match version.map_err(|error| failure("ListVersionsByFunction", error)) {
                Err(gone) if is_absent(&gone) => return Ok(None),
                version => version?,
            };
            let number = version.version().unwrap_or_default();
            if version.description() != Some(name) || number == "$LATEST" {
                continue;
            }
            let status = match version.state() {
                Some(aws_sdk_lambda::types::State::Pending) => Status::Pending("Pending".into()),
                Some(aws_sdk_lambda::types::State::Failed) => {
                    Status::Failed(version.state_reason().unwrap_or("State: Failed").to_owned())
                }
                _ => Status::Ready,
            };
            let facts = facts([
                ("version", json!(number)),
                ("arn", json!(version.function_arn())),
                ("code_sha256", json!(version.code_sha256())),
                ("revision", json!(number)),
            ]);
            return Ok(Some((number.to_owned(), Live { status, facts })));
        }
        Ok(None)
    }
}

impl Resource for FunctionVersion {
    const TYPE: &'static str = "function-version";
    const ROWS: &'static [&'static str] = &["version"];
    const SHARES_TAGS: bool = true;

    fn naming(&self) -> Naming {
        Naming::Fixed(format!("{}-{}", self.function, self.revision))
    }

    fn replaces(&self, old: &Self) -> bool {
        self != old
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        Ok(self.number(aws, name).await?.map(|(_, live)| live))
    }

    async fn tags(&self, aws: &Aws, _name: &str) -> Outcome<Tags> {
        function_tags(aws, &self.function).await
    }

    async fn create(&self, aws: &Aws, name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        let published =
            aws.lambda.publish_version().function_name(&self.function).description(name).send().await;
        let published = published.map_err(|error| failure("PublishVersion", error))?;
        match published.description() == Some(name) {
            true => Ok(()),
            // Lambda publishes no version if nothing has changed since the last one.
            false => {
                let last = published.version().unwrap_or_default();
                let message = format!(
                    "PublishVersion: nothing has changed in {} since its version {last}, which this step didn't publish",
                    self.function
                );
                Err(Failure::new("NotOurs", message).hint("use that version's number, or delete the version"))
            }
        }
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let Some((number, _)) = self.number(aws, name).await? else { return Ok(()) };
        let deleted =
            aws.lambda.delete_function().function_name(&self.function).qualifier(number).send().await;
        present(deleted.map_err(|error| failure("DeleteFunction", error))).map(|_| ())
    }
}
