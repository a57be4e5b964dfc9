//! The filters that write values as people do: `money`, `duration`, `bytes`, `date`, `percent`, `vector`.

use jiff::Timestamp;
use minijinja::{Environment, Error, ErrorKind, Value};

use crate::written;

/// Adds the filters. Each takes a value of one kind, and a value of another kind is an error that says so.
pub fn add(environment: &mut Environment<'_>) {
    environment
        .add_filter("money", |value: &Value| Ok::<_, Error>(written::money(number(value, "US dollars")?)));
    environment.add_filter("duration", |value: &Value| {
        Ok::<_, Error>(written::duration((number(value, "seconds")? * 1000.0) as i64))
    });
    environment
        .add_filter("bytes", |value: &Value| Ok::<_, Error>(written::bytes(number(value, "bytes")? as u64)));
    environment.add_filter("percent", |value: &Value| {
        Ok::<_, Error>(written::percent(number(value, "a share of one")?))
    });
    environment.add_filter("date", date);
    environment.add_filter("vector", vector);
}

fn number(value: &Value, what: &str) -> Result<f64, Error> {
    let number = if value.is_number() { f64::try_from(value.clone()).ok() } else { None };
    number.filter(|number| number.is_finite()).ok_or_else(|| refused(value, what))
}

fn refused(value: &Value, what: &str) -> Error {
    match value.is_undefined() {
        true => Error::from(ErrorKind::UndefinedError),
        false => {
            let message = format!("it takes {what}, and this is {}", value.kind());
            Error::new(ErrorKind::InvalidOperation, message)
        }
    }
}

/// A time as AWS writes it (`2026-11-29T20:01:07Z`), or in seconds or milliseconds since 1970.
fn date(value: &Value) -> Result<String, Error> {
    let milliseconds = match value.as_str() {
        Some(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
        None => {
            let number = number(value, "a time")?;
            // 100,000,000,000 seconds are the year 5138, and as many milliseconds are 1973.
            Some(if number.abs() < 1e11 { (number * 1000.0) as i64 } else { number as i64 })
        }
    };
    milliseconds.map(written::date).ok_or_else(|| refused(value, "a time"))
}

/// Every number of a list, or of the lists in it, with its significant digits.
fn vector(value: &Value) -> Result<String, Error> {
    let list = || refused(value, "a list of numbers");
    if value.kind() != minijinja::value::ValueKind::Seq {
        return Err(list());
    }
    let mut items = Vec::new();
    for item in value.try_iter()? {
        items.push(match item.kind() {
            minijinja::value::ValueKind::Seq => vector(&item)?,
            _ => written::decimal(number(&item, "a list of numbers")?).replace('-', "−"),
        });
    }
    Ok(format!("[{}]", items.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::template::{Context, resolve};

    #[test]
    fn filters_write_values_as_people_do() {
        let context = Context::default().with(&json!({"a": {
            "usd": 0.0036, "s": 200, "size": 1_234_567, "share": 0.8123, "at": "2026-11-29T20:01:07Z",
            "vector": [[0.5, -1.25, 3]], "text": "x",
        }}));
        for (template, shown) in [
            ("{{ a.usd | money }}", "0.0036 USD"),
            ("{{ a.s | duration }}", "3 min 20 s"),
            ("{{ a.size | bytes }}", "1.23 MB"),
            ("{{ a.share | percent }}", "81.2 %"),
            ("{{ a.at | date }}", "29 November 2026, 20:01 UTC"),
            ("{{ 1795982460000 | date }}", "29 November 2026, 20:01 UTC"),
            ("{{ a.vector | vector }}", "[[0.5, −1.25, 3]]"),
        ] {
            assert_eq!(resolve(template, &context).unwrap(), json!(shown), "{template}");
        }
        for filter in ["money", "duration", "bytes", "date", "percent", "vector"] {
            for value in ["a.text", "a", "a.missing"] {
                assert!(
                    resolve(&format!("{{{{ {value} | {filter} }}}}"), &context).is_err(),
                    "{value} {filter}"
                );
            }
        }
    }
}
