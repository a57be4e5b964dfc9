//! What SageMaker asks about scalable targets when an endpoint is changed or deleted.

use crate::call::{AwsError, Caller};

/// The scalable targets of endpoints.
pub trait Targets: Send + Sync + std::fmt::Debug {
    /// Whether a variant is a scalable target.
    ///
    /// # Errors
    /// The store's.
    fn is_target(&self, endpoint: &str, variant: &str) -> Result<bool, AwsError>;

    /// Checks that a caller may deregister all targets of an endpoint, as a caller who deletes the endpoint must.
    /// <https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-delete-with-scaling.html>
    ///
    /// # Errors
    /// `AccessDeniedException`.
    fn may_deregister(&self, caller: &Caller, endpoint: &str) -> Result<(), AwsError>;

    /// Deregisters all targets of an endpoint that is being deleted.
    ///
    /// # Errors
    /// The store's.
    fn deregister_all(&self, endpoint: &str) -> Result<(), AwsError>;
}
