//! The service, and its requests.

use std::sync::Arc;

use serde_json::Value;

use super::download::Downloads;
use super::errors::invalid;
use super::host::Host;
use super::pool::Pools;
use super::record::Function;
use super::target::Target;
use crate::authority::Authority;
use crate::autoscaling::FunctionTargets;
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::cloudwatch::MetricSink;
use crate::ec2::Network;
use crate::logs::LogSink;
use crate::s3::Objects;
use crate::support::page::{page, size};

/// The greatest number of entries on a page.
const PAGE: usize = 50;

pub struct Lambda {
    pub(super) cloud: Arc<Cloud>,
    pub(super) iam: Arc<dyn Authority>,
    pub(super) objects: Arc<dyn Objects>,
    pub(super) metrics: Arc<dyn MetricSink>,
    pub(super) network: Arc<dyn Network>,
    pub(super) host: Arc<Host>,
    pub(super) pools: Arc<Pools>,
    pub(super) downloads: Downloads,
    pub(super) scaling: Arc<dyn FunctionTargets>,
}

impl Lambda {
    pub fn new(
        cloud: &Arc<Cloud>,
        authority: Arc<dyn Authority>,
        logs: Arc<dyn LogSink>,
        objects: Arc<dyn Objects>,
        metrics: Arc<dyn MetricSink>,
        network: Arc<dyn Network>,
        scaling: Arc<dyn FunctionTargets>,
    ) -> Self {
        let host = Arc::new(Host::new(cloud, Arc::clone(&authority), logs));
        let pools = Arc::new(Pools::new(Arc::clone(&host)));
        Self {
            cloud: Arc::clone(cloud),
            iam: authority,
            objects,
            metrics,
            network,
            host,
            pools,
            downloads: Downloads::default(),
            scaling,
        }
    }
}

/// A request to Lambda.
pub type Request<'a> = crate::service::Request<'a, Lambda>;

impl Request<'_> {
    /// Returns the function that the request names.
    pub(super) fn target(&self) -> Result<Target, AwsError> {
        Target::read(&self.service.cloud, self.input())
    }

    /// Returns the function that the request names, and its record.
    pub(super) fn found(&self) -> Result<(Target, Function), AwsError> {
        let target = self.target()?;
        let function = target.function(&self.service.cloud)?;
        Ok((target, function))
    }

    /// Returns the page of a listing that the request asks for.
    pub(super) fn page(&self, list: &str, items: Vec<Value>) -> Reply {
        let size = size(&self.input()["MaxItems"], PAGE, PAGE);
        let page = page(items, self.optional("Marker"), size);
        Ok(page.ok_or_else(|| invalid("The marker is not valid."))?.answer(list, "NextMarker"))
    }
}
