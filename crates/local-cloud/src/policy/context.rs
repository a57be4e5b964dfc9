//! The context of a request: the values of condition keys and policy variables.

use std::collections::HashMap;

/// Condition keys and their values. Upper and lower case of keys are the same.
#[derive(Clone, Debug, Default)]
pub struct Context(HashMap<String, Values>);

#[derive(Clone, Debug)]
enum Values {
    One(String),
    Several(Vec<String>),
}

impl Context {
    /// Returns a context without keys. The authority adds those that every request has (`aws:PrincipalArn`, …).
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key with one value.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.insert(key.to_ascii_lowercase(), Values::One(value.into()));
        self
    }

    /// Adds a key with several values, such as `aws:TagKeys`.
    pub fn with_list(mut self, key: &str, values: impl IntoIterator<Item = String>) -> Self {
        self.0.insert(key.to_ascii_lowercase(), Values::Several(values.into_iter().collect()));
        self
    }

    /// Adds the keys of `other` that are missing here.
    pub fn or(mut self, other: Self) -> Self {
        for (key, value) in other.0 {
            self.0.entry(key).or_insert(value);
        }
        self
    }

    /// Returns whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(&key.to_ascii_lowercase())
    }

    /// Returns the values of a key. There are none if the key is missing.
    pub fn values(&self, key: &str) -> &[String] {
        match self.0.get(&key.to_ascii_lowercase()) {
            Some(Values::One(value)) => std::slice::from_ref(value),
            Some(Values::Several(values)) => values,
            None => &[],
        }
    }

    /// Returns the value of a single-valued key. A multivalued key can't be used as a variable.
    pub fn single(&self, key: &str) -> Option<&str> {
        match self.0.get(&key.to_ascii_lowercase()) {
            Some(Values::One(value)) => Some(value),
            _ => None,
        }
    }
}
