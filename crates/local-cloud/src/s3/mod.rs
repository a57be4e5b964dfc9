//! S3: buckets and objects, kept as files in the cloud's folder.
//!
//! ```text
//! s3s (HTTP, signatures, XML) ─ [access] authorises ─ a row of [operations] ─ a handler ─ [store]: [index], [blobs]
//! ```
//!
//! S3 does not go through the dispatcher. Its bodies are streams, and their signatures and checksums are verified piece by
//! piece while they are stored, which the crate s3s does. The rule is the same: no handler is reached without [`access`],
//! which s3s calls for every operation once the signature holds, and which refuses an operation that has no row.
//!
//! A new operation is a row in [`operations`], which says the access that it needs, and its handler: a method of
//! [`store::ObjectStore`] in the file of its subject ([`buckets`], [`policies`], [`reads`], [`writes`], [`listings`],
//! [`uploads`]). Other services use objects through [`Objects`], as the role that they act as.

mod access;
mod arn;
mod blobs;
mod bucket;
mod bucket_policy;
mod buckets;
mod checksums;
mod error;
mod index;
mod listings;
mod multipart;
mod objects;
mod operations;
mod policies;
mod reads;
mod service;
mod store;
mod uploads;
mod wire;
mod writes;

pub use objects::{Listed, Objects};
pub use service::S3;
