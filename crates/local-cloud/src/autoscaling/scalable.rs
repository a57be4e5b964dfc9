//! The trait by which Application Auto Scaling uses SageMaker, whose endpoints' production variants it scales.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::call::AwsError;

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
