//! What a request brings along for conditions and policy variables.

use std::collections::HashMap;

use awsim_iam_policy::ContextValue;

/// Kept apart from the names that the evaluation crate answers by itself, for users only.
const KEY_PREFIX: &str = "key:";

/// The context of a request: condition keys, whose case doesn't count, and their values.
#[derive(Clone, Debug, Default)]
pub struct Context(HashMap<String, ContextValue>);

impl Context {
    /// None of its own; what every request has (`aws:PrincipalArn`, …) is added by `authorize`.
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.insert(context_key(key), ContextValue::String(value.into()));
        self
    }

    /// A key with several values, such as `aws:TagKeys`.
    pub fn with_list(mut self, key: &str, values: impl IntoIterator<Item = String>) -> Self {
        self.0.insert(context_key(key), ContextValue::StringList(values.into_iter().collect()));
        self
    }

    /// These keys, and of `other` those that are missing here.
    pub(super) fn or(mut self, other: Self) -> Self {
        for (key, value) in other.0 {
            self.0.entry(key).or_insert(value);
        }
        self
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(&context_key(key))
    }

    /// The value of a key that has one value: of several no variable can stand for one.
    pub(super) fn single(&self, key: &str) -> Option<&str> {
        match self.0.get(&context_key(key)) {
            Some(ContextValue::String(value)) => Some(value),
            _ => None,
        }
    }

    pub(super) fn values(&self) -> &HashMap<String, ContextValue> {
        &self.0
    }
}

/// The name under which the context holds a key.
pub(super) fn context_key(key: &str) -> String {
    format!("{KEY_PREFIX}{}", key.to_ascii_lowercase())
}
