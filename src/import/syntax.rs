//! Reads a logical line of Python as a statement, as far as it can mean a call of SageMaker's SDK.
//!
//! What no literal, name, call or `+` is becomes [`Expr::Other`]: it is passed over whole, and its value is unknown.

use serde_json::Value;

use super::literal::{number, unescaped};
use super::token::{Content, Token, lines};

/// How deeply expressions may be nested. People write five levels.
const DEEPEST: usize = 60;

#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// None, True, False or a number.
    Constant(Value),
    Text(Vec<Part>),
    Name(String),
    Attribute(Box<Expr>, String),
    Item(Box<Expr>, Box<Expr>),
    Call(Box<Expr>, Vec<Argument>),
    List(Vec<Expr>),
    /// A key that is `None` stands before what `**` spreads.
    Dict(Vec<(Option<Expr>, Expr)>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Negative(Box<Expr>),
    Other,
}

/// A part of a text: of an f-string, an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Literal(String),
    Value(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    pub name: Option<String>,
    /// Whether `*` or `**` spreads it.
    pub spreads: bool,
    pub value: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// The names that are imported: each with the path that it means.
    Import(Vec<(String, Vec<String>)>),
    /// `a = b = value`.
    Assign(Vec<Expr>, Expr),
    Expression(Expr),
    /// The first line of a block: its word, and the name behind it, as in `def f`.
    Block(String, Option<String>),
    /// A statement of another sort, by its word.
    Other(String),
}

/// Reads a statement.
///
/// # Errors
/// Why it is none that can be read.
pub fn statement(tokens: &[Token<'_>]) -> Result<Statement, &'static str> {
    const BLOCKS: &[&str] =
        &["for", "while", "if", "elif", "else", "def", "class", "with", "try", "except", "finally", "async"];
    const WORDS: &[&str] = &[
        "pass", "del", "assert", "raise", "return", "global", "nonlocal", "break", "continue", "yield",
        "await",
    ];
    match tokens.first() {
        Some(Token::Name("import" | "from")) => return Ok(Statement::Import(imported(tokens))),
        Some(Token::Name(word)) if BLOCKS.contains(word) => {
            let name = match tokens.get(1) {
                Some(Token::Name(name)) => Some((*name).to_owned()),
                _ => None,
            };
            return Ok(Statement::Block((*word).to_owned(), name));
        }
        Some(Token::Name(word)) if WORDS.contains(word) => return Ok(Statement::Other((*word).to_owned())),
        Some(Token::Sign("@")) => return Ok(Statement::Block("@".into(), None)),
        _ => {}
    }
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let mut value = parser.tuple()?;
    let mut targets = Vec::new();
    if parser.take(":") {
        // An annotation: `a: str = "b"`.
        parser.expression()?;
    }
    while parser.take("=") {
        targets.push(value);
        value = parser.tuple()?;
    }
    match parser.peek() {
        None if targets.is_empty() => Ok(Statement::Expression(value)),
        None => Ok(Statement::Assign(targets, value)),
        Some(Token::Sign(sign)) if sign.len() > 1 && sign.ends_with('=') => {
            Ok(Statement::Other((*sign).to_owned()))
        }
        Some(_) => Err("it is no Python that is read here"),
    }
}

/// Returns the names that an import makes: of `import a.b`, the name `a`.
fn imported(tokens: &[Token<'_>]) -> Vec<(String, Vec<String>)> {
    let is_from = tokens.first() == Some(&Token::Name("from"));
    let split = tokens.iter().position(|token| *token == Token::Name("import")).unwrap_or_default();
    let names = |tokens: &[Token<'_>]| -> Vec<String> {
        let name = |token: &Token<'_>| match token {
            Token::Name(name) => Some((*name).to_owned()),
            _ => None,
        };
        tokens.iter().filter_map(name).collect()
    };
    let module = if is_from { names(&tokens[1..split.max(1)]) } else { Vec::new() };
    let behind = tokens.get(split + 1..).unwrap_or_default();
    let imported = behind.split(|token| *token == Token::Sign(",")).filter_map(|one| {
        let renamed = one.iter().position(|token| *token == Token::Name("as"));
        let path = names(&one[..renamed.unwrap_or(one.len())]);
        let local = match renamed {
            Some(at) => names(&one[at + 1..]).first()?.clone(),
            None => path.first()?.clone(),
        };
        let path = if renamed.is_none() && !is_from { path[..1].to_vec() } else { path };
        Some((local, [module.clone(), path].concat()))
    });
    imported.collect()
}

/// An expression, and how deeply it is nested.
type Parsed = Result<(Expr, usize), &'static str>;

struct Parser<'t, 's> {
    tokens: &'t [Token<'s>],
    at: usize,
    depth: usize,
}

fn node(expr: Expr, height: usize) -> Parsed {
    if height < DEEPEST { Ok((expr, height + 1)) } else { Err("it is nested too deeply") }
}

impl<'t, 's> Parser<'t, 's> {
    fn peek(&self) -> Option<&'t Token<'s>> {
        self.tokens.get(self.at)
    }

    fn is(&self, sign: &str) -> bool {
        self.peek() == Some(&Token::Sign(sign))
    }

    fn is_word(&self, word: &str) -> bool {
        self.peek() == Some(&Token::Name(word))
    }

    fn take(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, sign: &str) -> Result<(), &'static str> {
        if self.take(sign) { Ok(()) } else { Err("it is no Python that is read here") }
    }

    /// Expressions with commas between them and no brackets around them.
    fn tuple(&mut self) -> Result<Expr, &'static str> {
        let (first, height) = self.expression()?;
        if !self.is(",") {
            return Ok(first);
        }
        let (mut items, mut highest) = (vec![first], height);
        while self.take(",") {
            if self.peek().is_none() || self.is("=") {
                break;
            }
            let (item, height) = self.expression()?;
            highest = highest.max(height);
            items.push(item);
        }
        Ok(node(Expr::List(items), highest)?.0)
    }

    fn expression(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it is nested too deeply");
        }
        let mut read = self.binary(0)?;
        if self.is_word("if") {
            self.at += 1;
            self.binary(0)?;
            if !self.is_word("else") {
                return Err("it is no Python that is read here");
            }
            self.at += 1;
            self.expression()?;
            read = (Expr::Other, 1);
        }
        self.depth -= 1;
        Ok(read)
    }

    /// Returns the operator here, how tightly it binds, and how many tokens it has.
    fn operator(&self) -> Option<(&'static str, u8, usize)> {
        let next = self.tokens.get(self.at + 1);
        Some(match self.peek()? {
            Token::Name("or") => ("or", 1, 1),
            Token::Name("and") => ("and", 2, 1),
            Token::Name("in") => ("in", 4, 1),
            Token::Name("not") if next == Some(&Token::Name("in")) => ("in", 4, 2),
            Token::Name("is") if next == Some(&Token::Name("not")) => ("is", 4, 2),
            Token::Name("is") => ("is", 4, 1),
            Token::Sign("==" | "!=" | "<" | ">" | "<=" | ">=") => ("<", 4, 1),
            Token::Sign("|" | "^" | "&" | "<<" | ">>") => ("|", 5, 1),
            Token::Sign(":=") => (":=", 0, 1),
            Token::Sign("+") => ("+", 9, 1),
            Token::Sign("-") => ("-", 9, 1),
            Token::Sign("*") => ("*", 10, 1),
            Token::Sign("/") => ("/", 10, 1),
            Token::Sign("//") => ("//", 10, 1),
            Token::Sign("%") => ("%", 10, 1),
            Token::Sign("@") => ("@", 10, 1),
            Token::Sign("**") => ("**", 12, 1),
            _ => return None,
        })
    }

    fn binary(&mut self, least: u8) -> Parsed {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it is nested too deeply");
        }
        let (mut left, mut height) = self.unary()?;
        while let Some((sign, tightness, length)) =
            self.operator().filter(|(_, tightness, _)| *tightness >= least)
        {
            self.at += length;
            let (right, other) = self.binary(tightness + 1)?;
            let is_read = ["+", "-", "*", "/", "//", "%", "**"].contains(&sign);
            (left, height) = match is_read {
                true => node(Expr::Binary(sign, Box::new(left), Box::new(right)), height.max(other))?,
                false => (Expr::Other, 1),
            };
        }
        self.depth -= 1;
        Ok((left, height))
    }

    fn unary(&mut self) -> Parsed {
        if self.is_word("lambda") {
            // Its parameters are names with defaults; what it does is not read.
            while self.peek().is_some() && !self.take(":") {
                self.at += 1;
            }
            self.expression()?;
            return Ok((Expr::Other, 1));
        }
        if self.is_word("not") || self.is_word("await") || self.is("~") || self.is("+") || self.is("*") {
            self.at += 1;
            self.binary(11)?;
            return Ok((Expr::Other, 1));
        }
        if self.take("-") {
            let (value, height) = self.binary(11)?;
            return node(Expr::Negative(Box::new(value)), height);
        }
        self.chain()
    }

    /// A value, and the attributes, calls and items behind it.
    fn chain(&mut self) -> Parsed {
        let (mut value, mut height) = self.atom()?;
        loop {
            if self.take(".") {
                let Some(Token::Name(name)) = self.peek() else {
                    return Err("it is no Python that is read here");
                };
                self.at += 1;
                (value, height) = node(Expr::Attribute(Box::new(value), (*name).to_owned()), height)?;
            } else if self.take("(") {
                let (arguments, highest) = self.arguments()?;
                (value, height) = node(Expr::Call(Box::new(value), arguments), height.max(highest))?;
            } else if self.take("[") {
                let (item, other) = if self.slices() { (Expr::Other, 1) } else { self.expression()? };
                if !self.take("]") {
                    self.close("]")?;
                    (value, height) = (Expr::Other, 1);
                    continue;
                }
                (value, height) = node(Expr::Item(Box::new(value), Box::new(item)), height.max(other))?;
            } else {
                return Ok((value, height));
            }
        }
    }

    /// Whether a slice begins here that has no start: `[:3]`.
    fn slices(&self) -> bool {
        self.is(":")
    }

    /// Passes over everything to the bracket that closes here.
    fn close(&mut self, closing: &str) -> Result<(), &'static str> {
        let mut depth = 0usize;
        while let Some(token) = self.peek() {
            self.at += 1;
            match token {
                Token::Sign(sign) if depth == 0 && *sign == closing => return Ok(()),
                Token::Sign("(" | "[" | "{") => depth += 1,
                Token::Sign(")" | "]" | "}") => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Err("a bracket is never closed")
    }

    fn arguments(&mut self) -> Result<(Vec<Argument>, usize), &'static str> {
        let (mut arguments, mut highest) = (Vec::new(), 0);
        while !self.take(")") {
            let spreads = self.take("**") || self.take("*");
            let name = match (self.peek(), self.tokens.get(self.at + 1)) {
                (Some(Token::Name(name)), Some(Token::Sign("="))) => {
                    self.at += 2;
                    Some((*name).to_owned())
                }
                _ => None,
            };
            let (mut value, height) = self.expression()?;
            highest = highest.max(height);
            if self.is_word("for") || self.is_word("async") {
                self.close(")")?;
                value = Expr::Other;
                arguments.push(Argument { name, spreads, value });
                return Ok((arguments, highest));
            }
            arguments.push(Argument { name, spreads, value });
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok((arguments, highest))
    }

    fn atom(&mut self) -> Parsed {
        let token = self.peek().ok_or("it ends too early")?;
        self.at += 1;
        match token {
            Token::Name("None") => Ok((Expr::Constant(Value::Null), 1)),
            Token::Name("True") => Ok((Expr::Constant(true.into()), 1)),
            Token::Name("False") => Ok((Expr::Constant(false.into()), 1)),
            Token::Name(name) => Ok((Expr::Name((*name).to_owned()), 1)),
            Token::Number(text) => {
                Ok((number(text).map_or(Expr::Other, |n| Expr::Constant(Value::Number(n))), 1))
            }
            Token::Text { .. } => {
                self.at -= 1;
                self.text()
            }
            Token::Sign("...") => Ok((Expr::Other, 1)),
            Token::Sign("(") => {
                let (mut items, height, commas) = self.items(")")?;
                match (items.len(), commas) {
                    (1, false) => Ok((items.remove(0), height)),
                    _ => node(Expr::List(items), height),
                }
            }
            Token::Sign("[") => {
                let (items, height, _) = self.items("]")?;
                node(Expr::List(items), height)
            }
            Token::Sign("{") => self.dict(),
            _ => Err("it is no Python that is read here"),
        }
    }

    /// The items to a closing bracket, and whether there is a comma. A comprehension is one item that isn't read.
    fn items(&mut self, closing: &str) -> Result<(Vec<Expr>, usize, bool), &'static str> {
        let (mut items, mut highest, mut commas) = (Vec::new(), 0, false);
        while !self.take(closing) {
            let (item, height) = self.expression()?;
            highest = highest.max(height);
            if self.is_word("for") || self.is_word("async") {
                self.close(closing)?;
                return Ok((vec![Expr::Other], 1, false));
            }
            items.push(item);
            if !self.take(",") {
                self.expect(closing)?;
                break;
            }
            commas = true;
        }
        Ok((items, highest, commas))
    }

    fn dict(&mut self) -> Parsed {
        let (mut entries, mut highest) = (Vec::new(), 0);
        while !self.take("}") {
            if self.take("**") {
                let (value, height) = self.expression()?;
                highest = highest.max(height);
                entries.push((None, value));
            } else {
                let (key, height) = self.expression()?;
                // A set, or a comprehension.
                if !self.take(":") {
                    self.close("}")?;
                    return Ok((Expr::Other, 1));
                }
                let (value, other) = self.expression()?;
                highest = highest.max(height).max(other);
                if self.is_word("for") || self.is_word("async") {
                    self.close("}")?;
                    return Ok((Expr::Other, 1));
                }
                entries.push((Some(key), value));
            }
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        node(Expr::Dict(entries), highest)
    }

    /// Texts that follow each other are one.
    fn text(&mut self) -> Parsed {
        let (mut parts, mut highest, mut is_read) = (Vec::new(), 0, true);
        while let Some(Token::Text { body, raw, format, bytes }) = self.peek() {
            self.at += 1;
            is_read &= !bytes;
            match format {
                false => parts.push(Part::Literal(unescaped(body, *raw))),
                true => highest = highest.max(self.format(body, *raw, &mut parts)?),
            }
        }
        if is_read { node(Expr::Text(parts), highest) } else { Ok((Expr::Other, 1)) }
    }

    /// Reads the parts of an f-string. Returns how deeply they are nested.
    fn format(&mut self, body: &str, raw: bool, parts: &mut Vec<Part>) -> Result<usize, &'static str> {
        let (mut literal, mut rest, mut highest) = (String::new(), body, 0);
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let braces = &rest[at..];
            if braces.starts_with("{{") || braces.starts_with("}}") {
                literal.push_str(&braces[..1]);
                rest = &braces[2..];
                continue;
            }
            let end =
                braces.find('}').filter(|_| braces.starts_with('{')).ok_or("an f-string isn't closed")?;
            parts.push(Part::Literal(unescaped(&std::mem::take(&mut literal), raw)));
            let (value, height) = self.inner(&braces[1..end]);
            parts.push(Part::Value(value));
            highest = highest.max(height);
            rest = &braces[end + 1..];
        }
        literal.push_str(rest);
        parts.push(Part::Literal(unescaped(&literal, raw)));
        Ok(highest)
    }

    /// The expression in the braces of an f-string. With a format or a conversion behind it, it isn't read.
    fn inner(&self, source: &str) -> (Expr, usize) {
        let lines = lines(source);
        let [line] = lines.as_slice() else { return (Expr::Other, 1) };
        let Content::Tokens(tokens) = &line.content else { return (Expr::Other, 1) };
        let mut parser = Parser { tokens, at: 0, depth: self.depth };
        match parser.expression() {
            Ok(read) if parser.peek().is_none() => read,
            _ => (Expr::Other, 1),
        }
    }
}

#[cfg(test)]
mod tests;
