//! One request to EC2: reading its input, authorising it, and what Describe calls share: filters and pages.

use std::sync::Arc;

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::iam::Context;
use crate::protocol::ec2query::invalid;

/// An EC2 error of the client's making.
pub fn error(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(400, code, message)
}

/// The names of filters, and where in a described resource the value is: members joined by dots, through lists.
pub type Filters = &'static [(&'static str, &'static str)];

/// One operation, with what reads its input and authorises it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub cloud: &'a Arc<Cloud>,
    pub call: &'a Call,
}

impl<'a> Request<'a> {
    pub fn input(&self) -> &'a Value {
        &self.call.input
    }

    /// A text member; empty is as good as absent.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.input()[name].as_str().filter(|text| !text.is_empty())
    }

    pub fn flag(&self, name: &str) -> bool {
        self.input()[name].as_bool().unwrap_or(false)
    }

    /// A list of texts.
    pub fn texts(&self, name: &str) -> Vec<&'a str> {
        self.input()[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// `arn:aws:ec2:REGION:ACCOUNT:KIND/ID`.
    pub fn arn(&self, kind: &str, id: &str) -> String {
        self.cloud.arn("ec2", &format!("{kind}/{id}"))
    }

    /// The operation on one resource, an ARN or `*`, and then whether that was all that was asked (`DryRun`).
    pub fn admit(&self, resource: &str, context: &Context) -> Result<(), AwsError> {
        self.authorize(resource, context)?;
        self.dry_run()
    }

    /// The operation on one of the resources that it is about.
    pub fn authorize(&self, resource: &str, context: &Context) -> Result<(), AwsError> {
        self.authorize_action(&format!("ec2:{}", self.call.operation), resource, context)
    }

    /// Another action that the operation implies.
    pub fn authorize_action(&self, action: &str, resource: &str, context: &Context) -> Result<(), AwsError> {
        let context = context.clone().with("ec2:Region", &*self.cloud.region);
        self.cloud.authorize(&self.call.caller, action, resource, &context).map_err(unauthorized)
    }

    /// `iam:PassRole` for the role of an instance profile.
    pub fn authorize_pass_role(&self, role_arn: &str) -> Result<(), AwsError> {
        self.cloud
            .authorize_pass_role(&self.call.caller, role_arn, super::metadata::SERVICE)
            .map_err(unauthorized)
    }

    /// After everything was checked and before anything is done.
    pub fn dry_run(&self) -> Result<(), AwsError> {
        if self.flag("DryRun") {
            let message = "Request would have succeeded, but DryRun flag is set.";
            return Err(AwsError::new(412, "DryRunOperation", message));
        }
        Ok(())
    }

    /// A Describe call's answer: the items that its filters keep, a page of them.
    pub fn listed(&self, member: &str, items: Vec<Value>, filters: Filters) -> Reply {
        self.page(member, self.filtered(items, filters)?)
    }

    /// The items that the request's filters keep. `tag:KEY` and `tag-key` are there for all.
    pub fn filtered(&self, mut items: Vec<Value>, known: Filters) -> Result<Vec<Value>, AwsError> {
        for filter in self.input()["Filters"].as_array().into_iter().flatten() {
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

    /// A page of the items, all where none is asked for. The token is the number of items told so far.
    pub fn page(&self, member: &str, items: Vec<Value>) -> Reply {
        let start = match self.text("NextToken") {
            None => 0,
            Some(token) => token.parse::<usize>().map_err(|_| {
                invalid("NextToken", token, "The token is not one that a Describe call answered.")
            })?,
        };
        let max = self.input()["MaxResults"].as_u64().and_then(|max| usize::try_from(max).ok());
        let end = start.saturating_add(max.unwrap_or(usize::MAX)).min(items.len());
        let more = end < items.len();
        let page: Vec<Value> = items.into_iter().take(end).skip(start).collect();
        let mut answer = Map::from_iter([(member.to_owned(), Value::Array(page))]);
        if more {
            answer.insert("NextToken".to_owned(), json!(end.to_string()));
        }
        Ok(Value::Object(answer))
    }
}

fn unauthorized(error: AwsError) -> AwsError {
    match error.status {
        500.. => error,
        _ => AwsError::new(
            403,
            "UnauthorizedOperation",
            format!("You are not authorized to perform this operation. {}", error.message),
        ),
    }
}

/// Characters of a filter's value.
const VALUE: usize = 255;

/// `*` is any text, `?` any character, and a backslash takes that meaning from the next.
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

/// All values at a path of members, as text.
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
