//! `concurrency`: a function's reserved and provisioned concurrency.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::{Context, Done};
use super::fields::{FunctionName, Qualifier};
use super::kind::{Kind, Price, Problem, Reads};
use crate::failure::Outcome;
use crate::resource::{ProvisionedConcurrency, ReservedConcurrency};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Concurrency {
    /// The function's name, such as the `name` of a `function` step.
    pub function_name: FunctionName,
    /// Reserved concurrency: executions that are reserved for the function, which is throttled above them. 0 stops it.
    #[schemars(range(min = 0))]
    pub reserved: Option<i32>,
    /// Provisioned concurrency: environments that are started before any request.
    #[schemars(range(min = 1))]
    pub provisioned: Option<i32>,
    /// The version or alias with provisioned concurrency, such as the `qualifier` of a `version` step.
    pub qualifier: Option<Qualifier>,
    /// For the estimate of the price: the function's memory in MB, such as the `memory_size` of a `function` step.
    #[schemars(range(min = 128, max = 10240))]
    pub memory_size: Option<i32>,
    /// For the estimate of the price: how many hours the concurrency is planned to exist. The default is 1.
    #[schemars(range(min = 0.0))]
    pub hours: Option<f64>,
}

/// US dollars a GB-second of provisioned concurrency, x86, us-east-1: <https://aws.amazon.com/lambda/pricing/>, as of 2025.
const GB_SECOND: f64 = 0.000_004_166_7;

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The function's name.
    pub function_name: String,
    /// Reserved concurrency.
    pub reserved: Option<i32>,
    /// Provisioned concurrency.
    pub provisioned: Option<i32>,
    /// The version or alias with provisioned concurrency.
    pub qualifier: Option<String>,
    /// The status of the provisioned concurrency: `READY`.
    pub status: Option<String>,
}

impl Kind for Concurrency {
    const NAME: &'static str = "concurrency";
    const ABOUT: &'static str = "sets a function's reserved and provisioned concurrency";
    const OWNS: bool = true;
    const READS: Reads = Reads::Names;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.reserved.is_none() && self.provisioned.is_none() {
            problems.push(Problem::whole("nothing is set: give `reserved` or `provisioned`"));
        }
        if let (Some(reserved), Some(provisioned)) = (self.reserved, self.provisioned)
            && provisioned > reserved
        {
            let message =
                format!("{provisioned} provisioned of {reserved} reserved: they are a part of them");
            problems.push(Problem::at("provisioned", message));
        }
        match (&self.provisioned, &self.qualifier) {
            (Some(_), None) => problems.push(Problem {
                hints: vec![
                    "a `version` step publishes one: `qualifier: \"{{ version.qualifier }}\"`".into(),
                ],
                ..Problem::at(
                    "provisioned",
                    "provisioned concurrency is of a version or an alias, not of $LATEST",
                )
            }),
            (None, Some(_)) => {
                problems.push(Problem::at("qualifier", "only provisioned concurrency has a qualifier"));
            }
            _ => {}
        }
        problems
    }

    fn price(&self) -> Option<Price> {
        let (executions, hours) = (self.provisioned?, self.hours.unwrap_or(1.0));
        let words = format!("{executions} provisioned executions, {hours} h planned");
        Some(match self.memory_size {
            Some(memory) => {
                let gigabytes = f64::from(executions) * f64::from(memory) / 1024.0;
                Price {
                    usd: Some(gigabytes * hours * 3600.0 * GB_SECOND),
                    words: format!("{words}, {memory} MB each"),
                }
            }
            None => Price { usd: None, words: format!("{words}; give `memory_size` to estimate the price") },
        })
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let function = self.function_name.0.clone();
        if let Some(executions) = self.reserved {
            context
                .ensure("reserved", ReservedConcurrency { function: function.clone(), executions })
                .await?;
        }
        let mut status = None;
        let qualifier = self.qualifier.as_ref().map(|qualifier| qualifier.0.clone());
        if let (Some(executions), Some(qualifier)) = (self.provisioned, qualifier.clone()) {
            let wanted = ProvisionedConcurrency { function: function.clone(), qualifier, executions };
            status = Some(context.ensure("provisioned", wanted).await?.text("status"));
        }
        let counts: Vec<String> = [("reserved", self.reserved), ("provisioned", self.provisioned)]
            .iter()
            .filter_map(|(what, count)| count.map(|count| format!("{count} {what}")))
            .collect();
        let summary = format!("{function}: {}", counts.join(", "));
        let (reserved, provisioned) = (self.reserved, self.provisioned);
        Ok(Done::new(Outputs { function_name: function, reserved, provisioned, qualifier, status }, summary))
    }
}
