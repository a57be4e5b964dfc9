//! `notebook`: a SageMaker notebook instance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::{Context, Done};
use super::fields::{NotebookType, RoleArn, SageMakerName};
use super::kind::{Kind, Price, Problem, Reads};
use crate::failure::Outcome;
use crate::price;
use crate::resource::NotebookInstance;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notebook {
    /// The notebook instance's name. By default it is generated from the runbook's name and the stack.
    pub name: Option<SageMakerName>,
    /// The instance type. A new notebook instance needs one.
    pub instance_type: Option<NotebookType>,
    /// ARN of the role of its code. A new notebook instance needs one.
    pub role: Option<RoleArn>,
    /// Size of its disk in GB.
    #[serde(default = "five")]
    #[schemars(range(min = 5, max = 16384))]
    pub volume_size: i32,
    /// Whether its users have root access.
    #[serde(default)]
    pub root_access: bool,
    /// Whether it has direct internet access.
    #[serde(default = "yes")]
    pub direct_internet_access: bool,
    /// The subnet.
    #[schemars(regex(pattern = r"^subnet-[0-9a-f]{8,17}$"), extend("x-rule" = "a subnet's id is such as subnet-0123456789abcdef0"))]
    pub subnet_id: Option<String>,
    /// The security groups. They need `subnet_id`.
    #[serde(default)]
    #[schemars(length(max = 5))]
    pub security_group_ids: Vec<String>,
    /// For the estimate of the price: how many hours the notebook instance is planned to exist.
    #[schemars(range(min = 0.0))]
    pub hours: Option<f64>,
    /// The name of an existing notebook instance. It is used, and never changed or deleted.
    pub existing: Option<SageMakerName>,
}

fn five() -> i32 {
    5
}

fn yes() -> bool {
    true
}

/// The default of `hours`: a working day.
const PLANNED_HOURS: f64 = 8.0;

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The notebook instance's name.
    pub name: String,
    /// The notebook instance's ARN.
    pub arn: String,
    /// `InService`.
    pub status: String,
    /// The address of its Jupyter server. A browser needs a presigned URL from AWS.
    pub url: String,
    /// What it runs on.
    pub instance_type: String,
    /// US dollars an hour, or nothing if the price is unknown.
    pub hourly: Option<f64>,
}

impl Kind for Notebook {
    const NAME: &'static str = "notebook";
    const ABOUT: &'static str = "makes a SageMaker notebook instance and waits until it is in service";
    const OWNS: bool = true;
    const BESIDE: bool = true;
    const READS: Reads = Reads::Names;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        if self.existing.is_some() {
            return match self.is_plain() {
                true => Vec::new(),
                false => vec![Problem::at(
                    "existing",
                    "an existing notebook instance is used as it is: it takes no other key",
                )],
            };
        }
        let needed = [("instance_type", self.instance_type.is_none()), ("role", self.role.is_none())];
        let missing = needed.into_iter().filter(|(_, missing)| *missing);
        let mut problems: Vec<Problem> = missing
            .map(|(field, _)| Problem::at(field, format!("a new notebook instance needs `{field}`")))
            .collect();
        if self.subnet_id.is_none() && !self.security_group_ids.is_empty() {
            problems.push(Problem::at("security_group_ids", "security groups go with a `subnet_id`"));
        }
        if self.subnet_id.is_none() && !self.direct_internet_access {
            let message = "without direct internet access it needs a `subnet_id` to be reached by";
            problems.push(Problem::at("direct_internet_access", message));
        }
        problems
    }

    /// An existing notebook instance has no additional price.
    fn price(&self) -> Option<Price> {
        let hours = self.hours.unwrap_or(PLANNED_HOURS);
        let how_long = format!("until `down` or stopped; {hours} h planned");
        Some(Price::of_instances(&self.instance_type.as_ref()?.0, 1, hours, &how_long))
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let text = |value: Option<&String>| value.cloned().unwrap_or_default();
        let wanted = NotebookInstance {
            name: self.name.as_ref().map(|name| name.0.clone()),
            base: context.base(),
            instance_type: text(self.instance_type.as_ref().map(|name| &name.0)),
            role_arn: text(self.role.as_ref().map(|arn| &arn.0)),
            volume_size_gb: self.volume_size,
            root_access: self.root_access,
            direct_internet_access: self.direct_internet_access,
            subnet_id: self.subnet_id.clone(),
            security_group_ids: self.security_group_ids.clone(),
        };
        let held = match &self.existing {
            Some(existing) => context.existing(&wanted, &existing.0).await?,
            None => context.ensure("notebook", wanted).await?,
        };
        let instance_type = held.text("instance_type");
        let outputs = Outputs {
            arn: held.text("arn"),
            status: held.text("status"),
            url: held.text("url"),
            hourly: price::hourly(&instance_type),
            instance_type,
            name: held.name,
        };
        let summary = format!("notebook instance {} {}", outputs.name, outputs.status);
        Ok(Done::new(outputs, summary))
    }
}

impl Notebook {
    /// Whether only `existing` is given.
    fn is_plain(&self) -> bool {
        let named = self.name.is_some() || self.instance_type.is_some() || self.role.is_some();
        let placed = self.subnet_id.is_some() || !self.security_group_ids.is_empty();
        let changed = self.volume_size != five() || self.root_access || !self.direct_internet_access;
        !(named || placed || changed || self.hours.is_some())
    }
}
