//! The traits by which SageMaker, which has the variants, and Lambda, which has the functions, use this service.

use std::sync::Arc;

use super::scalable::{Functions, Scalable};
use crate::call::{AwsError, Caller};

/// The scalable targets of endpoints.
pub trait Targets: Send + Sync + std::fmt::Debug {
    /// Scales the variants of this service from now on. The reference to it is weak, since it has one to this service.
    fn scale(self: Arc<Self>, scaled: Arc<dyn Scalable>);

    /// Stops scaling.
    fn stop(&self);

    /// Returns whether a variant is a scalable target.
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

/// The scalable targets of functions.
pub trait FunctionTargets: Send + Sync + std::fmt::Debug {
    /// Scales the functions of this service from now on. The reference to it is weak, since it has one to this service.
    fn scale_functions(self: Arc<Self>, functions: Arc<dyn Functions>);
}
