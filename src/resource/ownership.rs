//! Who owns a resource, by its tags.

use super::traits::{STACK_TAG, Tags};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This stack's.
    Ours,
    /// It has no tags.
    Unowned,
    SomebodyElses,
}

impl Ownership {
    /// Returns the owner of a resource that has these tags.
    pub fn by(tags: &Tags, stack: &str) -> Self {
        match tags.get(STACK_TAG) {
            Some(of) if of == stack => Self::Ours,
            None if tags.is_empty() => Self::Unowned,
            _ => Self::SomebodyElses,
        }
    }
}
