//! S3: buckets and objects, kept as files in the cloud's folder.
//!
//! ```text
//! s3s (HTTP, signatures, XML) ─ [access] authorises ─ a row of [operations] ─ a handler ─ [store]: [index], [blobs]
//! ```
//!
//! S3 doesn't use the dispatcher. Its bodies are streams, and the crate s3s verifies their signatures and checksums
//! piece by piece while they are stored. The rule is the same: no handler is called without [`access`]. s3s calls it
//! for every operation after it has verified the signature, and it refuses an operation that has no row.
//!
//! `members.txt` says what is done with each member of an operation's input. What is refused is refused by [`sent`], by what
//! its header is called, by [`unread`], where s3s doesn't know it, or by the handler.
//!
//! To add an operation, add a row to [`operations`] with the access that it needs, and a handler: a method of
//! [`store::ObjectStore`] in the file of its subject ([`buckets`], [`configurations`], [`policies`], [`reads`], [`writes`],
//! [`copies`], [`tagging`], [`listings`], [`uploads`], [`upload_listings`]). Other services use objects through [`Objects`], with the permissions of a role.

mod access;
mod arn;
mod blobs;
mod bucket;
mod bucket_policy;
mod buckets;
mod checksums;
mod conditions;
mod configurations;
mod copies;
mod details;
mod encryption;
mod error;
mod index;
mod listings;
mod managed_key;
mod multipart;
mod objects;
mod operations;
mod policies;
mod reads;
mod sent;
mod service;
mod storage;
mod store;
mod tagging;
mod unread;
mod upload_listings;
mod uploads;
mod wire;
mod writes;

pub use objects::{Listed, Objects};
pub use service::S3;
