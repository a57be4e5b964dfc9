//! The rows of a card: each a name and a value as people write it. No value is cut: a long one folds.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::token::{one_line, words};
use crate::written;

/// The most characters of a value that stands in a row. A longer one folds.
const ROW: usize = 160;
/// How many characters of a value that folds are shown.
const SHOWN: usize = 80;

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Fact {
    /// The member of the facts that it comes from.
    #[serde(skip)]
    pub key: String,
    pub name: String,
    /// The value on one line; of one that folds, its beginning.
    pub value: String,
    /// The whole value, if it folds: JSON with indentation, or the text with its lines.
    pub whole: Option<String>,
}

impl Fact {
    fn new(key: &str, name: String, given: &str, value: &Value) -> Self {
        let (name, words) = as_written(name, given, value);
        let document = match value {
            Value::String(text) => serde_json::from_str(text).ok().filter(Value::is_object),
            Value::Object(map) if !map.is_empty() => Some(value.clone()),
            _ => None,
        };
        let whole = match (document, value) {
            (Some(document), _) => Some(written::json(&document)),
            (None, Value::String(text)) if text.trim_end().contains('\n') => Some(text.clone()),
            _ => Some(words.clone()),
        };
        let whole = whole.filter(|whole| words.chars().count() > ROW || whole.contains('\n'));
        let value = match &whole {
            Some(_) if words.chars().count() > SHOWN => words.chars().take(SHOWN).chain(['…']).collect(),
            _ => words,
        };
        Self { key: key.to_owned(), name, value, whole }
    }

    /// Returns the row of a name that the facts don't have; `there` are those that they have.
    pub fn absent(key: &str, there: &[&str]) -> Self {
        let value = format!("no such row; there are: {}", there.join(", "));
        Self { key: key.to_owned(), name: label(key), value, whole: None }
    }
}

/// A row for each member; a small map below becomes rows of its own.
pub fn facts(map: &Map<String, Value>) -> Vec<Fact> {
    let mut rows = Vec::new();
    for (name, value) in map {
        match value {
            Value::Object(inner)
                if !inner.is_empty() && inner.len() <= 8 && inner.values().all(|v| !v.is_object()) =>
            {
                let row = |(key, value): (&String, &Value)| {
                    Fact::new(name, format!("{}: {key}", label(name)), key, value)
                };
                rows.extend(inner.iter().map(row));
            }
            Value::Null => {}
            // Rows of a table are for a table: the step's own figure, or `table()` in the prose.
            Value::Array(rows) if rows.first().is_some_and(Value::is_object) => {}
            Value::String(text) if text.trim().is_empty() => {}
            other => rows.push(Fact::new(name, label(name), name, other)),
        }
    }
    rows
}

/// Returns a name and a value with the unit that the given name ends in: bytes, seconds, gigabytes and megabytes.
fn as_written(name: String, given: &str, value: &Value) -> (String, String) {
    let plain = words(value);
    let Some(number) = value.as_f64().filter(|number| *number >= 0.0) else { return (name, plain) };
    let unit = given.rsplit('_').next().unwrap_or_default();
    let shown = match unit {
        "bytes" if number >= 1000.0 => written::bytes(number as u64),
        "seconds" if number >= 60.0 => written::duration((number * 1000.0) as i64),
        "gb" | "mb" => format!("{plain} {}", unit.to_uppercase()),
        _ => return (name, plain),
    };
    // The unit may be all of the name.
    match name.strip_suffix(unit).map(str::trim_end).filter(|rest| !rest.is_empty()) {
        Some(rest) => (rest.to_owned(), shown),
        None => (name, shown),
    }
}

fn label(name: &str) -> String {
    let words = one_line(name).replace('_', " ");
    words
        .split(' ')
        .map(|word| if matches!(word, "arn" | "uri" | "url") { word.to_uppercase() } else { word.into() })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(name: &str, value: Value) -> (String, String) {
        let map = Map::from_iter([(name.to_owned(), value)]);
        let fact = facts(&map).remove(0);
        (fact.name, fact.value)
    }

    #[test]
    fn values_are_written_with_their_units() {
        for (name, value, row_name, shown) in [
            ("bytes", json!(1_234_567), "bytes", "1.23 MB"),
            ("code_bytes", json!(999), "code bytes", "999"),
            ("volume_size_gb", json!(5), "volume size", "5 GB"),
            ("memory_mb", json!(128), "memory", "128 MB"),
            ("max_run_seconds", json!(86_400), "max run", "24 h 0 min"),
            ("seconds", json!(3725), "seconds", "1 h 2 min"),
            ("epoch_seconds", json!(0.25), "epoch seconds", "0.25"),
            ("arn", json!("arn:aws:x"), "ARN", "arn:aws:x"),
        ] {
            assert_eq!(row(name, value), (row_name.to_owned(), shown.to_owned()));
        }
    }

    #[test]
    fn a_long_value_folds_and_is_whole() {
        let classes: Vec<String> = (0..133).map(|n| format!("c{n}")).collect();
        let statement =
            json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"});
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
        for (value, whole) in [
            (json!(classes), classes.join(", ")),
            (json!("x".repeat(500)), "x".repeat(500)),
            (json!(policy.to_string()), written::json(&policy)),
            (json!("one\ntwo"), "one\ntwo".to_owned()),
        ] {
            let fact = facts(&Map::from_iter([("v".to_owned(), value)])).remove(0);
            assert_eq!(fact.whole, Some(whole));
            assert!(fact.value.chars().count() <= SHOWN + 1, "{}", fact.value);
        }
        let short = facts(&Map::from_iter([("v".to_owned(), json!("short"))])).remove(0);
        assert_eq!((short.value.as_str(), short.whole), ("short", None));
    }
}
