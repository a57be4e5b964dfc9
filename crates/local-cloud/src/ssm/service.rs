//! The service.

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
    /// Returns the service. Its parameters name `images`.
    pub fn new(cloud: &Arc<Cloud>, images: Arc<dyn Images>) -> Self {
        Self { cloud: cloud.clone(), images }
    }
}
