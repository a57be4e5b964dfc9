//! The service: the services that it uses, and its running jobs and endpoints.

use std::sync::Arc;

use super::endpoint::live::LiveEndpoints;
use super::meter::Meter;
use super::platform::Platform;
use super::runs::Runs;
use crate::authority::Authority;
use crate::autoscaling::Targets;
use crate::cloud::Cloud;
use crate::cloudwatch::MetricSink;
use crate::ec2::Network;
use crate::logs::LogSink;
use crate::s3::Objects;
use crate::store::Store;

/// A request to SageMaker.
pub type Request<'a> = crate::service::Request<'a, SageMaker>;

/// SageMaker: training jobs, tuning jobs, notebook instances, models, endpoints.
#[derive(Debug)]
pub struct SageMaker {
    pub(super) platform: Arc<Platform>,
    pub(super) network: Arc<dyn Network>,
    pub(super) targets: Arc<dyn Targets>,
    pub(super) meter: Meter,
    pub(super) training_jobs: Arc<Runs>,
    pub(super) tuning_jobs: Arc<Runs>,
    pub(super) endpoints: LiveEndpoints,
}

impl SageMaker {
    /// Returns the service. Nothing runs until it is started.
    pub fn new(
        cloud: &Arc<Cloud>,
        iam: Arc<dyn Authority>,
        logs: Arc<dyn LogSink>,
        objects: Arc<dyn Objects>,
        metrics: Arc<dyn MetricSink>,
        network: Arc<dyn Network>,
        targets: Arc<dyn Targets>,
    ) -> Self {
        Self {
            meter: Meter::new(metrics.clone()),
            platform: Arc::new(Platform { cloud: Arc::clone(cloud), iam, logs, metrics, objects }),
            network,
            targets,
            training_jobs: Arc::default(),
            tuning_jobs: Arc::default(),
            endpoints: LiveEndpoints::default(),
        }
    }

    pub(super) fn cloud(&self) -> &Cloud {
        &self.platform.cloud
    }

    pub(super) fn store(&self) -> &Store {
        &self.platform.cloud.store
    }
}
