//! Reads the inputs of IAM's operations, and answers lists.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{invalid, malformed};
use super::service::Iam;
use super::stored::Tag;
use crate::call::{AwsError, Reply};
use crate::policy::Document;
use crate::store::Store;
use crate::support::{clock, page};

/// The characters that are encoded in policy documents of answers: all but RFC 3986's unreserved ones.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A request to IAM.
pub type Request<'a> = crate::service::Request<'a, Iam>;

impl<'a> Request<'a> {
    pub(super) fn store(&self) -> &'a Store {
        self.service.store()
    }

    /// Returns the ARN of what an operation creates. `kind` is `role`, for example. The input has the path.
    pub(super) fn new_arn(&self, kind: &str, name: &str) -> String {
        self.service.arn(&format!("{kind}{}{name}", self.path()))
    }

    pub(super) fn path(&self) -> &'a str {
        self.optional("Path").unwrap_or("/")
    }

    pub(super) fn path_prefix(&self) -> &'a str {
        self.optional("PathPrefix").unwrap_or("/")
    }

    pub(super) fn tags(&self) -> Result<Vec<Tag>, AwsError> {
        let tags = self.items("Tags").iter().map(Tag::deserialize).collect::<Result<_, _>>();
        tags.map_err(|error| invalid(error.to_string()))
    }

    /// Returns a member that must be a policy of a user or role.
    pub(super) fn identity_policy(&self, member: &str) -> Result<&'a str, AwsError> {
        let text = self.text(member);
        Document::identity(text).map_err(malformed)?;
        Ok(text)
    }

    /// Returns the page of `items` that `Marker` and `MaxItems` ask for. Each item comes with its sort key. A marker is
    /// the last key of the page before, so a deletion between two pages doesn't shift the second.
    pub(super) fn page(&self, list: &str, mut items: Vec<(String, Value)>) -> Reply {
        let size = page::size(&self.input()["MaxItems"], 100, 1000);
        let after = match self.optional("Marker") {
            Some(marker) => {
                let key = hex::decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                Some(key.ok_or_else(|| invalid(format!("Invalid Marker: {marker}")))?)
            }
            None => None,
        };
        items.retain(|(key, _)| after.as_ref().is_none_or(|after| key > after));
        items.sort_by(|(left, _), (right, _)| left.cmp(right));
        let is_truncated = items.len() > size;
        items.truncate(size);
        let marker = items.last().filter(|_| is_truncated).map(|(last, _)| hex::encode(last));
        let items: Vec<Value> = items.into_iter().map(|(_, item)| item).collect();
        Ok(json!({list: items, "IsTruncated": is_truncated, "Marker": marker}))
    }

    /// Returns a page of items of several lists. Each item is an object whose only member has the name of its list.
    pub(super) fn page_of(&self, lists: &[&str], items: Vec<(String, Value)>) -> Reply {
        let mut page = self.page("Items", items)?;
        let mut answer = json!({"IsTruncated": page["IsTruncated"], "Marker": page["Marker"]});
        for list in lists {
            let items = page["Items"].as_array_mut().into_iter().flatten();
            answer[*list] = items.filter_map(|item| Some(item.get_mut(*list)?.take())).collect();
        }
        Ok(answer)
    }
}

/// Returns a time in the format of IAM's answers.
pub fn written(time: Timestamp) -> String {
    clock::iso_seconds(time)
}

/// Returns a policy document in the encoding of IAM's answers.
pub fn url_encoded(document: &str) -> String {
    utf8_percent_encode(document, ENCODED).to_string()
}

/// Returns a policy's size in characters, without whitespace, as AWS counts it.
pub fn policy_size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}
