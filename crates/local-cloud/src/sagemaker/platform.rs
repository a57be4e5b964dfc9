//! What containers need: the state, their roles, their logs, and the objects that they read and write.

use std::sync::Arc;

use crate::authority::{Authority, Session};
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::cloudwatch::MetricSink;
use crate::logs::LogSink;
use crate::policy::Context;
use crate::s3::Objects;

/// SageMaker's service principal in trust policies.
pub const PRINCIPAL: &str = "sagemaker.amazonaws.com";
/// The name of the sessions that SageMaker starts.
const SESSION: &str = "SageMaker";

/// Used by everything that runs a container.
#[derive(Debug)]
pub struct Platform {
    pub cloud: Arc<Cloud>,
    pub iam: Arc<dyn Authority>,
    pub logs: Arc<dyn LogSink>,
    pub metrics: Arc<dyn MetricSink>,
    pub objects: Arc<dyn Objects>,
}

impl Platform {
    /// Returns credentials of a role.
    ///
    /// # Errors
    /// A ValidationException in SageMaker's words: the role doesn't exist, or doesn't trust SageMaker.
    pub fn assume(&self, role: &str) -> Result<Session, AwsError> {
        let session = self.iam.assume_role(role, PRINCIPAL, SESSION, &Context::new());
        session.map_err(|error| match error.code.as_str() {
            "AccessDenied" => AwsError::validation(format!(
                "Could not assume role {role}. Please ensure that the role exists and allows principal '{PRINCIPAL}' to \
                 assume the role."
            )),
            _ => error,
        })
    }
}
