//! Application Auto Scaling's target tracking policy: the target of invocations a minute for each instance.

use aws_sdk_applicationautoscaling::types::{
    MetricType, PolicyType, PredefinedMetricSpecification, ServiceNamespace,
    TargetTrackingScalingPolicyConfiguration,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bucket::invalid;
use super::endpoint::Endpoint;
use super::scalable_target::{DIMENSION, scalable_id};
use super::traits::{Drawn, Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::Outcome;
use crate::journal::ResourceId;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingPolicy {
    pub base: String,
    pub endpoint_name: String,
    pub variant: String,
    /// Invocations a minute for each instance.
    pub target_value: f64,
    /// Seconds.
    pub scale_in_cooldown: i32,
    pub scale_out_cooldown: i32,
}

/// It cannot be tagged. It is part of a scalable target, which can.
impl Resource for ScalingPolicy {
    const TYPE: &'static str = "scaling-policy";
    const ROWS: &'static [&'static str] =
        &["metric", "target_value", "scale_in_cooldown", "scale_out_cooldown"];
    const DRAWN: Drawn = Drawn::Note;

    fn naming(&self) -> Naming {
        Naming::Unique(self.base.chars().take(256).collect())
    }

    fn replaces(&self, old: &Self) -> bool {
        (&self.endpoint_name, &self.variant) != (&old.endpoint_name, &old.variant)
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let policies = aws
            .autoscaling
            .describe_scaling_policies()
            .service_namespace(ServiceNamespace::Sagemaker)
            .policy_names(name)
            .resource_id(self.target())
            .scalable_dimension(DIMENSION)
            .send()
            .await;
        let policies = policies.map_err(|error| failure("DescribeScalingPolicies", error))?;
        let Some(policy) = policies.scaling_policies().first() else { return Ok(None) };
        let tracking = policy.target_tracking_scaling_policy_configuration();
        let metric = tracking.and_then(|t| t.predefined_metric_specification());
        let alarms: Vec<&str> = policy.alarms().iter().map(|alarm| alarm.alarm_name()).collect();
        Ok(Some(Live {
            status: Status::Ready,
            facts: facts([
                ("arn", json!(policy.policy_arn())),
                ("policy_type", json!(policy.policy_type().as_str())),
                ("metric", json!(metric.map(|metric| metric.predefined_metric_type().as_str()))),
                ("target_value", json!(tracking.map(|t| t.target_value()))),
                ("scale_in_cooldown", json!(tracking.and_then(|t| t.scale_in_cooldown()))),
                ("scale_out_cooldown", json!(tracking.and_then(|t| t.scale_out_cooldown()))),
                ("alarms", json!(alarms)),
            ]),
        }))
    }

    /// PutScalingPolicy creates or updates.
    async fn create(&self, aws: &Aws, name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        let metric = PredefinedMetricSpecification::builder()
            .predefined_metric_type(MetricType::SageMakerVariantInvocationsPerInstance)
            .build()
            .map_err(invalid)?;
        let tracking = TargetTrackingScalingPolicyConfiguration::builder()
            .target_value(self.target_value)
            .predefined_metric_specification(metric)
            .scale_in_cooldown(self.scale_in_cooldown)
            .scale_out_cooldown(self.scale_out_cooldown)
            .build()
            .map_err(invalid)?;
        let put = aws
            .autoscaling
            .put_scaling_policy()
            .policy_name(name)
            .service_namespace(ServiceNamespace::Sagemaker)
            .resource_id(self.target())
            .scalable_dimension(DIMENSION)
            .policy_type(PolicyType::TargetTrackingScaling)
            .target_tracking_scaling_policy_configuration(tracking)
            .send()
            .await;
        put.map(|_| ()).map_err(|error| failure("PutScalingPolicy", error))
    }

    fn attached_to(&self) -> Option<ResourceId> {
        Some(ResourceId { kind: Endpoint::TYPE.into(), name: self.endpoint_name.clone() })
    }

    /// AWS deletes its alarms with it.
    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let deleted = aws
            .autoscaling
            .delete_scaling_policy()
            .policy_name(name)
            .service_namespace(ServiceNamespace::Sagemaker)
            .resource_id(self.target())
            .scalable_dimension(DIMENSION)
            .send()
            .await;
        present(deleted.map_err(|error| failure("DeleteScalingPolicy", error))).map(|_| ())
    }
}

impl ScalingPolicy {
    fn target(&self) -> String {
        scalable_id(&self.endpoint_name, &self.variant)
    }
}
