//! What stands in the prose for a value until it is known where the value lands: one character of a private
//! plane of Unicode. Values are cleansed of these characters before a template sees them, so none can forge one.

use serde_json::Value;

use super::label::Label;
use crate::written::decimal;

/// Plane 15 is for private use as a whole; its last two characters are not.
const FIRST: u32 = 0xF_0000;
const LAST: u32 = 0xF_FFFD;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Value {
        value: Value,
        /// The index of the step that it comes from, if it comes from one.
        from: Option<usize>,
    },
    /// A value that isn't there: `deploy.endpoint_name: not run`.
    Missing { name: String, why: String },
    /// A reference to a figure, or to all its parts.
    Figure { number: Label, whole: bool },
    /// A figure that stands here, and not at its step.
    Placed { number: Label },
    Table {
        columns: Vec<String>,
        /// Whether each column holds numbers alone.
        numeric: Vec<bool>,
        rows: Vec<Vec<String>>,
    },
    /// Fenced code, as it stands in the runbook.
    Literal { source: String },
    /// The place of a step, by its index.
    Step { index: usize },
}

impl Token {
    /// The token in words, on one line.
    pub fn words(&self) -> String {
        match self {
            Self::Value { value, .. } => words(value),
            Self::Missing { name, why } => format!("{name}: {why}"),
            Self::Figure { number, whole: true } => format!("Figure {}", number.figure),
            Self::Figure { number, .. } | Self::Placed { number } => format!("Figure {number}"),
            Self::Table { rows, .. } => rows.iter().map(|row| row.join(" ")).collect::<Vec<_>>().join("; "),
            Self::Literal { source } => one_line(source),
            Self::Step { .. } => String::new(),
        }
    }

    /// Whether it makes a block of its own where it stands alone.
    pub fn is_block(&self) -> bool {
        matches!(self, Self::Table { .. } | Self::Literal { .. } | Self::Placed { .. } | Self::Step { .. })
    }
}

/// The tokens of a document; a character is an index into it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// The character for a token; `None` once the plane is full, after 65,534 of them.
    pub fn add(&mut self, token: Token) -> Option<char> {
        let number = u32::try_from(self.0.len()).ok()?.checked_add(FIRST).filter(|number| *number <= LAST)?;
        self.0.push(token);
        char::from_u32(number)
    }

    pub fn get(&self, c: char) -> Option<&Token> {
        self.0.get(u32::from(c).checked_sub(FIRST)? as usize)
    }

    pub fn places_figures(&self) -> bool {
        self.0.iter().any(|token| matches!(token, Token::Placed { .. }))
    }

    /// Asks for each token that places a figure, by its character and the figure's number, whether it does. If it does not,
    /// it only refers to the figure.
    pub fn each_placed(&mut self, mut places: impl FnMut(char, Label) -> bool) {
        for (index, token) in self.0.iter_mut().enumerate() {
            let Token::Placed { number } = *token else { continue };
            let character = u32::try_from(index).ok().and_then(|index| char::from_u32(FIRST + index));
            if !character.is_some_and(|c| places(c, number)) {
                *token = Token::Figure { number, whole: false };
            }
        }
    }

    /// Text with each token replaced.
    pub fn fill(&self, text: &str, mut show: impl FnMut(&Token) -> String) -> String {
        let mut filled = String::with_capacity(text.len());
        for c in text.chars() {
            match self.get(c) {
                Some(token) => filled.push_str(&show(token)),
                None if is_token(c) => filled.push(char::REPLACEMENT_CHARACTER),
                None => filled.push(c),
            }
        }
        filled
    }
}

pub fn is_token(c: char) -> bool {
    (FIRST..=LAST).contains(&u32::from(c))
}

/// Text in which no character is a token.
pub fn cleansed(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { text.replace(is_token, "\u{fffd}") }
}

/// A value in words, as prose shows it.
pub fn words(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => decimal(float),
            None => number.to_string(),
        },
        Value::String(text) => one_line(text),
        Value::Array(items) if items.is_empty() => "none".into(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let members = map.iter().map(|(name, value)| format!("{}: {}", one_line(name), words(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Text on one line: white space of any kind becomes one space. Other control characters are shown, as are marks that
/// reorder what follows them, and so could make text read as what it is not.
pub fn one_line(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
    }
    crate::diagnostic::printable(&line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_is_left_out() {
        let classes: Vec<String> = (0..133).map(|n| format!("c{n}")).collect();
        assert_eq!(words(&json!(classes)), classes.join(", "));
        assert_eq!(words(&json!("x".repeat(500))).len(), 500);
    }
}
