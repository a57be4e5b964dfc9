//! The local cloud: an AWS-compatible server on loopback in which training jobs really train, endpoints
//! really serve and IAM is really enforced.
//!
//! ```text
//! HTTP ─ server ─ sigv4 ─ protocol (one codec each) ─ Call ─ a service ─ Reply
//!                                                             │
//!                       Cloud: store, IAM decisions, S3 objects, logs, child processes
//! ```
//!
//! A service is protocol-blind: it gets a [`call::Call`] and answers JSON in the shapes of AWS's models. Each
//! one authorises the caller before it acts. State lies in one SQLite file and a folder of S3 objects.

pub mod autoscaling;
pub mod call;
pub mod child;
pub mod cloud;
pub mod cloudwatch;
pub mod ec2;
pub mod iam;
pub mod lambda;
pub mod lifecycle;
mod listen;
pub mod logs;
pub mod process;
pub mod protocol;
pub mod s3;
pub mod sagemaker;
pub mod server;
mod shapes;
pub mod sigv4;
pub mod ssm;
pub mod store;
pub mod sts;

pub use cloud::{Cloud, Settings};
