//! Lambda function: code, runtime, role, environment, VPC.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, LastUpdateStatus, Runtime, State, VpcConfig};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::traits::{Drawn, Live, Naming, Report, Resource, Status, Tags, facts};
use super::visible::until_visible;
use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Function {
    pub name: Option<String>,
    pub base: String,
    /// `provided.al2023`, `python3.12`, …
    pub runtime: String,
    pub handler: String,
    pub role_arn: String,
    /// The local zip.
    pub code: PathBuf,
    /// SHA-256 of the zip in base64, as Lambda returns it.
    pub code_sha256: String,
    pub environment: BTreeMap<String, String>,
    /// MB.
    pub memory_size: i32,
    /// Seconds.
    pub timeout: i32,
    pub vpc: Option<Vpc>,
}

/// The subnets and security groups of a function's network interfaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vpc {
    pub subnet_ids: Vec<String>,
    pub security_group_ids: Vec<String>,
}

impl Function {
    fn zip(&self) -> Outcome<Blob> {
        std::fs::read(&self.code).map(Blob::new).map_err(|error| Failure::file(&self.code, error))
    }

    fn environment(&self) -> Environment {
        Environment::builder().set_variables(Some(self.environment.clone().into_iter().collect())).build()
    }

    /// Returns the VPC configuration. Empty lists remove the function from its VPC.
    fn vpc(&self) -> VpcConfig {
        let (subnets, groups) = match &self.vpc {
            Some(vpc) => (vpc.subnet_ids.clone(), vpc.security_group_ids.clone()),
            None => (Vec::new(), Vec::new()),
        };
        VpcConfig::builder().set_subnet_ids(Some(subnets)).set_security_group_ids(Some(groups)).build()
    }
}

async fn configuration(aws: &Aws, name: &str) -> Outcome<Option<GetFunctionConfigurationOutput>> {
    let found = aws.lambda.get_function_configuration().function_name(name).send().await;
    present(found.map_err(|error| failure("GetFunctionConfiguration", error)))
}

fn environment(found: &GetFunctionConfigurationOutput) -> BTreeMap<&String, &String> {
    let variables = found.environment().and_then(|environment| environment.variables());
    variables.into_iter().flatten().collect()
}

/// Returns a digest of the code and configuration. When it changes, another version is needed.
fn revision(found: &GetFunctionConfigurationOutput) -> String {
    let (runtime, limits) = (found.runtime().map(Runtime::as_str), [found.memory_size(), found.timeout()]);
    let all =
        json!([found.code_sha256(), runtime, found.handler(), found.role(), limits, environment(found)]);
    hex::encode(Sha256::digest(all.to_string()))[..16].to_owned()
}

/// Returns the revision that a new version would have.
pub async fn function_revision(aws: &Aws, name: &str) -> Outcome<String> {
    let found = configuration(aws, name).await?;
    found
        .as_ref()
        .map(revision)
        .ok_or_else(|| Failure::new("NotFound", format!("there is no function {name}")))
}

/// Returns the tags of a function, which are also those of its attachments.
pub async fn function_tags(aws: &Aws, name: &str) -> Outcome<Tags> {
    let found = aws.lambda.get_function().function_name(name).send().await;
    let found = found.map_err(|error| failure("GetFunction", error))?;
    Ok(found.tags().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// Waits for the end of an update: Lambda refuses the next one before.
/// <https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>
async fn until_updated(aws: &Aws, name: &str) -> Outcome<()> {
    let mut attempt = 0;
    while let Some(found) = configuration(aws, name).await?
        && (found.last_update_status() == Some(&LastUpdateStatus::InProgress)
            || found.state() == Some(&State::Pending))
    {
        aws.pause(attempt).await?;
        attempt += 1;
    }
    Ok(())
}

impl Resource for Function {
    const TYPE: &'static str = "function";
    const ROWS: &'static [&'static str] = &["runtime", "memory_size", "timeout", "role_arn", "environment"];
    const DRAWN: Drawn = Drawn::Box;
    const LEAVES: bool = true;

    fn naming(&self) -> Naming {
        match &self.name {
            Some(name) => Naming::Fixed(name.clone()),
            None => Naming::Stack { base: self.base.clone(), max: 64 },
        }
    }

    fn replaces(&self, old: &Self) -> bool {
        self.name != old.name
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let Some(found) = configuration(aws, name).await? else { return Ok(None) };
        let status = match (found.state(), found.last_update_status()) {
            (Some(State::Failed), _) => {
                Status::Failed(found.state_reason().unwrap_or("State: Failed").to_owned())
            }
            (_, Some(LastUpdateStatus::Failed)) => {
                let reason = found.last_update_status_reason().unwrap_or("LastUpdateStatus: Failed");
                Status::Failed(reason.to_owned())
            }
            (Some(State::Pending), _) => Status::Pending("Pending".into()),
            (_, Some(LastUpdateStatus::InProgress)) => Status::Pending("InProgress".into()),
            _ => Status::Ready,
        };
        let vpc = found.vpc_config().filter(|vpc| !vpc.subnet_ids().is_empty());
        Ok(Some(Live {
            status,
            facts: facts([
                ("arn", json!(found.function_arn())),
                ("runtime", json!(found.runtime().map(Runtime::as_str))),
                ("handler", json!(found.handler())),
                ("role_arn", json!(found.role())),
                ("memory_size", json!(found.memory_size())),
                ("timeout", json!(found.timeout())),
                ("environment", json!(environment(&found))),
                ("code_sha256", json!(found.code_sha256())),
                ("code_size", json!(found.code_size())),
                ("vpc", json!(vpc.and_then(|vpc| vpc.vpc_id()))),
                ("subnets", json!(vpc.map(|vpc| vpc.subnet_ids()))),
                ("security_groups", json!(vpc.map(|vpc| vpc.security_group_ids()))),
                ("revision", json!(revision(&found))),
            ]),
        }))
    }

    async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
        function_tags(aws, name).await
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let code = FunctionCode::builder().zip_file(self.zip()?).build();
        until_visible(aws, &self.role_arn, progress, async || {
            let created = aws
                .lambda
                .create_function()
                .function_name(name)
                .runtime(Runtime::from(self.runtime.as_str()))
                .handler(&self.handler)
                .role(&self.role_arn)
                .code(code.clone())
                .environment(self.environment())
                .memory_size(self.memory_size)
                .timeout(self.timeout)
                .set_vpc_config(self.vpc.as_ref().map(|_| self.vpc()))
                .set_tags(Some(tags.clone().into_iter().collect()))
                .send()
                .await;
            created.map(|_| ()).map_err(|error| failure("CreateFunction", error))
        })
        .await
    }

    async fn update(&self, aws: &Aws, name: &str, _tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        until_updated(aws, name).await?;
        let now = configuration(aws, name).await?;
        if now.is_none_or(|now| now.code_sha256() != Some(self.code_sha256.as_str())) {
            let updated = aws.lambda.update_function_code().function_name(name).zip_file(self.zip()?);
            updated.send().await.map_err(|error| failure("UpdateFunctionCode", error))?;
            until_updated(aws, name).await?;
        }
        until_visible(aws, &self.role_arn, progress, async || {
            let updated = aws
                .lambda
                .update_function_configuration()
                .function_name(name)
                .runtime(Runtime::from(self.runtime.as_str()))
                .handler(&self.handler)
                .role(&self.role_arn)
                .environment(self.environment())
                .memory_size(self.memory_size)
                .timeout(self.timeout)
                .vpc_config(self.vpc())
                .send()
                .await;
            updated.map(|_| ()).map_err(|error| failure("UpdateFunctionConfiguration", error))
        })
        .await
    }

    fn log(&self, name: &str) -> Option<(String, String)> {
        Some((format!("/aws/lambda/{name}"), String::new()))
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { name: Some(name.to_owned()), ..Self::default() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let deleted = aws.lambda.delete_function().function_name(name).send().await;
        present(deleted.map_err(|error| failure("DeleteFunction", error)))?;
        let group = format!("/aws/lambda/{name}");
        let logs = aws.logs.delete_log_group().log_group_name(group).send().await;
        present(logs.map_err(|error| failure("DeleteLogGroup", error))).map(|_| ())
    }
}
