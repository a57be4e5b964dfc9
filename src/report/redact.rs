//! What must not leave the machine in a write-up: keys, tokens, signatures, and on AWS the account's number.

use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};
use serde_json::Value;

use super::token::cleansed;

/// What stands where a secret stood. Plain text in Markdown and in HTML.
const REDACTED: &str = "[redacted]";

/// Patterns whose second group is the secret; what is around it stays.
const PATTERNS: &[&str] = &[
    r#"(?i)((?:secret|token|secret_?access_?key|secret_?key|private_?key|api_?key|passwd|password)["'\\]*\s*[:=]\s*["'\\]*)([^\s"'\\,;&}]{6,})"#,
    r"(?i)(X-Amz-(?:Signature|Security-Token|Credential)=)([^&\s]+)",
    r"(?i)(Signature=)([0-9a-f]{64})",
    r"()(-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----|[\s\S]*))",
    // What STS gives out begins so: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html.
    r"()((?:IQoJ|FwoG|FQoG)[A-Za-z0-9/+=]{60,})",
    // Access key ids: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html.
    r"()(\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)",
    r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*:)([^\s/]+)(@)",
    r#"(?i)(\bauthorization["'\\]*\s*[:=]\s*["'\\]*(?:basic|bearer|token)\s+)([^\s"'\\,;]+)"#,
    r"(?i)(\bbearer\s+)([A-Za-z0-9._~+/=-]{16,})",
    // Tokens of GitHub, Slack and Hugging Face say what they are.
    r"()(\b(?:gh[opusr]_|github_pat_|hf_)[A-Za-z0-9_]{16,})",
    r"()(\bxox[a-z]-[A-Za-z0-9-]{10,})",
];

static SECRETS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let compiled = PATTERNS.iter().map(|pattern| Regex::new(pattern));
    compiled.collect::<Result<_, _>>().expect("the patterns are constants, and a test compiles them")
});

/// All patterns at once: hardly any text holds a secret, and this says so in one pass. Word boundaries are left out,
/// since they make a search of text that isn't ASCII slow; what is found too much is searched again.
static ANY: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = PATTERNS.iter().map(|pattern| pattern.replace(r"\b", ""));
    RegexSet::new(patterns).expect("the patterns are constants, and a test compiles them")
});

/// A word that may have the form of a secret access key, 40 characters of base64, or end in one, as `KEY=…` does.
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("[A-Za-z0-9/+_=-]{40,}").expect("the pattern is a constant, and a test compiles it")
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
        let mut text = secrets(cleansed(text));
        if text.len() >= KEY_LENGTH && WORD.is_match(&text) {
            let keyless = WORD.replace_all(&text, |found: &Captures<'_>| {
                let start = found[0].rfind('=').map_or(0, |at| at + 1);
                let (name, word) = found[0].split_at(start);
                if is_key(word) { format!("{name}{REDACTED}") } else { found[0].to_owned() }
            });
            text = keyless.into_owned();
        }
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
pub fn secrets(text: String) -> String {
    if !ANY.is_match(&text) {
        return text;
    }
    SECRETS.iter().fold(text, |text, pattern| {
        pattern
            .replace_all(&text, |found: &Captures<'_>| {
                format!("{}{REDACTED}{}", &found[1], found.get(3).map_or("", |behind| behind.as_str()))
            })
            .into_owned()
    })
}

fn is_secret_name(name: &str) -> bool {
    let name: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase();
    name.contains("secret")
        || ["token", "privatekey", "password", "passwd", "apikey"].iter().any(|secret| name.ends_with(secret))
}

/// Characters of a secret access key.
const KEY_LENGTH: usize = 40;
/// Of 40 random characters 25 differ in kind from the one before; hardly ever fewer than this do.
const MIN_CHANGES: usize = 16;

/// Keys change between kinds of characters all the time; a SHA-1 in hex has no capitals, and a path few.
fn is_key(word: &str) -> bool {
    let kind = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        b'/' | b'+' => 3,
        _ => 4,
    };
    let kinds: Vec<u8> = word.bytes().map(kind).collect();
    let changes = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
    word.len() == KEY_LENGTH
        && changes >= MIN_CHANGES
        && (0..=2).all(|kind| kinds.contains(&kind))
        && !kinds.contains(&4)
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
            (format!("{KEY} {KEY}"), "[redacted] [redacted]"),
            (format!("it is {KEY}. <b>{KEY}</b>"), "it is [redacted]. <b>[redacted]</b>"),
            ("at https://user:pa:ss@host/x".into(), "at https://user:[redacted]@host/x"),
            ("Authorization: Bearer abc.def".into(), "Authorization: Bearer [redacted]"),
            (format!("-u ghp_{0} xoxb-{0} hf_{0}", "a1".repeat(16)), "-u [redacted] [redacted] [redacted]"),
            ("AKIAIOSFODNN7EXAMPLE, ASIAIOSFODNN7EXAMPLE".into(), "[redacted], [redacted]"),
            (
                "secret=hunter22 client_secret: 'hunter22'".into(),
                "secret=[redacted] client_secret: '[redacted]'",
            ),
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
        assert_eq!(
            redactor.value(&json!({"hub_token": "x", "the_secret": "x", "tokenizer": "x", "tokens": 7})),
            json!({"hub_token": "[redacted]", "the_secret": "[redacted]", "tokenizer": "x", "tokens": 7})
        );
    }

    #[test]
    fn what_is_no_secret_stays() {
        let redactor = Redactor::new("local", "123456789012");
        for text in [
            "arn:aws:iam::123456789012:role/r",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "s3://dogs-2026/models/Train/2026/output/model.tar.gz",
            "tokenizer: word-pieces",
            "http://127.0.0.1:8080/path@x",
            "runs/Fashion2026/Train/model/output/data",
        ] {
            assert_eq!(redactor.text(text), text);
        }
    }
}
