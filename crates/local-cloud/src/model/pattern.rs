//! Translates AWS's patterns, which are Java's, into Rust's.

use std::sync::OnceLock;

use regex::Regex;
use serde::Deserialize;

/// Java's syntax, and Rust's for the same. Java's classes have only ASCII characters, and its surrogate pairs are the
/// characters above U+FFFF.
const TRANSLATED: [(&str, &str); 7] = [
    (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"),
    (r"\p{Alnum}", "[0-9A-Za-z]"),
    (r"\p{Print}", r"[\x20-\x7E]"),
    (r"\w", "[0-9A-Za-z_]"),
    (r"\d", "[0-9]"),
    (r"\s", r"[\t\n\x0B\f\r\x20]"),
    (r"\S", r"[^\t\n\x0B\f\r\x20]"),
];

/// A pattern, which is compiled at its first use.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub struct Pattern {
    /// As AWS writes it.
    pub text: String,
    regex: OnceLock<Option<Regex>>,
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self { text, regex: OnceLock::new() }
    }
}

impl Pattern {
    /// Returns whether the whole text matches. A test checks that each pattern of the models compiles.
    pub fn matches(&self, text: &str) -> bool {
        self.regex().is_none_or(|regex| regex.is_match(text))
    }

    /// Returns the compiled pattern.
    pub fn regex(&self) -> Option<&Regex> {
        self.regex.get_or_init(|| Regex::new(&format!("^(?:{})$", translated(&self.text))).ok()).as_ref()
    }
}

fn translated(mut pattern: &str) -> String {
    let mut rust = String::new();
    while let Some(next) = pattern.chars().next() {
        if let Some((java, text)) = TRANSLATED.iter().find(|(java, _)| pattern.starts_with(java)) {
            rust += text;
            pattern = &pattern[java.len()..];
            continue;
        }
        // An escape is copied as a whole, so that the second character of `\\` doesn't count as the start of another.
        let length =
            if next == '\\' { pattern.chars().take(2).map(char::len_utf8).sum() } else { next.len_utf8() };
        rust += &pattern[..length];
        pattern = &pattern[length..];
    }
    rust
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_ascii() {
        for (pattern, matched, not) in [
            (r"[\w+=,.@-]+", "a_B9+=,.@-", "é"),
            (r"\d{12}", "123456789012", "12345678901٣"),
            (r"[\S]+", "é!", "a b"),
            (r"[^\s]+", "é!", "a\tb"),
            (r"[\p{Alnum}\-]+", "a-9", "é"),
            (r"\A\S[\p{Print}]*\z", "a b", " b"),
            (r"a\\w", r"a\w", "ab"),
            (r"[a-zA-Z0-9-_]+", "a-_", "."),
            (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "é\u{1F600}\n", "\u{1}"),
        ] {
            let pattern = Pattern::from(pattern.to_owned());
            assert!(pattern.regex().is_some(), "{}", pattern.text);
            assert!(pattern.matches(matched), "{} {matched}", pattern.text);
            assert!(!pattern.matches(not), "{} {not}", pattern.text);
        }
    }
}
