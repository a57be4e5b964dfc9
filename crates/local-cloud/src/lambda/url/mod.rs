//! Functions' URLs: the operations on them, and the requests to them.
//!
//! A URL has a host of AWS's (`https://ID.lambda-url.REGION.on.aws/`), which clients reach by the cloud's proxy. [`serve`]
//! decides who may send a request, makes it an [`event`] and the function's value an [`answer`](reply).
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>

mod cors;
mod event;
mod operations;
mod reply;
mod serve;

pub use operations::{create, delete, get, list, update};
pub use serve::{answer, is_url};
