//! Who owns a resource, by its tags.

use super::traits::{Naming, Resource};
use crate::aws::Aws;
use crate::failure::Outcome;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This stack's.
    Ours,
    /// It has no tags.
    Unowned,
    SomebodyElses,
}

/// Returns the owner of an existing resource. A name with a timestamp in milliseconds was free when it was intended, and
/// nobody else generates it: its resource is this stack's.
pub async fn of<R: Resource>(one: &R, aws: &Aws, name: &str, stack: &str) -> Outcome<Ownership> {
    if let Naming::Timestamp { .. } | Naming::Unique(_) = one.naming() {
        return Ok(Ownership::Ours);
    }
    let tags = one.tags(aws, name).await?;
    Ok(match tags.get("opsml:stack") {
        Some(of) if of == stack => Ownership::Ours,
        None if tags.is_empty() => Ownership::Unowned,
        _ => Ownership::SomebodyElses,
    })
}
