//! Filters, sorts and pages the answers of List operations.

use serde_json::Value;

use crate::call::{AwsError, Reply};
use crate::support::clock::milliseconds;
use crate::support::page;

/// An entry of a listing: its summary, and the values by which it is filtered and sorted.
pub struct Entry {
    pub name: String,
    pub created_ms: i64,
    pub modified_ms: i64,
    pub status: String,
    pub summary: Value,
}

/// Returns the answer to a List operation: the summaries that its input asks for, in the member `member`.
///
/// # Errors
/// A ValidationException for an invalid token.
pub fn list(member: &str, input: &Value, mut entries: Vec<Entry>) -> Reply {
    let created = Period::of(input, "CreationTime");
    let modified = Period::of(input, "LastModifiedTime");
    let part = input["NameContains"].as_str().map(str::to_lowercase);
    entries.retain(|entry| {
        part.as_ref().is_none_or(|part| entry.name.to_lowercase().contains(part))
            && input["StatusEquals"].as_str().is_none_or(|status| entry.status == status)
            && created.contains(entry.created_ms)
            && modified.contains(entry.modified_ms)
    });
    match input["SortBy"].as_str() {
        Some("Name") => entries.sort_by(|a, b| a.name.cmp(&b.name)),
        Some("Status") => entries.sort_by(|a, b| a.status.cmp(&b.status).then(a.name.cmp(&b.name))),
        _ => entries.sort_by(|a, b| a.created_ms.cmp(&b.created_ms).then(a.name.cmp(&b.name))),
    }
    if input["SortOrder"].as_str() != Some("Ascending") {
        entries.reverse();
    }
    paged(member, input, entries.into_iter().map(|entry| entry.summary).collect())
}

/// Returns the page of `summaries` that the input asks for, in the member `member`.
///
/// # Errors
/// A ValidationException for an invalid token.
pub fn paged(member: &str, input: &Value, summaries: Vec<Value>) -> Reply {
    let size = page::size(&input["MaxResults"], 10, 100);
    let page = page::page(summaries, input["NextToken"].as_str(), size);
    let page = page.ok_or_else(|| AwsError::validation("Invalid NextToken"))?;
    Ok(page.answer(member, "NextToken"))
}

/// The time between two members of an input, both exclusive.
struct Period {
    after: Option<i64>,
    before: Option<i64>,
}

impl Period {
    fn of(input: &Value, member: &str) -> Self {
        let time = |end: &str| milliseconds(&input[format!("{member}{end}")]);
        Self { after: time("After"), before: time("Before") }
    }

    fn contains(&self, ms: i64) -> bool {
        self.after.is_none_or(|after| ms > after) && self.before.is_none_or(|before| ms < before)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(input: Value) -> Vec<String> {
        let entries = [("b", 1000, "Failed"), ("Ab", 2000, "Completed"), ("c", 3000, "Completed")];
        let entry = |(name, ms, status): (&str, i64, &str)| Entry {
            name: name.to_owned(),
            created_ms: ms,
            modified_ms: ms,
            status: status.to_owned(),
            summary: json!(name),
        };
        let answer = list("All", &input, entries.map(entry).into()).unwrap();
        answer["All"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn filters_and_order() {
        assert_eq!(names(json!({})), ["c", "Ab", "b"]);
        assert_eq!(names(json!({"SortBy": "Name", "SortOrder": "Ascending"})), ["Ab", "b", "c"]);
        assert_eq!(names(json!({"NameContains": "B"})), ["Ab", "b"]);
        assert_eq!(names(json!({"StatusEquals": "Completed", "SortBy": "Status"})), ["c", "Ab"]);
        assert_eq!(names(json!({"CreationTimeAfter": 1.0, "LastModifiedTimeBefore": 3.0})), ["Ab"]);
        assert_eq!(names(json!({"MaxResults": 1})), ["c"]);
        assert_eq!(names(json!({"MaxResults": 1, "NextToken": "1"})), ["Ab"]);
        assert!(list("All", &json!({"NextToken": "x"}), Vec::new()).is_err());
    }
}
