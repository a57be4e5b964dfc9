//! Values as people write them: money, durations, bytes, dates, shares and numbers.

use indicatif::DecimalBytes;
use serde_json::Value;

/// Returns US dollars: `12.50 USD`; below a dollar with two significant digits, as `0.0036 USD`.
pub fn money(usd: f64) -> String {
    let size = usd.abs();
    let digits =
        if size > 0.0 && size < 1.0 { (1.0 - size.log10().floor()).clamp(2.0, 12.0) as usize } else { 2 };
    // A sum of nothing is -0.
    format!("{:.digits$} USD", usd + 0.0)
}

/// Returns milliseconds: `40 ms`, `1.7 s`, `12 s`, `3 min 20 s`, `1 h 2 min`.
pub fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    match seconds {
        0 => format!("{} ms", milliseconds.max(0)),
        1..10 => format!("{:.1} s", milliseconds.max(0) as f64 / 1000.0),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Returns bytes: `999 B`, `1.23 MB`.
pub fn bytes(bytes: u64) -> String {
    DecimalBytes(bytes).to_string()
}

/// Returns a share of one as a percentage with one decimal: `81.2 %`.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Returns milliseconds since 1970 as `2026-11-29 20:01:07 UTC`.
pub fn time(at: i64) -> String {
    timestamp(at).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Returns milliseconds since 1970 as `29 November 2026, 20:01 UTC`.
pub fn date(at: i64) -> String {
    timestamp(at).strftime("%-d %B %Y, %H:%M UTC").to_string()
}

fn timestamp(at: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at).unwrap_or_default()
}

/// Returns a number with four decimals, or four significant digits below 0.1: 0.8421, 12.5, 0.001234, 1.2e-9.
pub fn decimal(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || size >= 1e15 || (size > 0.0 && size < 1e-6) {
        let (digits, exponent) = match format!("{value:.3e}").split_once('e') {
            Some((digits, exponent)) => (digits.to_owned(), format!("e{exponent}")),
            None => return value.to_string(),
        };
        return format!("{}{exponent}", trimmed(&digits));
    }
    let below = if size > 0.0 { (-size.log10().floor()).max(1.0) as usize } else { 1 };
    trimmed(&format!("{value:.*}", below + 3)).to_owned()
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// The most characters of a line of [`json`].
const LINE: usize = 96;

/// Returns a value as JSON for people: what fits on a line stands on one, and the rest is indented.
pub fn json(value: &Value) -> String {
    let mut text = String::new();
    write_json(value, 0, &mut text);
    text
}

fn write_json(value: &Value, depth: usize, text: &mut String) {
    let flat = flat(value);
    let (open, close, members): (char, char, Vec<(String, &Value)>) = match value {
        Value::Array(items) => ('[', ']', items.iter().map(|item| (String::new(), item)).collect()),
        Value::Object(map) => {
            let named = map.iter().map(|(name, value)| (format!("{}: ", Value::from(name.as_str())), value));
            ('{', '}', named.collect())
        }
        _ => return text.push_str(&flat),
    };
    if members.is_empty() || depth * 2 + flat.chars().count() <= LINE {
        return text.push_str(&flat);
    }
    text.push(open);
    for (index, (name, value)) in members.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&"  ".repeat(depth + 1));
        text.push_str(name);
        write_json(value, depth + 1, text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(close);
}

/// Returns how two texts differ as a unified diff, with three lines around each change. Empty if they don't.
pub fn difference(old: &str, new: &str) -> String {
    // Without a last line feed, the diff would say so at both ends.
    let (old, new) = (format!("{old}\n"), format!("{new}\n"));
    similar::TextDiff::from_lines(&old, &new).unified_diff().context_radius(3).to_string()
}

/// A value as JSON on one line, with a space behind each comma and colon.
fn flat(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let members =
                map.iter().map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), flat(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_fits_on_a_line_stands_on_one() {
        let long = "x".repeat(60);
        let value = serde_json::json!({"a": [1, {"b": "\"c"}], "d": [long, long], "e": {}});
        let expected = format!(
            "{{\n  \"a\": [1, {{\"b\": \"\\\"c\"}}],\n  \"d\": [\n    \"{long}\",\n    \"{long}\"\n  ],\n  \"e\": {{}}\n}}"
        );
        assert_eq!(json(&value), expected);
        assert_eq!(serde_json::from_str::<Value>(&json(&value)).unwrap(), value);
    }

    #[test]
    fn a_difference_has_its_lines_and_those_around() {
        let (old, new) = ("a\nb\nc\nd\ne\nf", "a\nb\nc\nd\nE\nf");
        assert_eq!(difference(old, new), "@@ -2,5 +2,5 @@\n b\n c\n d\n-e\n+E\n f\n");
        assert_eq!(difference(old, old), "");
    }

    #[test]
    fn values_read_well() {
        let shown = [
            (money(0.0036), "0.0036 USD"),
            (money(0.36), "0.36 USD"),
            (money(-0.0), "0.00 USD"),
            (money(1234.5), "1234.50 USD"),
            (duration(40), "40 ms"),
            (duration(1_700), "1.7 s"),
            (duration(200_000), "3 min 20 s"),
            (duration(3_725_000), "1 h 2 min"),
            (bytes(1_234_567), "1.23 MB"),
            (percent(0.8123), "81.2 %"),
            (time(0), "1970-01-01 00:00:00 UTC"),
            (date(1_795_982_460_000), "29 November 2026, 20:01 UTC"),
            (decimal(0.842_099_999), "0.8421"),
            (decimal(0.001_234_567), "0.001235"),
            (decimal(12.5), "12.5"),
            (decimal(3.0), "3"),
            (decimal(0.0), "0"),
            (decimal(-1_234.567_89), "-1234.5679"),
            (decimal(1.25e-9), "1.25e-9"),
            (decimal(f64::NAN), "NaN"),
        ];
        for (shown, expected) in shown {
            assert_eq!(shown, expected);
        }
    }
}
