//! Writes values as Python does. SageMaker's training toolkit is a Python program, which writes hyperparameters for the
//! user's script by `str` and `json.dumps`.

use std::fmt::Write as _;

use serde_json::Value;

/// Returns Python's `str(value)` for a value of `json.loads`.
pub fn str(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

fn repr(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => self::number(number),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(repr).collect())),
        Value::Object(entries) => {
            let entry = |(name, value): (&String, &Value)| format!("{}: {}", quoted(name), repr(value));
            format!("{{{}}}", joined(entries.iter().map(entry).collect()))
        }
    }
}

/// Returns the text in single quotes, or in double quotes if these save escapes.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// Returns `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)`.
pub fn dumps(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(",");
    match value {
        Value::Number(number) => self::number(number),
        Value::String(text) => json_quoted(text),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(dumps).collect())),
        Value::Object(entries) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            let entry = |(name, value): (&String, &Value)| format!("{}:{}", json_quoted(name), dumps(value));
            format!("{{{}}}", joined(sorted.into_iter().map(entry).collect()))
        }
        other => other.to_string(),
    }
}

fn json_quoted(text: &str) -> String {
    let mut out = String::new();
    // serde_json escapes only what JSON requires.
    for c in Value::from(text).to_string().chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// Returns a number as Python writes it. Floats have the fewest digits that identify them, as in Rust. But below 1e-4
/// and from 1e16 on, Python writes an exponent of at least two digits.
fn number(number: &serde_json::Number) -> String {
    let Some(value) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-4..1e16).contains(&magnitude) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn as_python_writes_them() {
        for (value, as_str, as_json) in [
            (json!("x y"), "x y", r#""x y""#),
            (json!(1e-5), "1e-05", "1e-05"),
            (json!(2.5e-7), "2.5e-07", "2.5e-07"),
            (json!(0.0001), "0.0001", "0.0001"),
            (json!(1e16), "1e+16", "1e+16"),
            (json!(123_456.0), "123456.0", "123456.0"),
            (json!(1e300), "1e+300", "1e+300"),
            (json!(-0.0), "-0.0", "-0.0"),
            (json!(3), "3", "3"),
            (json!(true), "True", "true"),
            (json!(null), "None", "null"),
            (json!([1, "a'b", null]), r#"[1, "a'b", None]"#, r#"[1,"a'b",null]"#),
            (json!("é😀\n"), "é😀\n", r#""\u00e9\ud83d\ude00\n""#),
            (json!({"b": 1, "a": [true]}), "{'b': 1, 'a': [True]}", r#"{"a":[true],"b":1}"#),
        ] {
            assert_eq!(str(&value), as_str);
            assert_eq!(dumps(&value), as_json);
        }
    }
}
