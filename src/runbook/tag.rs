//! The tags of a template as words: enough to find names in the document, and to refuse, before it is parsed, what nests
//! too deep.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Span, closest};

/// The form of a text: a template or a bare expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Template,
    /// As in `when` and `expect`: without braces.
    Expression,
}

/// The most bytes of a tag. Each operator may nest one level deeper, in the parser and in its result. The longest known
/// expression has 200 bytes. A test parses the worst on a thread's stack of 2 MB.
pub const MAX_TAG: usize = 2048;
/// The most `elif`s and `set`s of a template: each nests within the one before.
const MAX_CHAIN: usize = 256;

/// Every filter of templates: those of `filters.rs` and minijinja's, except those that return much more than they get
/// (`indent`, `batch`, `slice`).
pub const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "bool",
    "bytes",
    "capitalize",
    "chain",
    "count",
    "d",
    "date",
    "default",
    "dictsort",
    "duration",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "money",
    "percent",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "vector",
    "zip",
];

/// The filters that make a block, which prose alone has.
pub const BLOCKS: &[&str] = &["code", "table"];

/// Every word that may follow `is`.
pub const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// What a template may call.
pub const FUNCTIONS: &[&str] = &["dict", "range"];
/// What prose may call, too.
pub const PROSE_FUNCTIONS: &[&str] = &["table", "figure", "ref"];

/// A call of `figure` or `ref` that names its step in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureCall<'a> {
    pub step: &'a str,
    /// Which of the step's figures: 1 is the first.
    pub nth: usize,
    /// Whether it is `figure`, which places the figure, and not `ref`, which refers to it.
    pub places: bool,
    /// The place of the step's name.
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Word(&'a str),
    /// A quoted text, without the quotes.
    Text(&'a str),
    Mark(u8),
}

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    piece: Piece<'a>,
    start: usize,
    end: usize,
}

/// What encloses text: a statement with an end, raw text or a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The statement's first word, or `#` for a comment.
    pub word: &'a str,
    /// The place of the tag that opens it.
    pub opening: Span,
    /// Where it ends. `None` if nothing closes it.
    pub end: Option<usize>,
}

/// The statements that have an end. `set` has one if it gives no value.
const ENCLOSING: &[&str] = &["autoescape", "block", "call", "filter", "for", "if", "macro", "with"];

/// The tags of a text.
#[derive(Debug)]
pub struct Tags<'a> {
    text: &'a str,
    tags: Vec<(Span, Vec<Token<'a>>)>,
    /// Raw text and comments.
    unread: Vec<Block<'a>>,
}

impl<'a> Tags<'a> {
    pub fn new(text: &'a str, form: Form) -> Self {
        let (mut tags, mut unread) = (Vec::new(), Vec::new());
        if form == Form::Expression {
            let (tokens, _) = tokens(text, 0, None);
            tags.push((0..text.len(), tokens));
            return Self { text, tags, unread };
        }
        let mut at = 0;
        while let Some(start) = text[at..].find('{').map(|found| at + found) {
            let end = match text.as_bytes().get(start + 1) {
                Some(b'{') => b'}',
                Some(b'%') => b'%',
                Some(b'#') => {
                    let end = text[start + 2..].find("#}").map(|found| start + 2 + found + 2);
                    unread.push(Block { word: "#", opening: start..start + 2, end });
                    at = end.unwrap_or(text.len());
                    continue;
                }
                _ => {
                    at = start + 1;
                    continue;
                }
            };
            let (tokens, after) = tokens(text, start + 2, Some(end));
            let raw = tokens.iter().find(|token| matches!(token.piece, Piece::Word(_)));
            at = match raw {
                // A raw block is text up to its end.
                Some(Token { piece: Piece::Word("raw"), .. }) if end == b'%' => {
                    let end = text[after..].find("endraw").map(|found| after + found);
                    unread.push(Block { word: "raw", opening: start..after, end });
                    end.unwrap_or(text.len())
                }
                _ => after,
            };
            tags.push((start..after, tokens));
        }
        Self { text, tags, unread }
    }

    /// Returns the blocks, in no order.
    pub fn blocks(&self) -> Vec<Block<'a>> {
        let (mut blocks, mut open) = (self.unread.clone(), Vec::<Block<'_>>::new());
        for (span, tokens) in &self.tags {
            let Some(word) = tokens.iter().find_map(word_of) else { continue };
            let has_value = tokens.iter().any(|token| token.piece == Piece::Mark(b'='));
            if !self.text[span.start..].starts_with("{%") {
                continue;
            } else if let Some(closed) = word.strip_prefix("end") {
                let block = open.pop_if(|block| block.word == closed);
                blocks.extend(block.map(|block| Block { end: Some(span.start), ..block }));
            } else if ENCLOSING.contains(&word) || (word == "set" && !has_value) {
                open.push(Block { word, opening: span.clone(), end: None });
            }
        }
        blocks.extend(open);
        blocks
    }

    /// Returns the places where a comment begins that was meant as something else, as the attribute of a heading:
    /// `{#name}`. All up to the next `#}` would be lost.
    pub fn attributes(&self) -> Vec<Span> {
        let attribute = |block: &Block<'_>| {
            let start = block.opening.start;
            let line = self.text[start + 2..].lines().next().unwrap_or_default();
            let length = line.find(['{', '}', '#'])?;
            let is_one =
                line[length..].starts_with('}') && line.starts_with(|c: char| !c.is_whitespace() && c != '}');
            (block.word == "#" && is_one).then_some(start..start + 2 + length + 1)
        };
        self.unread.iter().filter_map(attribute).collect()
    }

    /// Returns where to look for an error at this place: at the place itself, or at the tag that is not closed where it
    /// was noticed only lines later, or at the end of the text (`at_end`).
    pub fn cause(&self, noticed: Span, at_end: bool) -> Span {
        let unclosed = self.blocks().into_iter().filter(|block| block.end.is_none() && at_end);
        if let Some(block) = unclosed.max_by_key(|block| block.opening.start) {
            return block.opening;
        }
        match self.tags.iter().rfind(|(span, _)| span.start <= noticed.start) {
            Some((tag, _))
                if self.text[tag.start..noticed.start].contains('\n') && tag.end >= noticed.start =>
            {
                tag.start..tag.start + 2
            }
            _ => noticed,
        }
    }

    /// Refuses a template that would overflow the stack.
    pub fn bounded(&self) -> Result<(), (Span, String)> {
        if let Some((span, _)) = self.tags.iter().find(|(span, _)| span.len() > MAX_TAG) {
            let opening = span.start..(span.start + 2).min(self.text.len());
            let opening = if self.text.is_char_boundary(opening.end) { opening } else { span.clone() };
            return Err((opening, format!("an expression of more than {MAX_TAG} bytes")));
        }
        for word in ["elif", "set"] {
            let mut chain =
                self.tags.iter().filter(|(_, tokens)| tokens.iter().find_map(word_of) == Some(word));
            if let Some((span, _)) = chain.nth(MAX_CHAIN) {
                return Err((span.clone(), format!("a template with more than {MAX_CHAIN} `{word}`")));
            }
        }
        Ok(())
    }

    /// Whether its result cannot be much longer than its values: it has no statements, few concatenations, and products only
    /// of numbers (`numbers`: it refers only to numbers). In others a text could double repeatedly.
    pub fn is_modest(&self, numbers: bool) -> bool {
        let tokens = || self.tags.iter().flat_map(|(_, tokens)| tokens);
        let any = |test: fn(&Piece<'_>) -> bool| tokens().any(|token| test(&token.piece));
        let joined = tokens().filter(|token| matches!(token.piece, Piece::Mark(b'~' | b'+'))).count();
        let sequence = |piece: &Piece<'_>| {
            matches!(
                piece,
                Piece::Text(_) | Piece::Mark(b'[' | b'{') | Piece::Word("range" | "dict" | "string")
            )
        };
        !self.tags.iter().any(|(span, _)| self.text[span.clone()].starts_with("{%"))
            && joined <= 16
            && (!any(|piece| *piece == Piece::Mark(b'*')) || (numbers && !any(sequence)))
    }

    /// Returns the place of each tag that prints a value, and the names that its expression begins with.
    pub fn printed(&self) -> Vec<(Span, Vec<&'a str>)> {
        let printing = self.tags.iter().filter(|(span, _)| self.text[span.start..].starts_with("{{"));
        printing
            .map(|(span, tokens)| {
                let root = |at: usize| word_of(&tokens[at]).filter(|_| !behind(tokens, at, b'.'));
                (span.clone(), (0..tokens.len()).filter_map(root).collect())
            })
            .collect()
    }

    /// Returns each dotted name with its words and their places, in order. The words of filters and tests, and the names of
    /// arguments (`map(attribute="a")`), are not among them.
    pub fn chains(&self) -> Vec<Vec<(&'a str, Span)>> {
        let mut chains = Vec::new();
        for (_, tokens) in &self.tags {
            let mut at = 0;
            while let Some(first) = tokens.get(at) {
                at += 1;
                let Some(word) = word_of(first).filter(|_| stands_for_a_value(tokens, at - 1)) else {
                    continue;
                };
                let mut chain = vec![(word, first.start..first.end)];
                let mut end = first.end;
                while let (Some(Token { piece: Piece::Mark(b'.'), start, .. }), Some(next)) =
                    (tokens.get(at), tokens.get(at + 1))
                    && *start == end
                    && next.start == end + 1
                    && let Some(word) = word_of(next)
                {
                    end = next.end;
                    chain.push((word, next.start..end));
                    at += 2;
                }
                chains.push(chain);
            }
        }
        chains
    }

    /// Returns the place of each dotted name and of its prefixes: for `a.b.c`, those of `a`, `a.b` and `a.b.c`.
    pub fn names(&self) -> HashMap<&'a str, Vec<Span>> {
        let mut names: HashMap<&str, Vec<Span>> = HashMap::new();
        for chain in self.chains() {
            let start = chain[0].1.start;
            for (_, span) in chain {
                names.entry(&self.text[start..span.end]).or_default().push(start..span.end);
            }
        }
        names
    }

    /// Returns the unknown filters and tests, which the template's parser accepts. Prose has filters of its own.
    pub fn unknown(&self, in_prose: bool, at: &dyn Fn(usize) -> usize) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for (_, tokens) in &self.tags {
            for (index, token) in tokens.iter().enumerate() {
                let Some(word) = word_of(token) else { continue };
                let negated = index >= 2
                    && word_of(&tokens[index - 1]) == Some("not")
                    && word_of(&tokens[index - 2]) == Some("is");
                let tested = index >= 1 && word_of(&tokens[index - 1]) == Some("is") && word != "not";
                let (what, known) = match () {
                    () if behind(tokens, index, b'|') => ("filter", FILTERS),
                    () if (tested || negated) && !behind(tokens, index - 1, b'.') => ("test", TESTS),
                    () => continue,
                };
                let is_block = what == "filter" && in_prose && BLOCKS.contains(&word);
                if !is_block && !known.contains(&word) && word.starts_with(|c: char| c.is_alphabetic()) {
                    let span = at(token.start)..at(token.end);
                    let mut problem = Diagnostic::error(span, format!("there is no {what} `{word}`"));
                    if let Some(close) = closest(word, known.iter().copied()) {
                        problem = problem.hint(format!("did you mean `{close}`?"));
                    }
                    problems.push(problem);
                }
            }
        }
        problems
    }

    /// Returns the calls of `figure("…")` and `ref("…")`, in order.
    pub fn figures(&self) -> Vec<FigureCall<'a>> {
        let call = |tokens: &[Token<'a>]| match (tokens[0].piece, tokens[1].piece, tokens[2].piece) {
            (Piece::Word(name @ ("figure" | "ref")), Piece::Mark(b'('), Piece::Text(step)) => {
                let nth = match (tokens.get(3)?.piece, tokens.get(4).map(|token| token.piece)) {
                    (Piece::Mark(b','), Some(Piece::Word(nth))) => nth.parse().ok()?,
                    _ => 1,
                };
                let span = tokens[2].start + 1..tokens[2].end - 1;
                Some(FigureCall { step, nth, places: name == "figure", span })
            }
            _ => None,
        };
        let tags = self.tags.iter().map(|(_, tokens)| tokens);
        tags.flat_map(|tokens| (0..tokens.len().saturating_sub(2)).filter_map(|at| call(&tokens[at..])))
            .collect()
    }
}

fn word_of<'a>(token: &Token<'a>) -> Option<&'a str> {
    match token.piece {
        Piece::Word(word) => Some(word),
        _ => None,
    }
}

/// Whether the word at an index is that of a value: not a member behind a dot, a filter, a test or the name of an argument.
fn stands_for_a_value(tokens: &[Token<'_>], index: usize) -> bool {
    let word = |back: usize| index.checked_sub(back).and_then(|at| word_of(&tokens[at]));
    let is_test = word(1) == Some("is") || (word(1) == Some("not") && word(2) == Some("is"));
    let mark = |at: usize| tokens.get(at).map(|token| token.piece);
    let is_argument = (behind(tokens, index, b'(') || behind(tokens, index, b','))
        && mark(index + 1) == Some(Piece::Mark(b'='))
        && mark(index + 2) != Some(Piece::Mark(b'='));
    !(behind(tokens, index, b'.') || behind(tokens, index, b'|') || is_test || is_argument)
}

fn behind(tokens: &[Token<'_>], index: usize, mark: u8) -> bool {
    index > 0 && tokens[index - 1].piece == Piece::Mark(mark)
}

/// Returns the tokens from `at` to the end of a tag that ends with `end` and `}`, and the place of its end. As in
/// minijinja, a tag does not end within quotes or brackets.
fn tokens(text: &str, mut at: usize, end: Option<u8>) -> (Vec<Token<'_>>, usize) {
    let bytes = text.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let mut tokens = Vec::new();
    let mut open = 0isize;
    while let Some(&byte) = bytes.get(at) {
        if open == 0 && end == Some(byte) && bytes.get(at + 1) == Some(&b'}') {
            return (tokens, at + 2);
        }
        let start = at;
        at += 1;
        let piece = match byte {
            b'"' | b'\'' => {
                while bytes.get(at).is_some_and(|next| *next != byte) {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
                // A text without a closing quote.
                match text.get(start + 1..at - 1) {
                    Some(inner) => Piece::Text(inner),
                    None => continue,
                }
            }
            _ if is_word(byte) => {
                while bytes.get(at).is_some_and(|next| is_word(*next)) {
                    at += 1;
                }
                Piece::Word(&text[start..at])
            }
            _ if byte.is_ascii_whitespace() => continue,
            _ => {
                match byte {
                    b'(' | b'[' | b'{' => open += 1,
                    b')' | b']' | b'}' => open -= 1,
                    _ => {}
                }
                Piece::Mark(byte)
            }
        };
        tokens.push(Token { piece, start, end: at });
    }
    (tokens, bytes.len())
}
