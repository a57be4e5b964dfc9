//! The AWS SDK's clients, and what all calls have in common. Only this folder, `resource` and `action` call AWS.

mod client;
mod gate;
mod protocol;

pub use client::{Aws, Target, failure, is_absent, present};
