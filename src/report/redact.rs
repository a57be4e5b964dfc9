//! What must not leave the machine in a write-up: keys, tokens, signatures, and on AWS the account's number.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use super::token::cleansed;

/// What stands where a secret stood. Plain text in Markdown and in HTML.
const REDACTED: &str = "[redacted]";

/// Patterns whose second group is the secret; the first stays.
static SECRETS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r#"(?i)((?:secret_?access_?key|session_?token|security_?token|api_?key|password)["'\\]*\s*[:=]\s*["'\\]*)([^\s"'\\,;&}]{8,})"#,
        r"(?i)(X-Amz-(?:Signature|Security-Token|Credential)=)([^&\s]+)",
        r"(?i)(Signature=)([0-9a-f]{64})",
        r"()(-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----|[\s\S]*))",
        // What STS gives out begins so: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html.
        r"()((?:IQoJ|FwoG|FQoG)[A-Za-z0-9/+=]{60,})",
    ]
    .iter()
    .map(|pattern| Regex::new(pattern).expect("the pattern is a constant, and a test compiles it"))
    .collect()
});

/// A word of the form of a secret access key: 40 characters of base64.
static KEY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(^|[\s"'=:,;(\[])([A-Za-z0-9/+]{40})($|[\s"',;)\]&])"#)
        .expect("the pattern is a constant, and a test compiles it")
});

static ARN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(arn:aws[a-z-]*:[^:\s]*:[^:\s]*:)(\d{12})")
        .expect("the pattern is a constant, and a test compiles it")
});

/// Takes secrets out of text, and the characters that stand for values in the prose: all that comes from the
/// journal passes here.
#[derive(Debug, Default)]
pub struct Redactor {
    /// The account whose number is hidden, on AWS; the local cloud's is no secret.
    account: Option<String>,
}

impl Redactor {
    pub fn new(target: &str, account: &str) -> Self {
        Self { account: (target == "aws" && !account.is_empty()).then(|| account.to_owned()) }
    }

    pub fn text(&self, text: &str) -> String {
        let mut text = secrets(&cleansed(text));
        text = KEY
            .replace_all(&text, |found: &Captures<'_>| match is_key(&found[2]) {
                true => format!("{}{REDACTED}{}", &found[1], &found[3]),
                false => found[0].to_owned(),
            })
            .into_owned();
        if let Some(account) = &self.account {
            text = ARN.replace_all(&text, "${1}<account>").replace(account, "<account>");
        }
        text
    }

    /// Every text in a value, names of members included. What is named as a secret is one, whatever it looks like.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => map
                .iter()
                .map(|(name, value)| match value {
                    Value::String(_) if is_secret_name(name) => {
                        (name.clone(), Value::String(REDACTED.into()))
                    }
                    _ => (self.text(name), self.value(value)),
                })
                .collect(),
            plain => plain.clone(),
        }
    }
}

/// The secrets that are known by what stands around them; safe on whole documents.
pub fn secrets(text: &str) -> String {
    SECRETS.iter().fold(text.to_owned(), |text, pattern| {
        pattern.replace_all(&text, |found: &Captures<'_>| format!("{}{REDACTED}", &found[1])).into_owned()
    })
}

fn is_secret_name(name: &str) -> bool {
    let name: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase();
    ["secretaccesskey", "sessiontoken", "securitytoken", "privatekey", "password", "apikey"]
        .iter()
        .any(|secret| name.ends_with(secret))
}

/// Keys mix all kinds of characters; a SHA-1 in hex does not.
fn is_key(word: &str) -> bool {
    let any = |test: fn(&u8) -> bool| word.as_bytes().iter().any(|byte| test(byte));
    any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase) && any(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// AWS's own example keys.
    const KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE1";

    #[test]
    fn secrets_go_and_what_is_around_them_stays() {
        let redactor = Redactor::new("aws", "111122223333");
        let token = format!("IQoJ{}", "b3JpZ2lu".repeat(20));
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIcanary\n-----END RSA PRIVATE KEY-----";
        for (text, shown) in [
            (format!("AWS_SECRET_ACCESS_KEY={KEY} ok"), "AWS_SECRET_ACCESS_KEY=[redacted] ok"),
            (format!("the key is {KEY}, then"), "the key is [redacted], then"),
            (format!(r#"{{"SessionToken": "{token}"}}"#), r#"{"SessionToken": "[redacted]"}"#),
            (format!("token {token}."), "token [redacted]."),
            ("https://b/k?X-Amz-Signature=abc123&x=1".into(), "https://b/k?X-Amz-Signature=[redacted]&x=1"),
            (format!("a {pem} b"), "a [redacted] b"),
            (
                "arn:aws:iam::111122223333:role/r in 111122223333".into(),
                "arn:aws:iam::<account>:role/r in <account>",
            ),
        ] {
            assert_eq!(redactor.text(&text), shown);
        }
        assert_eq!(
            redactor.value(&json!({"SecretAccessKey": "short"})),
            json!({"SecretAccessKey": "[redacted]"})
        );
    }

    #[test]
    fn what_is_no_secret_stays() {
        let redactor = Redactor::new("local", "123456789012");
        for text in [
            "arn:aws:iam::123456789012:role/r",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "s3://dogs-2026/models/Train/2026/output/model.tar.gz",
            "tokenizer: word",
        ] {
            assert_eq!(redactor.text(text), text);
        }
    }
}
