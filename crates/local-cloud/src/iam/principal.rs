//! A user or role with its policies, parsed.

use super::stored::Tag;
use crate::policy::Document;

/// Who is behind a caller.
#[derive(Debug)]
pub struct Principal {
    /// A role's ARN; None of a user.
    pub role: Option<String>,
    pub tags: Vec<Tag>,
    pub identity: Vec<Document>,
    pub boundary: Option<Document>,
}
