//! Policy documents, as far as an audit reads them.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::glob::glob;

/// The statements of a policy.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Document {
    #[serde(rename = "Statement")]
    statements: OneOrMany<Statement>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    effect: String,
    principal: Option<Value>,
    action: Option<OneOrMany<String>>,
    not_action: Option<Value>,
    resource: Option<OneOrMany<String>>,
    not_resource: Option<Value>,
    condition: Option<Map<String, Value>>,
}

/// One text, or those of a list.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        other => other.as_str().map(str::to_owned).into_iter().collect(),
    }
}

impl Document {
    /// Reads a document: JSON, or percent-encoded JSON, as IAM returns it.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        let plain = match text.trim_start().starts_with('{') {
            true => text.into(),
            false => percent_encoding::percent_decode_str(text).decode_utf8_lossy(),
        };
        serde_json::from_str(&plain)
    }

    /// Returns the statements that allow something.
    pub fn allowing(&self) -> impl Iterator<Item = &Statement> {
        self.statements.as_slice().iter().filter(|statement| statement.effect == "Allow")
    }
}

impl Statement {
    /// Returns its actions and resources in words: `s3:GetObject on arn:aws:s3:::bucket/*`.
    pub fn in_words(&self) -> String {
        let actions = match &self.not_action {
            Some(not) => format!("all actions but {}", texts(not).join(", ")),
            None => self.actions().join(", "),
        };
        let resources = match &self.not_resource {
            Some(not) => format!("all resources but {}", texts(not).join(", ")),
            None => self.resources().join(", "),
        };
        let condition =
            self.condition.as_ref().map(|condition| format!(" if {}", Value::Object(condition.clone())));
        format!("{actions} on {resources}{}", condition.unwrap_or_default())
    }

    /// Returns the principals that it names: services, accounts, ARNs.
    pub fn principals(&self) -> Vec<String> {
        match &self.principal {
            Some(Value::Object(kinds)) => kinds.values().flat_map(texts).collect(),
            other => other.iter().flat_map(texts).collect(),
        }
    }

    fn actions(&self) -> &[String] {
        self.action.as_ref().map_or(&[], OneOrMany::as_slice)
    }

    fn resources(&self) -> &[String] {
        self.resource.as_ref().map_or(&[], OneOrMany::as_slice)
    }

    fn on_everything(&self) -> bool {
        self.not_resource.is_some() || self.resources().iter().any(|resource| resource == "*")
    }

    /// Whether it allows every action, or all but some, on every resource.
    pub fn is_admin(&self) -> bool {
        let every = self.actions().iter().any(|action| action == "*" || action == "*:*");
        self.on_everything() && (every || self.not_action.is_some())
    }

    /// Returns each `SERVICE:*` that it allows on every resource.
    pub fn whole_services(&self) -> Vec<&str> {
        let whole = |action: &&str| action.strip_suffix(":*").is_some_and(|service| !service.contains('*'));
        match self.on_everything() {
            true => self.actions().iter().map(String::as_str).filter(whole).collect(),
            false => Vec::new(),
        }
    }

    /// Whether it allows passing any role to any service.
    pub fn passes_any_role(&self) -> bool {
        let passes = self.actions().iter().any(|action| glob(action, "iam:PassRole"));
        // `NotAction` allows iam:PassRole, unless it names actions of IAM.
        let not =
            self.not_action.as_ref().is_some_and(|not| !not.to_string().to_lowercase().contains("iam:"));
        // These two roles have unlikely names: a pattern that matches both matches any role.
        let account = self.resources().iter().find_map(|arn| arn.split(':').nth(4)).unwrap_or_default();
        let any = |resource: &String| {
            ["a-role", "another/role"]
                .iter()
                .all(|role| glob(resource, &format!("arn:aws:iam::{account}:role/{role}")))
        };
        let to_some = self.condition_keys().any(|key| key.eq_ignore_ascii_case("iam:PassedToService"));
        (passes || not) && (self.on_everything() || self.resources().iter().any(any)) && !to_some
    }

    /// Whether its principal is everybody, and no condition restricts that.
    pub fn is_for_anybody(&self) -> bool {
        let texts = |value: &Value| match value {
            Value::String(one) => vec![one.clone()],
            Value::Array(many) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let named = match &self.principal {
            Some(Value::Object(kinds)) => kinds.get("AWS").map(texts).unwrap_or_default(),
            Some(other) => texts(other),
            None => Vec::new(),
        };
        // `*`, or an ARN with a pattern for the account.
        let anybody = |one: &String| one == "*" || one.split(':').nth(4) == Some("*");
        named.iter().any(anybody) && !self.is_narrowed()
    }

    /// Whether a condition restricts the callers: by an operator that allows only what it names, a key that identifies the
    /// caller or the source, and values that are not everybody.
    fn is_narrowed(&self) -> bool {
        const OPERATORS: [&str; 5] = ["stringequals", "stringlike", "arnequals", "arnlike", "ipaddress"];
        const KEYS: [&str; 12] = [
            "aws:principalaccount",
            "aws:principalarn",
            "aws:principalorgid",
            "aws:principalorgpaths",
            "aws:sourceaccount",
            "aws:sourcearn",
            "aws:sourceip",
            "aws:sourcevpc",
            "aws:sourcevpce",
            "aws:userid",
            "lambda:eventsourcetoken",
            "sts:externalid",
        ];
        let everybody = |value: &str| {
            value.ends_with("/0")
                || value.replace(['*', '?', ':'], "").is_empty()
                || value.starts_with("arn:*")
        };
        let named = |value: &Value| {
            let values = value.as_array().map_or_else(|| vec![value], |many| many.iter().collect());
            !values.is_empty() && values.iter().all(|one| one.as_str().is_some_and(|one| !everybody(one)))
        };
        let operators = self.condition.iter().flatten();
        let operators = operators.filter(|(name, _)| OPERATORS.contains(&name.to_lowercase().as_str()));
        let mut keys = operators.filter_map(|(_, keys)| keys.as_object()).flatten();
        keys.any(|(key, value)| KEYS.contains(&key.to_lowercase().as_str()) && named(value))
    }

    fn condition_keys(&self) -> impl Iterator<Item = &String> {
        let operators = self.condition.iter().flatten().filter_map(|(_, keys)| keys.as_object());
        operators.flat_map(|keys| keys.keys())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(statement: Value) -> Option<Statement> {
        let document = Document::read(&json!({"Statement": statement}).to_string()).unwrap();
        document.allowing().next().cloned()
    }

    #[test]
    fn documents_come_plain_and_encoded() {
        let encoded = "%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22*%22%2C%22Resource%22%3A%22*%22%7D%5D%7D";
        assert!(Document::read(encoded).unwrap().allowing().all(Statement::is_admin));
        assert!(Document::read("{}").is_err() && Document::read("no").is_err());
    }

    #[test]
    fn administrators() {
        for (statement, admin) in [
            (json!({"Effect": "Allow", "Action": "*", "Resource": "*"}), true),
            (json!([{"Effect": "Allow", "Action": ["s3:GetObject", "*:*"], "Resource": ["*"]}]), true),
            (json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}), true),
            (json!({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::x"}), true),
            (json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::x/*"}), false),
            (json!({"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"}), false),
        ] {
            assert_eq!(one(statement.clone()).unwrap().is_admin(), admin, "{statement}");
        }
        assert!(one(json!({"Effect": "Deny", "Action": "*", "Resource": "*"})).is_none());
    }

    #[test]
    fn whole_services_and_roles_that_are_passed() {
        let allow = |action: &str, resource: &str| {
            one(json!({"Effect": "Allow", "Action": action, "Resource": resource})).unwrap()
        };
        assert_eq!(allow("sagemaker:*", "*").whole_services(), ["sagemaker:*"]);
        assert!(allow("sagemaker:*", "arn:aws:sagemaker:::endpoint/e").whole_services().is_empty());
        assert!(allow("s3:Get*", "*").whole_services().is_empty());
        for (action, resource, passes) in [
            ("iam:PassRole", "*", true),
            ("iam:passrole", "arn:aws:iam::1:role/*", true),
            ("iam:*", "*", true),
            ("iam:PassRole", "arn:aws:iam::1:*", true),
            ("iam:PassRole", "arn:aws:iam::*:role/*", true),
            ("iam:PassRole", "arn:aws:iam::1:role/dogs", false),
            ("iam:PassRole", "arn:aws:iam::1:role/dogs-*", false),
            ("iam:GetRole", "*", false),
        ] {
            assert_eq!(allow(action, resource).passes_any_role(), passes, "{action} {resource}");
        }
        let to_lambda = json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
            "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}});
        assert!(!one(to_lambda).unwrap().passes_any_role());
    }

    #[test]
    fn anybody() {
        let trust = |principal: Value, condition: Value| {
            one(json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition}))
                .unwrap()
                .is_for_anybody()
        };
        for (principal, anybody) in [
            (json!("*"), true),
            (json!({"AWS": "*"}), true),
            (json!({"AWS": ["arn:aws:iam::1:root", "*"]}), true),
            (json!({"AWS": "arn:aws:iam::*:root"}), true),
            (json!({"AWS": "arn:aws:iam::123456789012:root"}), false),
            (json!({"Service": "lambda.amazonaws.com"}), false),
        ] {
            assert_eq!(trust(principal.clone(), json!({})), anybody, "{principal}");
        }
        let account = json!({"StringEquals": {"aws:PrincipalAccount": "123456789012"}});
        assert!(!trust(json!("*"), account));
        for condition in [
            json!({"StringLike": {"aws:PrincipalArn": "*"}}),
            json!({"StringLike": {"aws:PrincipalArn": "arn:*"}}),
            json!({"StringNotEquals": {"aws:PrincipalArn": "arn:aws:iam::1:user/x"}}),
            json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}),
            json!({"Bool": {"aws:SecureTransport": "true"}}),
        ] {
            assert!(trust(json!("*"), condition.clone()), "{condition}");
        }
    }
}
