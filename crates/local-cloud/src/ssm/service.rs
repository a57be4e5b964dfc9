//! The service: what it holds while it runs.

use std::sync::Arc;

use crate::cloud::Cloud;
use crate::ec2::Images;

/// Systems Manager.
#[derive(Debug)]
pub struct Ssm {
    pub(super) cloud: Arc<Cloud>,
    pub(super) images: Arc<dyn Images>,
}

impl Ssm {
    /// Opens the service for the parameters that name `images`.
    pub fn new(cloud: &Arc<Cloud>, images: Arc<dyn Images>) -> Self {
        Self { cloud: cloud.clone(), images }
    }
}
