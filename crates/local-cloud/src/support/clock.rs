//! Times in the store's format and in those of the protocols.

use jiff::Timestamp;
use serde_json::{Value, json};

/// Returns the present time, in milliseconds since 1970, UTC.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Returns milliseconds in awsJson's format: seconds since 1970, with a fraction.
pub fn seconds(ms: i64) -> Value {
    // No date comes near 2^52 ms.
    #[allow(clippy::cast_precision_loss)]
    let seconds = ms as f64 / 1000.0;
    json!(seconds)
}

/// Reads a time of a JSON input, and returns it in milliseconds. It may be seconds since 1970, as a number or a text,
/// or ISO
/// 8601. None: it is neither.
pub fn milliseconds(value: &Value) -> Option<i64> {
    // No date comes near 2^52 ms.
    #[allow(clippy::cast_possible_truncation)]
    let of_seconds = |seconds: f64| (seconds * 1000.0) as i64;
    match value {
        Value::Number(seconds) => seconds.as_f64().map(of_seconds),
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(time) => Some(time.as_millisecond()),
            Err(_) => text.parse().ok().map(of_seconds),
        },
        _ => None,
    }
}

/// Returns a time in the query protocols' format, to the second: `2026-01-31T12:00:00Z`.
pub fn iso_seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_each_form_that_clients_send() {
        for value in [json!(1.5), json!("1.5"), json!("1970-01-01T00:00:01.500Z")] {
            assert_eq!(milliseconds(&value), Some(1500), "{value}");
        }
        assert_eq!(milliseconds(&json!("soon")), None);
        assert_eq!(seconds(1500), json!(1.5));
    }
}
