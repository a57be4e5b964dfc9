//! The policy language: documents, and decisions by them. It uses no service.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod cases;
mod condition;
mod context;
mod document;
mod evaluate;
mod grammar;
mod pattern;
mod principal;
mod public;
mod rule;

pub use context::Context;
pub use document::Document;
pub use evaluate::{EVERYTHING, Policies, Source, Verdict};
pub use principal::{Asker, Grant};
pub use public::limits_everybody;
pub use rule::{Effect, Rule};
