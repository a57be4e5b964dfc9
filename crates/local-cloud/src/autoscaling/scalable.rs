//! The traits by which Application Auto Scaling uses SageMaker, whose endpoints' production variants it scales, and Lambda,
//! whose provisioned concurrency it scales.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::call::AwsError;

/// A capacity as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Whether it can be changed now.
    pub settled: bool,
    /// What it should be.
    pub desired: u64,
}

/// A production variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Whether its capacity can be changed now.
    pub in_service: bool,
    /// The number of instances that it should have.
    pub desired: u64,
    /// `ml.m5.large`
    pub instance_type: String,
}

/// Receives one message: whether a capacity was reached, and if not, why. If the server stops first, there is no
/// message.
pub type Change = oneshot::Receiver<Result<(), String>>;

/// The service that has the variants. Implemented by SageMaker.
#[async_trait]
pub trait Scalable: Send + Sync {
    /// Returns a variant. None: there is no such endpoint, or it has no such variant, or not yet.
    ///
    /// # Errors
    /// The store's.
    fn variant(&self, endpoint: &str, variant: &str) -> Result<Option<Variant>, AwsError>;

    /// Starts to change the number of instances of an endpoint's variant to `count`. The endpoint serves meanwhile.
    ///
    /// # Errors
    /// AWS's, for an endpoint that does not exist or is not InService, for a count of 0, and `ResourceLimitExceeded`.
    fn set_capacity(self: Arc<Self>, endpoint: &str, variant: &str, count: u64) -> Result<Change, AwsError>;

    /// Waits until an endpoint of the last server serves again with all its instances.
    ///
    /// # Errors
    /// Why it does not serve.
    async fn settled(&self, endpoint: &str) -> Result<(), String>;

    /// Writes metrics of zero for a variant that got no request in the period that began at `time_ms`.
    fn report_idle(&self, endpoint: &str, variant: &str, time_ms: i64);

    /// Writes the metrics of the instances' use of the machine. It is called once in each period of the control loop.
    ///
    /// # Errors
    /// The store's.
    fn report_usage(&self) -> Result<(), AwsError>;
}

/// The service that has the functions. Implemented by Lambda.
#[async_trait]
pub trait Functions: Send + Sync {
    /// Returns the provisioned concurrency of a function's version or alias, which is 0 if it has none. None: there is no
    /// such function, version or alias.
    ///
    /// # Errors
    /// The store's.
    fn provisioned(&self, function: &str, qualifier: &str) -> Result<Option<Capacity>, AwsError>;

    /// Starts to change the provisioned concurrency to `count`; 0 ends it.
    ///
    /// # Errors
    /// Those of PutProvisionedConcurrencyConfig.
    fn set_provisioned(
        self: Arc<Self>,
        function: &str,
        qualifier: &str,
        count: u64,
    ) -> Result<Change, AwsError>;

    /// Waits until all provisioned environments are ready.
    ///
    /// # Errors
    /// Why they aren't.
    async fn settled(&self, function: &str, qualifier: &str) -> Result<(), String>;
}
