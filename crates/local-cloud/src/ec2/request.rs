//! Reads requests to EC2: their members, the access that they need, and the filters and pages of Describe calls.

use regex::Regex;
use serde_json::Value;

use super::error::{error, invalid};
use super::service::{Ec2, PRINCIPAL};
use crate::authority::Access;
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::policy::Context;
use crate::service::Service;
use crate::support::page;

/// A request to EC2.
pub type Request<'a> = crate::service::Request<'a, Ec2>;

/// The access that an operation needs.
pub type Needed = Result<Vec<Access>, AwsError>;

/// The names of filters, and the path to the value in a described resource: member names joined by dots. A path goes
/// into every item of a list.
pub type Filters = &'static [(&'static str, &'static str)];

/// Returns the access that operations without a particular resource need: their action on `*`.
pub fn everything(request: &Request) -> Needed {
    Ok(vec![request.access("*", Context::new())])
}

impl<'a> Request<'a> {
    pub fn cloud(&self) -> &'a Cloud {
        &self.service.cloud
    }

    /// Returns a text member. None: it is absent or empty, which EC2 treats the same way.
    pub fn given(&self, name: &str) -> Option<&'a str> {
        self.optional(name).filter(|text| !text.is_empty())
    }

    /// Returns `arn:aws:ec2:REGION:ACCOUNT:KIND/ID`.
    pub fn arn(&self, kind: &str, id: &str) -> String {
        self.cloud().arn("ec2", &format!("{kind}/{id}"))
    }

    /// Returns the access of the operation's own action on a resource, an ARN or `*`.
    pub fn access(&self, resource: impl Into<String>, context: Context) -> Access {
        self.on_with(resource, self.in_region(context))
    }

    /// Returns the access of another action that the operation implies.
    pub fn implied_access(&self, action: &str, resource: &str, context: Context) -> Access {
        Access::new(action, resource).with(self.in_region(context))
    }

    fn in_region(&self, context: Context) -> Context {
        context.with("ec2:Region", &*self.cloud().region)
    }

    /// Checks `iam:PassRole` for the role of an instance profile.
    pub fn authorize_pass_role(&self, role_arn: &str) -> Result<(), AwsError> {
        let passes = self.service.iam.authorize_pass_role(&self.call.caller, role_arn, PRINCIPAL);
        passes.map_err(Ec2::denied)
    }

    /// Returns the error that answers a request with DryRun. Handlers call this after their checks and before any
    /// change.
    pub fn dry_run(&self) -> Result<(), AwsError> {
        if self.flag("DryRun") {
            let message = "Request would have succeeded, but DryRun flag is set.";
            return Err(AwsError::new(412, "DryRunOperation", message));
        }
        Ok(())
    }

    /// Returns the answer to a Describe call: a page of the items that match the request's filters.
    pub fn listed(&self, member: &str, items: Vec<Value>, filters: Filters) -> Reply {
        self.page(member, self.filtered(items, filters)?)
    }

    /// Returns the items that match the request's filters. All calls support the filters `tag:KEY` and `tag-key`.
    pub fn filtered(&self, mut items: Vec<Value>, known: Filters) -> Result<Vec<Value>, AwsError> {
        for filter in self.items("Filters") {
            let name = filter["Name"].as_str().unwrap_or_default();
            let path = known.iter().find(|(known, _)| *known == name).map(|(_, path)| *path);
            if path.is_none() && !name.starts_with("tag:") && name != "tag-key" {
                return Err(error("InvalidParameterValue", format!("The filter '{name}' is invalid")));
            }
            let values: Vec<&str> =
                filter["Values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let wanted = patterns(&values)?;
            items.retain(|item| {
                let found = match (path, name.strip_prefix("tag:")) {
                    (Some(path), _) => values_at(item, path),
                    (None, Some(key)) => tag_values(item, key),
                    (None, None) => values_at(item, "Tags.Key"),
                };
                found.iter().any(|value| wanted.iter().any(|pattern| pattern.is_match(value)))
            });
        }
        Ok(items)
    }

    /// Returns a page of the items, or all if the request doesn't limit their number.
    pub fn page(&self, member: &str, items: Vec<Value>) -> Reply {
        let token = self.given("NextToken");
        let size = page::size(&self.input()["MaxResults"], usize::MAX, usize::MAX);
        let page = page::page(items, token, size).ok_or_else(|| {
            let why = "It must be a token that a Describe call returned.";
            invalid("NextToken", token.unwrap_or_default(), why)
        })?;
        Ok(page.answer(member, "NextToken"))
    }
}

/// The most characters that a filter's value may have.
const VALUE: usize = 255;

/// Returns the regexes of filter values, in which `*` matches any text, `?` any character, and a character after a
/// backslash only itself.
fn patterns(values: &[&str]) -> Result<Vec<Regex>, AwsError> {
    let pattern = |value: &&str| {
        if value.chars().count() > VALUE {
            return Err(invalid("Filter.Value", value, "Values have up to 255 characters."));
        }
        let mut regex = String::from("(?s)^");
        let mut chars = value.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' => regex.push_str(".*"),
                '?' => regex.push('.'),
                '\\' => regex.push_str(&regex::escape(&chars.next().unwrap_or('\\').to_string())),
                c => regex.push_str(&regex::escape(&c.to_string())),
            }
        }
        Regex::new(&(regex + "$")).map_err(|error| AwsError::internal(error.to_string()))
    };
    values.iter().map(pattern).collect()
}

fn tag_values(item: &Value, key: &str) -> Vec<String> {
    let tags = item["Tags"].as_array().into_iter().flatten().filter(|tag| tag["Key"] == key);
    tags.filter_map(|tag| Some(tag["Value"].as_str()?.to_owned())).collect()
}

/// Returns all values at a path of members, as text.
fn values_at(value: &Value, path: &str) -> Vec<String> {
    match (value, path.split_once('.').unwrap_or((path, ""))) {
        (Value::Array(items), _) => items.iter().flat_map(|item| values_at(item, path)).collect(),
        (Value::String(text), ("", _)) => vec![text.clone()],
        (Value::Bool(_) | Value::Number(_), ("", _)) => vec![value.to_string()],
        (Value::Object(members), (name, rest)) => {
            members.get(name).map(|value| values_at(value, rest)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_find_values_through_lists() {
        let item = json!({"State": {"Name": "running", "Code": 16}, "Groups": [{"Id": "a"}, {"Id": "b"}]});
        assert_eq!(values_at(&item, "State.Name"), ["running"]);
        assert_eq!(values_at(&item, "State.Code"), ["16"]);
        assert_eq!(values_at(&item, "Groups.Id"), ["a", "b"]);
        assert_eq!(values_at(&item, "Groups.None"), Vec::<String>::new());
        assert_eq!(values_at(&item, "State"), Vec::<String>::new());
    }

    #[test]
    fn filters_take_wildcards_and_nothing_else_for_a_pattern() {
        let matches = |pattern: &str, text: &str| patterns(&[pattern]).unwrap()[0].is_match(text);
        assert!(matches("al2023-*-x86_64", "al2023-ami-x86_64"));
        assert!(matches("?.b", "a.b") && !matches("?.b", "a-b") && !matches("a", "ab"));
        assert!(matches("\\*", "*") && !matches("\\*", "a"));
        assert!(patterns(&["*?".repeat(127).as_str()]).is_ok());
        assert!(patterns(&["*?".repeat(128).as_str()]).is_err());
    }
}
