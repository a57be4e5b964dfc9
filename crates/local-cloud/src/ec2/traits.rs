//! The traits by which other services use EC2.

use super::service::Ec2;
use super::{group, images, network};
use crate::call::AwsError;

/// The network, for services whose resources can be in a VPC.
pub trait Network: Send + Sync + std::fmt::Debug {
    /// Returns the id of the default VPC, `vpc-…`.
    fn vpc_id(&self) -> String;

    /// Checks that a subnet and security groups exist.
    ///
    /// # Errors
    /// EC2's own: `InvalidSubnetID.NotFound`, `InvalidGroup.NotFound`, `InvalidGroupId.Malformed`.
    fn check_network(&self, subnet: &str, groups: &[&str]) -> Result<(), AwsError>;
}

impl Network for Ec2 {
    fn vpc_id(&self) -> String {
        network::vpc_id(&self.cloud)
    }

    fn check_network(&self, subnet: &str, groups: &[&str]) -> Result<(), AwsError> {
        network::subnet(&self.cloud, subnet)?;
        groups.iter().try_for_each(|id| group::by_id(&self.cloud, id).map(drop))
    }
}

/// The machine images, for Systems Manager, whose public parameters name them.
pub trait Images: Send + Sync + std::fmt::Debug {
    /// Returns the id of the image that a public parameter names. None: no image has this parameter.
    fn parameter(&self, name: &str) -> Option<String>;
}

impl Images for Ec2 {
    fn parameter(&self, name: &str) -> Option<String> {
        images::parameter(&self.cloud, name)
    }
}
