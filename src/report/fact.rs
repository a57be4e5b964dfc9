//! The rows of a card: each a name and a value as people write it. No value is cut: a long one folds.

use serde::Serialize;
use serde_json::{Map, Value};

use super::token::{one_line, words};

/// The most characters of a value that stands in a row. A longer one folds.
const ROW: usize = 160;
/// How many characters of a value that folds are shown.
const SHOWN: usize = 80;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    pub name: String,
    /// The value on one line; of one that folds, its beginning.
    pub value: String,
    /// The whole value, if it folds: JSON with indentation, or the text with its lines.
    pub whole: Option<String>,
}

impl Fact {
    fn new(name: String, given: &str, value: &Value) -> Self {
        let (name, words) = as_written(name, given, value);
        let document = match value {
            Value::String(text) => serde_json::from_str(text).ok().filter(Value::is_object),
            Value::Object(map) if !map.is_empty() => Some(value.clone()),
            _ => None,
        };
        let whole = match (document, value) {
            (Some(document), _) => serde_json::to_string_pretty(&document).ok(),
            (None, Value::String(text)) if text.trim_end().contains('\n') => Some(text.clone()),
            _ => Some(words.clone()),
        };
        let whole = whole.filter(|whole| words.chars().count() > ROW || whole.contains('\n'));
        let value = match &whole {
            Some(_) if words.chars().count() > SHOWN => words.chars().take(SHOWN).chain(['…']).collect(),
            _ => words,
        };
        Self { name, value, whole }
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
                    Fact::new(format!("{}: {key}", label(name)), key, value)
                };
                rows.extend(inner.iter().map(row));
            }
            Value::Null => {}
            // Rows of a table are for a table: the step's own figure, or `table()` in the prose.
            Value::Array(rows) if rows.first().is_some_and(Value::is_object) => {}
            Value::String(text) if text.trim().is_empty() => {}
            other => rows.push(Fact::new(label(name), name, other)),
        }
    }
    rows
}

/// Returns a name and a value with the unit that the given name says: bytes, seconds, gigabytes and megabytes.
fn as_written(name: String, given: &str, value: &Value) -> (String, String) {
    let number = value.as_f64().filter(|number| *number >= 0.0);
    let Some(number) = number else { return (name, words(value)) };
    let without = |unit: &str| name.trim_end_matches(unit).trim_end().to_owned();
    match given.rsplit('_').next().unwrap_or_default() {
        "bytes" if number >= 1000.0 => (without("bytes"), bytes(number)).or_named(name),
        "seconds" if number >= 60.0 => (without("seconds"), duration(number)).or_named(name),
        "gb" => (without("gb"), format!("{} GB", words(value))).or_named(name),
        "mb" => (without("mb"), format!("{} MB", words(value))).or_named(name),
        _ => (name, words(value)),
    }
}

trait OrNamed {
    fn or_named(self, name: String) -> (String, String);
}

impl OrNamed for (String, String) {
    /// Keeps the name where the unit is all of it.
    fn or_named(self, name: String) -> (String, String) {
        if self.0.is_empty() { (name, self.1) } else { self }
    }
}

/// Returns bytes as people write them: `1.2 MB`.
fn bytes(number: f64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut scaled = number / 1000.0;
    let mut unit = 0;
    while scaled >= 999.95 && unit + 1 < units.len() {
        (scaled, unit) = (scaled / 1000.0, unit + 1);
    }
    format!("{scaled:.1} {}", units[unit])
}

/// Returns seconds as people write them: `3 min 20 s`, `1 h 2 min`, `2 days 3 h`.
fn duration(number: f64) -> String {
    let seconds = number.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        86_400..172_800 => format!("1 day {} h", seconds % 86_400 / 3600),
        _ => format!("{} days {} h", seconds / 86_400, seconds % 86_400 / 3600),
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
            ("bytes", json!(1_234_567), "bytes", "1.2 MB"),
            ("code_bytes", json!(999), "code bytes", "999"),
            ("volume_size_gb", json!(5), "volume size", "5 GB"),
            ("memory_mb", json!(128), "memory", "128 MB"),
            ("max_run_seconds", json!(86_400), "max run", "1 day 0 h"),
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
        let policy =
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject"}]});
        for (value, whole) in [
            (json!(classes), classes.join(", ")),
            (json!("x".repeat(500)), "x".repeat(500)),
            (json!(policy.to_string()), serde_json::to_string_pretty(&policy).unwrap()),
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
