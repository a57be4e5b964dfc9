//! `version`: a version of a function, and an alias that points to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::{Context, Done};
use super::fields::{AliasName, FunctionName};
use super::kind::Kind;
use crate::failure::Outcome;
use crate::resource::{FunctionAlias, FunctionVersion, function_revision};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// The function's name, such as the `name` of a `function` step.
    pub function_name: FunctionName,
    /// An alias to point to the version, such as `live`.
    pub alias: Option<AliasName>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The function's name.
    pub function_name: String,
    /// The version's number.
    pub version: String,
    /// ARN of the version.
    pub arn: String,
    /// The alias that points to it.
    pub alias: Option<String>,
    /// The alias, or else the version: the `qualifier` of `invoke` and `concurrency`.
    pub qualifier: String,
    /// SHA-256 of its code in base64.
    pub code_sha256: String,
}

impl Kind for Version {
    const NAME: &'static str = "version";
    const ABOUT: &'static str = "publishes a version of a function and points an alias to it";
    const OWNS: bool = true;
    type Outputs = Outputs;

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let function = self.function_name.0.clone();
        let revision = function_revision(context.aws(), &function).await?;
        let wanted = FunctionVersion { function: function.clone(), revision };
        let held = context.ensure("version", wanted).await?;
        let version = held.text("version");
        if let Some(alias) = &self.alias {
            let wanted = FunctionAlias {
                function: function.clone(),
                alias: alias.0.clone(),
                version: version.clone(),
            };
            context.ensure("alias", wanted).await?;
        }
        let alias = self.alias.as_ref().map(|alias| alias.0.clone());
        let qualifier = alias.clone().unwrap_or_else(|| version.clone());
        let summary = match &alias {
            Some(alias) => format!("version {version} of {function}, as {alias}"),
            None => format!("version {version} of {function}"),
        };
        let (arn, code_sha256) = (held.text("arn"), held.text("code_sha256"));
        Ok(Done::new(
            Outputs { function_name: function, version, arn, alias, qualifier, code_sha256 },
            summary,
        ))
    }
}
