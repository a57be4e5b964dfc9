//! The local cloud: an AWS-compatible server on loopback in which training jobs really train, endpoints
//! really serve and IAM is really enforced.
//!
//! ```text
//! HTTP ─ server (signature) ─ dispatch: decode, check, authorise ─ a service's handler ─ encode
//!                                       protocol, model    authority
//! ```
//!
//! From the top down, each layer uses those below it and no other:
//!
//! 1. `lifecycle`: starts and stops a server, and finds one. `registry`: the one list of services.
//! 2. The services, each in its folder. One that needs another goes through a small trait of the lower one.
//! 3. `dispatch`, `door`, `server`, `service`: how any request becomes a call.
//! 4. `protocol`, `model`, `sigv4`, `authority`, `policy`: the wire, AWS's models, signatures, access.
//! 5. `support`, `store`, `cloud`, `call`, `folder`: what is about no service.

pub mod authority;
pub mod autoscaling;
pub mod call;
pub mod cloud;
pub mod cloudwatch;
pub mod dispatch;
pub mod door;
pub mod ec2;
pub mod folder;
pub mod iam;
pub mod lambda;
pub mod lifecycle;
pub mod logs;
pub mod model;
pub mod policy;
pub mod protocol;
pub mod registry;
pub mod s3;
pub mod sagemaker;
pub mod server;
pub mod service;
pub mod sigv4;
pub mod ssm;
pub mod store;
pub mod sts;
pub mod support;

pub use cloud::{Cloud, Settings};
