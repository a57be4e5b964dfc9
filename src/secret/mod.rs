//! Secrets: what they look like, which values are known to be some, and what stands in their place.
//!
//! A secret is masked once, where its value enters the journal or the console. Nothing is rewritten after it was rendered.

mod catalogue;
mod find;
mod known;
mod mask;
mod name;
#[cfg(test)]
mod tests;

pub use find::{may_hold_secret, spans};
pub use known::{know, know_environment, know_fields};
pub use mask::{Lines, MASK, Masker, holds_mask, is_maskable, shown, shown_value};
