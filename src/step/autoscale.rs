//! `autoscale`: scales an endpoint between two numbers of instances, by its load.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context::{Context, Done};
use super::fields::{EndpointInstance, SageMakerName};
use super::instance_type::{is_burstable, steady};
use super::kind::{Kind, Price, Problem, Reads};
use crate::failure::Outcome;
use crate::resource::{ScalableTarget, ScalingPolicy, VARIANT};

/// The default of `hours`.
const PLANNED_HOURS: f64 = 1.0;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Autoscale {
    /// The endpoint's name, such as the `endpoint_name` of a `deploy` step.
    pub endpoint_name: SageMakerName,
    /// The production variant. `deploy` creates one, `AllTraffic`.
    #[serde(default = "all_traffic")]
    pub variant: SageMakerName,
    /// The fewest instances. A real-time endpoint has at least one.
    #[schemars(range(min = 1, max = 100))]
    pub min_capacity: i32,
    /// The most instances.
    #[schemars(range(min = 1, max = 100))]
    pub max_capacity: i32,
    /// The target: invocations a minute for each instance.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 1_000_000_000.0))]
    pub target_value: f64,
    /// Seconds after a scale-in before the next one.
    #[serde(default = "cooldown")]
    #[schemars(range(min = 0, max = 86400))]
    pub scale_in_cooldown: i32,
    /// Seconds after a scale-out before its instances no longer count towards the next one.
    #[serde(default = "cooldown")]
    #[schemars(range(min = 0, max = 86400))]
    pub scale_out_cooldown: i32,
    /// For the estimate of the price: the endpoint's instance type, such as the `instance_type` of a `deploy` step.
    pub instance_type: Option<EndpointInstance>,
    /// For the estimate of the price: how many hours the endpoint is planned to have the most instances. The default is 1.
    #[schemars(range(min = 0.0))]
    pub hours: Option<f64>,
}

fn all_traffic() -> SageMakerName {
    SageMakerName(VARIANT.to_owned())
}

/// Application Auto Scaling's default for SageMaker.
fn cooldown() -> i32 {
    300
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The endpoint's name.
    pub endpoint_name: String,
    /// The production variant.
    pub variant: String,
    /// Application Auto Scaling's resource id: `endpoint/ENDPOINT/variant/VARIANT`.
    pub resource_id: String,
    /// The scalable target's ARN.
    pub arn: String,
    /// The fewest instances.
    pub min_capacity: i32,
    /// The most instances.
    pub max_capacity: i32,
    /// The policy's target: invocations a minute for each instance.
    pub target_value: f64,
    /// Seconds.
    pub scale_in_cooldown: i32,
    /// Seconds.
    pub scale_out_cooldown: i32,
    /// The scaling policy's name.
    pub policy_name: String,
    /// The scaling policy's ARN.
    pub policy_arn: String,
    /// The CloudWatch alarms of the policy.
    pub alarms: Vec<String>,
}

/// Application Auto Scaling scales no endpoint of a burstable type:
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html>.
fn burstable(field: &str, instance_type: &str) -> Problem {
    let message = format!("an endpoint of the burstable type `{instance_type}` can't be scaled");
    Problem::at(field, message).hint(format!("for example `{}` can", steady(instance_type)))
}

/// Returns the problem of scaling the endpoint that a step makes. Its fields may have templates in them.
pub fn unscalable((kind, made): (&str, &Value)) -> Option<Problem> {
    let instance_type = made.get("instance_type")?.as_str()?;
    (kind == "deploy" && is_burstable(instance_type)).then(|| burstable("endpoint_name", instance_type))
}

impl Kind for Autoscale {
    const NAME: &'static str = "autoscale";
    const ABOUT: &'static str = "scales an endpoint between two counts of instances by its invocations";
    const OWNS: bool = true;
    const READS: Reads = Reads::Names;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.min_capacity > self.max_capacity {
            let message = format!(
                "the fewest instances, {}, are more than the most, {}",
                self.min_capacity, self.max_capacity
            );
            problems.push(Problem::at("min_capacity", message));
        }
        if let Some(instance_type) = self.instance_type.as_ref().filter(|one| is_burstable(&one.0)) {
            problems.push(burstable("instance_type", &instance_type.0));
        }
        if self.hours.is_some() && self.instance_type.is_none() {
            problems.push(Problem::at("hours", "hours cost nothing without an `instance_type`"));
        }
        problems
    }

    fn price(&self) -> Option<Price> {
        let instance_type = self.instance_type.as_ref()?;
        let hours = self.hours.unwrap_or(PLANNED_HOURS);
        let how_long = format!("beyond the first {}; {hours} h planned", self.min_capacity);
        let more = (self.max_capacity - self.min_capacity).max(0);
        Some(Price::of_instances(&instance_type.0, more, hours, &how_long))
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let target = ScalableTarget {
            endpoint_name: self.endpoint_name.0.clone(),
            variant: self.variant.0.clone(),
            min_capacity: self.min_capacity,
            max_capacity: self.max_capacity,
        };
        let target = context.ensure("target", target).await?;
        let policy = ScalingPolicy {
            base: context.base(),
            endpoint_name: self.endpoint_name.0.clone(),
            variant: self.variant.0.clone(),
            target_value: self.target_value,
            scale_in_cooldown: self.scale_in_cooldown,
            scale_out_cooldown: self.scale_out_cooldown,
        };
        let policy = context.ensure("policy", policy).await?;
        let alarms = policy.facts.get("alarms").and_then(Value::as_array).into_iter().flatten();
        let outputs = Outputs {
            endpoint_name: self.endpoint_name.0.clone(),
            variant: self.variant.0.clone(),
            arn: target.text("arn"),
            resource_id: target.name,
            min_capacity: self.min_capacity,
            max_capacity: self.max_capacity,
            target_value: self.target_value,
            scale_in_cooldown: self.scale_in_cooldown,
            scale_out_cooldown: self.scale_out_cooldown,
            alarms: alarms.filter_map(Value::as_str).map(str::to_owned).collect(),
            policy_arn: policy.text("arn"),
            policy_name: policy.name,
        };
        let summary = format!(
            "{} to {} instances, {} invocations a minute an instance",
            self.min_capacity, self.max_capacity, self.target_value
        );
        Ok(Done::new(outputs, summary))
    }
}
