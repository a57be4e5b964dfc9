//! `role`: an IAM role that a service assumes, with its policies.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context::{Context, Done};
use super::fields::{RoleName, managed_policy_problems};
use super::kind::{Kind, Problem, Reads};
use crate::aws_names;
use crate::failure::Outcome;
use crate::journal::Figure;
use crate::resource::{self, Statement, managed_policy_arn, policy_document};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The role's name. By default it is generated from the runbook's name and the stack.
    pub name: Option<RoleName>,
    /// The service that may assume the role, such as `sagemaker.amazonaws.com`.
    #[serde(default = "sagemaker")]
    #[schemars(regex(pattern = r"^[a-z0-9.-]+\.amazonaws\.com$"), extend("x-ending" = ".amazonaws.com", "x-rule" = "a service principal is such as sagemaker.amazonaws.com"))]
    pub service: String,
    /// The statements of its inline policy.
    #[serde(default)]
    pub allow: Vec<Statement>,
    /// Managed policies, by name (AWS managed policies) or ARN.
    #[serde(default)]
    pub managed_policies: Vec<String>,
    /// The name of an existing role. It is used, and never changed or deleted.
    pub existing: Option<RoleName>,
}

/// The service whose roles need an instance profile.
const EC2: &str = "ec2.amazonaws.com";

fn sagemaker() -> String {
    "sagemaker.amazonaws.com".to_owned()
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The role's name.
    pub name: String,
    /// The role's ARN.
    pub arn: String,
    /// The document of the inline policy, or nothing.
    pub policy: Option<Value>,
    /// The instance profile that passes the role to EC2 instances. Nothing for a role of another service.
    pub instance_profile: Option<String>,
}

impl Kind for Role {
    const NAME: &'static str = "role";
    const ABOUT: &'static str = "makes an IAM role that a service takes on";
    const OWNS: bool = true;
    const BESIDE: bool = true;
    const READS: Reads = Reads::Names;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.existing.is_some()
            && (self.name.is_some() || !self.allow.is_empty() || !self.managed_policies.is_empty())
        {
            problems
                .push(Problem::at("existing", "an existing role is used as it is: it takes no other key"));
        }
        problems.extend(Statement::problems("allow", &self.allow));
        problems.extend(managed_policy_problems("managed_policies", &self.managed_policies));
        let service = aws_names::service_principal(&self.service);
        problems.extend(service.map(|wrong| Problem::of_name("service", wrong)));
        problems
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let policy = (!self.allow.is_empty()).then(|| policy_document(&self.allow));
        let wanted = resource::Role {
            name: self.name.as_ref().map(|name| name.0.clone()),
            base: context.base(),
            service: self.service.clone(),
            managed: self.managed_policies.iter().map(|name| managed_policy_arn(name)).collect(),
            inline: policy
                .iter()
                .map(|document| ("opsml".to_owned(), document.clone()))
                .collect::<BTreeMap<_, _>>(),
        };
        let held = match &self.existing {
            Some(existing) => context.existing(&wanted, &existing.0).await?,
            None => context.ensure("role", wanted).await?,
        };
        let arn = held.text("arn");
        let instance_profile = match (self.service == EC2, self.existing.is_some()) {
            (false, _) => None,
            // The console creates an instance profile of the same name with a role of EC2.
            (true, true) => Some(held.name.clone()),
            (true, false) => {
                let profile = resource::InstanceProfile { role: held.name.clone() };
                Some(context.ensure("instance-profile", profile).await?.name)
            }
        };
        let figures = policy.iter().map(|policy| Figure::json(format!("What {} may do", held.name), policy));
        let figures = figures.collect();
        let outputs = Outputs { arn: arn.clone(), name: held.name, policy, instance_profile };
        Ok(Done::new(outputs, arn).figures(figures))
    }
}
