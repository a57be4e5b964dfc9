//! Cuts Python into logical lines, and these into tokens.

/// A word, a number, a text or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    Name(&'a str),
    Number(&'a str),
    /// What stands between the quotes.
    Text {
        body: &'a str,
        raw: bool,
        /// Whether it is an f-string.
        format: bool,
        bytes: bool,
    },
    Sign(&'a str),
}

/// A logical line: what brackets and backslashes hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The line of the cell, from 1.
    pub number: usize,
    /// Whether it belongs to the block of a line above.
    pub indented: bool,
    /// The beginning of its first line as it is written.
    pub text: &'a str,
    pub content: Content<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    Tokens(Vec<Token<'a>>),
    /// A line of IPython's: `!aws s3 sync …`, `%matplotlib inline`.
    Magic(&'a str),
    /// No line of Python, and why.
    Broken(&'static str),
}

/// The most bytes of a line that a message shows.
const SHOWN: usize = 80;

/// Longer ones come first.
const SIGNS: &[&str] = &[
    "**=", "//=", ">>=", "<<=", "...", "**", "//", ">>", "<<", "==", "!=", "<=", ">=", "->", ":=", "+=",
    "-=", "*=", "/=", "%=", "@=", "&=", "|=", "^=",
];

/// Returns the logical lines of a cell.
pub fn lines(source: &str) -> Vec<Line<'_>> {
    let mut scan = Scan { source, at: 0 };
    let mut lines = Vec::new();
    // Counting from the start for each line would take the square of the length.
    let (mut number, mut counted, mut behind_semicolon) = (1, 0, false);
    loop {
        let start = scan.at;
        scan.skip(|c| c == ' ' || c == '\t' || c == '\u{c}');
        let indented = scan.at > start && !behind_semicolon;
        number += source[counted..scan.at].matches('\n').count();
        counted = scan.at;
        let Some(c) = scan.peek() else { return lines };
        let rest = scan.rest();
        let text = rest[..rest.floor_char_boundary(SHOWN)].lines().next().unwrap_or_default();
        match c {
            '\n' | ';' => scan.at += 1,
            '#' => scan.skip(|c| c != '\n'),
            '!' | '%' if !behind_semicolon => {
                let content = Content::Magic(scan.magic());
                lines.push(Line { number, indented, text, content });
            }
            _ => {
                let content = scan.tokens().map_or_else(Content::Broken, Content::Tokens);
                lines.push(Line { number, indented, text, content });
            }
        }
        behind_semicolon = source[..scan.at].ends_with(';');
    }
}

struct Scan<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, while_: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !while_(c)).unwrap_or(rest.len());
    }

    fn magic(&mut self) -> &'a str {
        let start = self.at;
        loop {
            self.skip(|c| c != '\n');
            if !self.source[start..self.at].ends_with('\\') || self.at == self.source.len() {
                return &self.source[start..self.at];
            }
            self.at += 1;
        }
    }

    /// Reads to the end of the logical line. If it is broken, everything to the end of the physical line is passed over.
    fn tokens(&mut self) -> Result<Vec<Token<'a>>, &'static str> {
        let read = self.tokens_of_line();
        if read.is_err() {
            self.skip(|c| c != '\n');
        }
        read
    }

    fn tokens_of_line(&mut self) -> Result<Vec<Token<'a>>, &'static str> {
        let (mut tokens, mut depth) = (Vec::new(), 0usize);
        loop {
            self.skip(|c| c == ' ' || c == '\t' || c == '\u{c}');
            let Some(c) = self.peek() else {
                return if depth == 0 { Ok(tokens) } else { Err("a bracket is never closed") };
            };
            match c {
                '\n' | ';' if depth == 0 => {
                    self.at += 1;
                    return Ok(tokens);
                }
                '\n' => self.at += 1,
                '#' => self.skip(|c| c != '\n'),
                '\\' if self.rest()[1..].starts_with('\n') => self.at += 2,
                '"' | '\'' => tokens.push(self.text("")?),
                '0'..='9' => tokens.push(self.number()),
                '.' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                    tokens.push(self.number())
                }
                c if c.is_alphabetic() || c == '_' => {
                    let start = self.at;
                    self.skip(|c| c.is_alphanumeric() || c == '_');
                    let name = &self.source[start..self.at];
                    let is_prefix = name.len() <= 2 && name.chars().all(|c| "rRbBfFuU".contains(c));
                    tokens.push(match self.peek() {
                        Some('"' | '\'') if is_prefix => self.text(name)?,
                        _ => Token::Name(name),
                    });
                }
                _ => {
                    let rest = self.rest();
                    let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
                    let length = sign.map_or(c.len_utf8(), |sign| sign.len());
                    match c {
                        '(' | '[' | '{' => depth += 1,
                        ')' | ']' | '}' => {
                            depth = depth.checked_sub(1).ok_or("a bracket closes that none opens")?
                        }
                        _ => {}
                    }
                    tokens.push(Token::Sign(&rest[..length]));
                    self.at += length;
                }
            }
        }
    }

    fn number(&mut self) -> Token<'a> {
        let start = self.at;
        self.skip(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
        // The sign of an exponent: 1e-3.
        let so_far = &self.source[start..self.at];
        if so_far.ends_with(['e', 'E']) && !so_far.starts_with("0x") && self.rest().starts_with(['+', '-']) {
            self.at += 1;
            self.skip(|c| c.is_ascii_digit());
        }
        Token::Number(&self.source[start..self.at])
    }

    fn text(&mut self, prefix: &str) -> Result<Token<'a>, &'static str> {
        let has = |letter: char| prefix.contains([letter, letter.to_ascii_uppercase()]);
        let rest = self.rest();
        let three = ["\"\"\"", "'''"].into_iter().find(|three| rest.starts_with(three));
        let quote = three.unwrap_or(&rest[..1]);
        self.at += quote.len();
        let start = self.at;
        let mut escaped = false;
        for (offset, c) in self.source[start..].char_indices() {
            let at = start + offset;
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '\n' if quote.len() == 1 => break,
                _ if self.source[at..].starts_with(quote) => {
                    self.at = at + quote.len();
                    let body = &self.source[start..at];
                    return Ok(Token::Text { body, raw: has('r'), format: has('f'), bytes: has('b') });
                }
                _ => {}
            }
        }
        if quote.len() > 1 {
            self.at = self.source.len();
        }
        Err("a text is never closed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> Vec<Token<'_>> {
        match lines(source).remove(0).content {
            Content::Tokens(tokens) => tokens,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn brackets_and_backslashes_hold_lines_together() {
        let source =
            "a = f(1,  # one\n\n      'x\\'y')\nif b:\n    c; d\n!ls \\\n  -l\n# no\nx = 1 + \\\n  2\n";
        let found = lines(source);
        let shape: Vec<(usize, bool)> = found.iter().map(|line| (line.number, line.indented)).collect();
        assert_eq!(shape, [(1, false), (4, false), (5, true), (5, false), (6, false), (9, false)]);
        assert_eq!(found[4].content, Content::Magic("!ls \\\n  -l"));
        assert_eq!(found[0].text, "a = f(1,  # one");
    }

    #[test]
    fn tokens_of_each_sort() {
        let text = |body, raw, format| Token::Text { body, raw, format, bytes: false };
        use Token::*;
        assert_eq!(
            tokens("x **= rf'a\\'b' '''it's\n\"''' 1e-3 0xE .5 é->1_0"),
            [
                Name("x"),
                Sign("**="),
                text("a\\'b", true, true),
                text("it's\n\"", false, false),
                Number("1e-3"),
                Number("0xE"),
                Number(".5"),
                Name("é"),
                Sign("->"),
                Number("1_0")
            ]
        );
    }

    #[test]
    fn what_is_broken_ends_with_its_line() {
        for source in ["a = 'x\nb = 2", "a = )\nb = 2", "a = \"\"\"", "a = (", "\\", "'\\"] {
            let found = lines(source);
            assert!(matches!(found[0].content, Content::Broken(_)) || source == "\\", "{found:?}");
        }
        assert_eq!(lines("a = 'x\nb = 2").len(), 2);
        assert!(lines("\u{feff}\u{1f600} €").len() == 1);
    }
}
