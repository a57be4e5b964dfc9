//! The one list of services: each is opened on the cloud and on those below it, of which it knows a small trait.
//!
//! A new service is its folder and its line here.

use std::sync::Arc;

use crate::authority::Authority;
use crate::autoscaling::Scaling;
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::cloudwatch::CloudWatch;
use crate::dispatch::{Served, Tabled};
use crate::ec2::Ec2;
use crate::iam::{AccessKey, Iam};
use crate::lambda::Lambda;
use crate::logs::Logs;
use crate::s3::S3;
use crate::sagemaker::{Runtime, SageMaker};
use crate::ssm::Ssm;
use crate::sts::Sts;

/// All services of a cloud.
pub struct Services {
    /// Who decides what callers may do.
    pub authority: Arc<dyn Authority>,
    /// In the order in which they start; they stop in reverse.
    pub list: Arc<[Box<dyn Served>]>,
}

impl Services {
    /// Opens every service on the cloud's state, which holds the keys of the first user from then on.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub fn open(cloud: &Arc<Cloud>, keys: &AccessKey) -> Result<Self, AwsError> {
        let logs = Arc::new(Logs::new(cloud));
        let iam = Arc::new(Iam::open(cloud, logs.clone(), keys)?);
        let s3 = S3::open(cloud, iam.clone())?;
        let cloudwatch = Arc::new(CloudWatch::open(cloud)?);
        let ec2 = Arc::new(Ec2::new(cloud, iam.clone()));
        let scaling = Arc::new(Scaling::new(cloud, iam.clone(), cloudwatch.clone()));
        let sagemaker = Arc::new(SageMaker::new(
            cloud,
            iam.clone(),
            logs.clone(),
            s3.objects(),
            cloudwatch.clone(),
            ec2.clone(),
            scaling.clone(),
        ));
        scaling.scale(sagemaker.clone());
        let lambda = Arc::new(Lambda::new(cloud, iam.clone(), logs.clone(), s3.objects(), ec2.clone()));
        let list: [Box<dyn Served>; 11] = [
            Box::new(Tabled(Arc::new(Sts::new(cloud, iam.clone())))),
            Box::new(Tabled(Arc::new(Ssm::new(cloud, ec2.clone())))),
            Box::new(Tabled(logs)),
            Box::new(Tabled(iam.clone())),
            Box::new(s3),
            Box::new(Tabled(cloudwatch)),
            Box::new(Tabled(ec2)),
            Box::new(Tabled(sagemaker.clone())),
            Box::new(Tabled(Arc::new(Runtime(sagemaker)))),
            Box::new(Tabled(scaling)),
            Box::new(Tabled(lambda)),
        ];
        Ok(Self { authority: iam, list: Arc::new(list) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::service::Service;

    /// The operations that stand in a service's table or in its model, but not in both.
    fn in_one_alone<S: Service>() -> BTreeSet<&'static str> {
        let table: BTreeSet<&str> = S::operations().iter().map(|operation| operation.name).collect();
        assert_eq!(table.len(), S::operations().len(), "{} has an operation twice", S::TITLE);
        &table ^ &S::model().operations().collect()
    }

    #[test]
    fn every_table_has_the_operations_of_its_model() {
        let lone = [
            in_one_alone::<Sts>(),
            in_one_alone::<Ssm>(),
            in_one_alone::<Logs>(),
            in_one_alone::<Iam>(),
            in_one_alone::<CloudWatch>(),
            in_one_alone::<Ec2>(),
            in_one_alone::<SageMaker>(),
            in_one_alone::<Runtime>(),
            in_one_alone::<Scaling>(),
            in_one_alone::<Lambda>(),
        ];
        assert_eq!(lone.into_iter().flatten().collect::<Vec<_>>(), Vec::<&str>::new());
    }
}
