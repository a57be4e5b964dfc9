//! The local cloud: an AWS-compatible server on loopback in which training jobs really train, endpoints
//! really serve and IAM is really enforced.
//!
//! ```text
//! HTTP ─ server (signature) ─ dispatch: decode, check, authorise ─ a service's handler ─ encode
//!                                       protocol, model    authority
//! ```
//!
//! Each layer uses only those below it in this list:
//!
//! 1. `lifecycle` starts, stops and finds a server. `registry` has all services.
//! 2. The services, each in its folder. The list of them ends this file. A service uses another by a small trait of it.
//! 3. `dispatch`, `door`, `server`, `service`: how a request becomes a call of a handler.
//! 4. `protocol`, `model`, `sigv4`, `authority`, `policy`: the wire protocols, AWS's models, signatures, access.
//! 5. `child`, `cloud`, `store`, `folder`, `support`, `call`: what doesn't depend on any service.

use std::sync::Arc;

pub mod authority;
pub mod call;
pub mod child;
pub mod cloud;
pub mod dispatch;
pub mod door;
pub mod folder;
pub mod lifecycle;
pub mod model;
pub mod policy;
pub mod protocol;
#[macro_use]
pub mod registry;
pub mod server;
pub mod service;
pub mod sigv4;
pub mod store;
pub mod support;

pub use cloud::{Cloud, Settings};

services! { |cloud, keys|
    authority: iam,
    logs: logs::Logs::new(cloud),
    iam: iam::Iam::open(cloud, logs.clone(), keys)?,
    sts: sts::Sts::new(cloud, iam.clone()),
    s3: s3::S3::open(cloud, iam.clone())?,
    cloudwatch: cloudwatch::CloudWatch::open(cloud)?,
    ec2: ec2::Ec2::new(cloud, iam.clone()),
    ssm: ssm::Ssm::new(cloud, ec2.clone()),
    pricing: pricing::Pricing,
    autoscaling: autoscaling::Scaling::new(cloud, iam.clone(), cloudwatch.clone()),
    sagemaker: sagemaker::SageMaker::new(
        cloud, iam.clone(), logs.clone(), s3.objects(), cloudwatch.clone(), ec2.clone(), autoscaling.clone(),
    ),
    runtime: runtime::Runtime::new(sagemaker.clone()),
    lambda: lambda::Lambda::new(
        cloud, iam.clone(), logs.clone(), s3.objects(), cloudwatch.clone(), ec2.clone(), autoscaling.clone(),
    ),
}
