//! A user or role with its policies, parsed.

use super::stored::Tag;
use crate::policy::Document;

/// The user or role of a caller.
#[derive(Debug, Default)]
pub struct Principal {
    /// The role's ARN. None: it is a user.
    pub role: Option<String>,
    pub tags: Vec<Tag>,
    pub identity: Vec<Document>,
    pub boundary: Option<Document>,
}
