//! How many instances an endpoint has, and its scaling activities.

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace};

use crate::aws::{Aws, failure};
use crate::failure::{Failure, Outcome};
use crate::resource::scalable_id;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instances {
    /// How many serve.
    pub current: i32,
    /// How many are wanted.
    pub desired: i32,
}

/// Returns how many instances a variant of an endpoint has.
pub async fn instances(aws: &Aws, endpoint: &str, variant: &str) -> Outcome<Instances> {
    let described = aws.sagemaker.describe_endpoint().endpoint_name(endpoint).send().await;
    let described = described.map_err(|error| failure("DescribeEndpoint", error))?;
    let variants = described.production_variants();
    let found = variants.iter().find(|one| one.variant_name() == Some(variant)).ok_or_else(|| {
        let known: Vec<&str> = variants.iter().filter_map(|one| one.variant_name()).collect();
        Failure::new("NotFound", format!("the endpoint {endpoint} has no variant {variant}"))
            .hint(format!("its variants are {}", known.join(", ")))
    })?;
    let current = found.current_instance_count().unwrap_or_default();
    Ok(Instances { current, desired: found.desired_instance_count().unwrap_or(current) })
}

#[derive(Clone, Debug, PartialEq)]
pub struct ScalingActivity {
    /// Seconds since 1970.
    pub started: f64,
    pub description: String,
    pub cause: String,
    pub status: String,
    /// The service's description of the result.
    pub details: Option<String>,
}

/// Returns a variant's scaling activities after a time (seconds since 1970), oldest first.
pub async fn scaling_activities(
    aws: &Aws,
    endpoint: &str,
    variant: &str,
    after: f64,
) -> Outcome<Vec<ScalingActivity>> {
    let mut found = Vec::new();
    let mut pages = aws
        .autoscaling
        .describe_scaling_activities()
        .service_namespace(ServiceNamespace::Sagemaker)
        .resource_id(scalable_id(endpoint, variant))
        .scalable_dimension(ScalableDimension::SageMakerVariantDesiredInstanceCount)
        .into_paginator()
        .send();
    // The service returns the newest first.
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failure("DescribeScalingActivities", error))?;
        let before = found.len();
        found.extend(
            page.scaling_activities().iter().filter(|one| one.start_time().as_secs_f64() > after).map(
                |one| ScalingActivity {
                    started: one.start_time().as_secs_f64(),
                    description: one.description().to_owned(),
                    cause: one.cause().to_owned(),
                    status: one.status_code().as_str().to_owned(),
                    details: one.details().filter(|text| !text.trim().is_empty()).map(str::to_owned),
                },
            ),
        );
        if found.len() == before {
            break;
        }
    }
    found.sort_by(|a, b| a.started.total_cmp(&b.started));
    Ok(found)
}
