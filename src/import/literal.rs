//! Numbers and texts of Python.

use serde_json::Number;

/// Reads a number; an imaginary one is none.
pub fn number(text: &str) -> Option<Number> {
    let text = text.replace('_', "");
    let lower = text.to_ascii_lowercase();
    let radix = |prefix: &str, radix| {
        lower.strip_prefix(prefix).and_then(|digits| i64::from_str_radix(digits, radix).ok())
    };
    if let Some(whole) = radix("0x", 16).or(radix("0o", 8)).or(radix("0b", 2)).or(text.parse().ok()) {
        return Some(whole.into());
    }
    Number::from_f64(text.parse().ok()?)
}

/// Returns a text without its escapes. An escape that Python doesn't have stays, as `\.` does in a pattern.
pub fn unescaped(body: &str, raw: bool) -> String {
    if raw || !body.contains('\\') {
        return body.to_owned();
    }
    let mut text = String::with_capacity(body.len());
    let mut rest = body.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        let code = |digits: usize, rest: &std::str::Chars<'_>| {
            let hex = rest.as_str().get(..digits)?;
            char::from_u32(u32::from_str_radix(hex, 16).ok()?)
        };
        let Some(escape) = rest.next() else { break };
        let digits = match escape {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        match escape {
            '\n' => {}
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            '\\' | '\'' | '"' => text.push(escape),
            'x' | 'u' | 'U' if let Some(c) = code(digits, &rest) => {
                text.push(c);
                rest = rest.as_str()[digits..].chars();
            }
            other => text.extend(['\\', other]),
        }
    }
    text
}
