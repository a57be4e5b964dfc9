//! What verbs print. All of it passes here, so that no secret is printed unasked and nothing controls the terminal.

use std::fmt::Display;
use std::io::Write;

use serde_json::Value;

use crate::diagnostic::printable;
use crate::failure::plainly;
use crate::secret::{shown, shown_value};

/// Prints text on standard output. If that is closed, the verb continues.
pub fn say(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{}", safe(text));
}

/// As [`say`], but secrets are printed too: the user has asked for them.
pub fn as_it_is(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{}", printable(&text.to_string()));
}

/// As [`say`], on standard error.
pub fn complain(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", plainly(&safe(text)));
}

/// As [`complain`], but the cursor stays behind the text.
pub fn ask(text: impl Display) -> std::io::Result<()> {
    write!(std::io::stderr(), "{}", safe(text))?;
    std::io::stderr().flush()
}

/// Prints a document that has no secrets: they were taken out of its texts before it was put together.
pub fn document(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints a value as one line of JSON.
pub fn json(value: &Value) {
    let _ = writeln!(std::io::stdout(), "{}", shown_value(value));
}

/// Returns standard output, for a protocol whose messages mask their secrets themselves.
pub fn stream() -> impl Write {
    std::io::stdout()
}

fn safe(text: impl Display) -> String {
    printable(&shown(&text.to_string()))
}

/// Returns a word as a shell reads it back.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
