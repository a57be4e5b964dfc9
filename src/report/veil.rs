//! What a write-up doesn't show of a value: secrets, on AWS the account's number, and characters that stand for values.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::token::cleansed;
use crate::secret::{shown, shown_value};

static ARN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(arn:aws[a-z-]*:[^:\s]*:[^:\s]*:)(\d{12})").expect("the pattern is a constant")
});

/// All values of a write-up pass here before a template sees them.
#[derive(Debug, Default)]
pub struct Veil {
    /// The account whose number is hidden, on AWS; the local cloud's is no secret.
    account: Option<String>,
}

impl Veil {
    pub fn new(target: &str, account: &str) -> Self {
        Self { account: (target == "aws" && !account.is_empty()).then(|| account.to_owned()) }
    }

    pub fn text(&self, text: &str) -> String {
        self.hide(shown(text))
    }

    /// Returns a value without what is hidden, in every text, names of members included.
    pub fn value(&self, value: &Value) -> Value {
        self.hidden(shown_value(value))
    }

    fn hidden(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.hide(text)),
            Value::Array(items) => items.into_iter().map(|item| self.hidden(item)).collect(),
            Value::Object(map) => {
                map.into_iter().map(|(name, value)| (self.hide(name), self.hidden(value))).collect()
            }
            plain => plain,
        }
    }

    fn hide(&self, text: String) -> String {
        let text = cleansed(&text);
        match &self.account {
            Some(account) => ARN.replace_all(&text, "${1}<account>").replace(account, "<account>"),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_aws_the_account_is_hidden() {
        let text = "arn:aws:iam::111122223333:role/r in 111122223333";
        let veil = Veil::new("aws", "111122223333");
        assert_eq!(veil.text(text), "arn:aws:iam::<account>:role/r in <account>");
        assert_eq!(Veil::new("local", "111122223333").text(text), text);
    }
}
