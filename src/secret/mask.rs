//! Puts masks in the place of secrets: `[redacted]` where text is shown, `[redacted:1a2b3c4d]` in the journal.

use std::ops::Range;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::find::{is_value_of_flag, masks, spans};
use super::known::SHORTEST;
use super::name::{is_password_name, is_secret_name, names_nothing};

/// What stands in the place of a secret. It is plain text in Markdown and in HTML.
pub const MASK: &str = "[redacted]";

/// The fewest digits of a number that can be told from other numbers.
const SHORTEST_NUMBER: usize = 6;

/// Masks the secrets in values. With a key, a mask carries a short digest of the secret, so that two masked values are
/// equal if and only if the values are. The digest is for the journal alone: with the key, a secret that is easy to guess
/// can be found by trying.
#[derive(Clone, Debug, Default)]
pub struct Masker {
    key: Option<String>,
}

impl Masker {
    /// The masker of a stack's journal.
    pub fn keyed(stack: &str) -> Self {
        Self { key: Some(stack.to_owned()) }
    }

    /// Masks the secrets in a text.
    pub fn text(&self, text: &mut String) {
        let secrets = spans(text);
        if !secrets.is_empty() {
            *text = replaced(text, &secrets, |secret| self.sign(secret));
        }
    }

    /// Masks the secrets in every text of a value. What is named as a secret is one, whatever it looks like.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Number(number) => {
                let mut digits = number.to_string();
                if digits.len() >= SHORTEST_NUMBER && is_whole(&spans(&digits), &digits) {
                    self.text(&mut digits);
                    *value = Value::String(digits);
                }
            }
            Value::Array(items) => self.list(items),
            Value::Object(map) => self.map(map),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Masks a list. Its texts may be the lines of one text, or the words of a command.
    fn list(&self, items: &mut [Value]) {
        let mut lines = Lines::default();
        let mut before = String::new();
        for item in items {
            let Value::String(text) = item else {
                self.value(item);
                before.clear();
                continue;
            };
            let word = text.clone();
            match is_value_of_flag(&before, text) {
                true => *text = self.sign(text),
                false => lines.mask(self, text),
            }
            before = word;
        }
    }

    pub fn map(&self, map: &mut Map<String, Value>) {
        if map.keys().any(|name| !is_plain(name) && !spans(name).is_empty()) {
            let members = std::mem::take(map).into_iter().map(|(mut name, value)| {
                self.text(&mut name);
                (name, value)
            });
            map.extend(members);
        }
        for (name, value) in map.iter_mut() {
            match value {
                Value::String(text) if is_secret_name(name) => self.whole(text),
                Value::Number(number) if is_password_name(name) => {
                    *value = Value::String(self.sign(&number.to_string()))
                }
                Value::Array(items) if is_secret_name(name) => {
                    items.iter_mut().for_each(|item| match item {
                        Value::String(text) => self.whole(text),
                        other => self.value(other),
                    });
                }
                other => self.value(other),
            }
        }
    }

    /// Masks a text that is a secret as a whole, unless it is masked already, or says that there is no secret.
    fn whole(&self, text: &mut String) {
        let is_mask = is_whole(&masks(text), text);
        if !text.is_empty() && !is_mask && !names_nothing(text) {
            *text = self.sign(text);
        }
    }

    fn sign(&self, secret: &str) -> String {
        let Some(key) = &self.key else { return MASK.to_owned() };
        let digest = Sha256::new().chain_update(key).chain_update([0]).chain_update(secret).finalize();
        let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("[redacted:{short}]")
    }
}

/// Whether a member's name is a plain word, as the names of our own fields are. These are never masked.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// The lines of one text that come one after the other. A private key is masked to its end, on whatever line that is.
#[derive(Debug, Default)]
pub struct Lines {
    inside: bool,
}

impl Lines {
    /// Returns the next line without its secrets.
    pub fn shown(&mut self, line: &str) -> String {
        let mut line = line.to_owned();
        self.mask(&Masker::default(), &mut line);
        shown(&line)
    }

    fn mask(&mut self, masker: &Masker, line: &mut String) {
        const BEGIN: &str = "-----BEGIN ";
        const END: &str = "-----END ";
        let is_key = |at: Option<usize>| at.filter(|at| line[*at..].contains("PRIVATE KEY"));
        let (begin, end) = (is_key(line.rfind(BEGIN)), is_key(line.rfind(END)));
        if self.inside {
            let rest = end.map_or(line.len(), |at| line.len().min(at + line[at..].find("KEY").unwrap_or(0)));
            let behind = line[rest..].to_owned();
            *line = masker.sign(&line[..rest]);
            line.push_str(
                behind.trim_start_matches(|c: char| c.is_ascii_uppercase() || c == '-' || c == ' '),
            );
            self.inside = end.is_none() || begin > end;
        } else {
            self.inside = begin.is_some() && begin > end;
            masker.text(line);
        }
    }
}

/// Returns text as it is shown: without secrets, and without the digests of the journal.
pub fn shown(text: &str) -> String {
    let secrets = spans(text);
    let text = match secrets.is_empty() {
        true => text.to_owned(),
        false => replaced(text, &secrets, |_| MASK.to_owned()),
    };
    let masks = masks(&text);
    if masks.is_empty() { text } else { replaced(&text, &masks, |_| MASK.to_owned()) }
}

/// As [`shown`], every text of a value, names of members included.
pub fn shown_value(value: &Value) -> Value {
    let mut value = value.clone();
    Masker::default().value(&mut value);
    collapse(&mut value);
    value
}

/// Takes the digests out of the masks.
fn collapse(value: &mut Value) {
    match value {
        Value::String(text) => {
            let masks = masks(text);
            if !masks.is_empty() {
                *text = replaced(text, &masks, |_| MASK.to_owned());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(collapse),
        Value::Object(map) => map.values_mut().for_each(collapse),
        _ => {}
    }
}

/// Whether a value holds a mask of the journal, in any of its texts: what it stands for is gone.
pub fn holds_mask(value: &Value) -> bool {
    match value {
        Value::String(text) => masks(text).iter().any(|mask| mask.len() > MASK.len()),
        Value::Array(items) => items.iter().any(holds_mask),
        Value::Object(map) => map.values().any(holds_mask),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a value is long enough that it can be masked wherever it occurs.
pub fn is_maskable(value: &str) -> bool {
    value.trim().chars().count() >= SHORTEST && !names_nothing(value.trim())
}

/// Whether the only place that was found is the whole text.
fn is_whole(found: &[Range<usize>], text: &str) -> bool {
    matches!(found, [only] if *only == (0..text.len()))
}

fn replaced(text: &str, spans: &[Range<usize>], with: impl Fn(&str) -> String) -> String {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        result.push_str(&text[at..span.start]);
        result.push_str(&with(&text[span.clone()]));
        at = span.end;
    }
    result.push_str(&text[at..]);
    result
}
