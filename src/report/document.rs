//! The prose of a write-up as a tree: what the author wrote, with the values in their places as plain text.
//!
//! It is what a template gets that makes no Markdown. All of it is text, names and numbers: whoever shows a text as text
//! can't be made to do anything by it.

use std::collections::BTreeMap;

use pulldown_cmark::{Alignment, CodeBlockKind, Event, Parser, Tag};
use schemars::JsonSchema;
use serde::Serialize;

use super::data::ReportData;
use super::label::Label;
use super::link::{self, Pictures};
use super::part::without_comments;
use super::prose::{lone_character, options};
use super::token::{Token, Tokens, is_token, one_line};

/// How deep lists and quotes are nested, and marks in a line. What lies deeper is shown at this depth.
const DEEPEST: usize = 6;

/// The prose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Document {
    pub blocks: Vec<Block>,
    /// What the footnotes say, by their labels.
    pub notes: BTreeMap<String, Vec<Block>>,
}

/// What stands on lines of its own.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "block", rename_all = "snake_case")]
pub enum Block {
    Heading {
        /// From 1, the level of the document's highest headings. It is never more than one below that of the heading before.
        level: usize,
        text: Vec<Inline>,
    },
    Paragraph {
        text: Vec<Inline>,
    },
    Code {
        /// The first word behind the fence: `python`.
        language: Option<String>,
        code: String,
    },
    Quote {
        blocks: Vec<Block>,
    },
    List {
        /// The first number, if the items are numbered.
        start: Option<u64>,
        items: Vec<Vec<Block>>,
    },
    Table {
        /// For each column, what the author asked for.
        align: Vec<Option<Align>>,
        columns: Vec<Vec<Inline>>,
        rows: Vec<Vec<Vec<Inline>>>,
    },
    Rule,
    /// The place of a step: its index in the list of steps. Each step has one place at most.
    Step {
        index: usize,
    },
    /// A figure that stands here, and not at its step.
    Figure {
        number: Label,
    },
}

/// Where the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    Left,
    Center,
    Right,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "inline", rename_all = "snake_case")]
pub enum Inline {
    Text {
        text: String,
    },
    Code {
        code: String,
    },
    Emphasis {
        inner: Vec<Inline>,
    },
    Strong {
        inner: Vec<Inline>,
    },
    Struck {
        inner: Vec<Inline>,
    },
    Link {
        /// A URL that can run nothing, a path beside the runbook, or `#figure-3`.
        target: String,
        inner: Vec<Inline>,
    },
    /// A picture of the runbook's folder.
    Picture {
        /// The name of the file that the write-up carries: `figures/picture-1.png`.
        path: String,
        alt: String,
    },
    /// A reference to a figure.
    Figure {
        number: Label,
        /// `Figure 6`, or of a part `Figure 6b`.
        name: String,
    },
    /// A value that isn't there: `deploy.endpoint_name`, `not run`.
    Missing {
        name: String,
        why: String,
    },
    /// A reference to a footnote.
    Note {
        label: String,
    },
    /// A line break.
    Break,
}

/// Reads the prose of a write-up.
pub fn read(data: &ReportData, pictures: &Pictures) -> Document {
    let events: Vec<Event<'_>> = Parser::new_ext(&data.prose, options()).collect();
    let highest = events.iter().filter_map(|event| match event {
        Event::Start(Tag::Heading { level, .. }) => Some(*level as usize),
        _ => None,
    });
    let mut reader = Reader {
        tokens: &data.tokens,
        pictures,
        highest: highest.min().unwrap_or(1),
        above: 0,
        open: Vec::new(),
        root: Open::default(),
        notes: BTreeMap::new(),
        placed: vec![false; data.steps.len()],
        waiting: Vec::new(),
    };
    let mut at = 0;
    while let Some(event) = events.get(at) {
        at += 1 + reader.take(event, &events[at + 1..]);
    }
    while !reader.open.is_empty() {
        reader.close();
    }
    reader.root.end_line();
    Document { blocks: reader.root.blocks, notes: reader.notes }
}

/// What is being read: its tag, and what stands in it so far.
#[derive(Default)]
struct Open<'a> {
    tag: Option<Tag<'a>>,
    blocks: Vec<Block>,
    /// What has no block yet: the items of a dense list have no paragraphs.
    line: Vec<Inline>,
    /// The items of a list; the cells of a row, and the rows of a table, the first of which is its head.
    items: Vec<Vec<Block>>,
    cells: Vec<Vec<Inline>>,
    rows: Vec<Vec<Vec<Inline>>>,
    code: String,
}

impl Open<'_> {
    fn end_line(&mut self) {
        let text = std::mem::take(&mut self.line);
        if is_seen(&text) {
            self.blocks.push(Block::Paragraph { text });
        }
    }

    /// Takes in what has stood in a mark that is left out.
    fn append(&mut self, line: Vec<Inline>) {
        for inline in line {
            match inline {
                Inline::Text { text } => self.say(&text),
                other => self.line.push(other),
            }
        }
    }

    fn say(&mut self, words: &str) {
        // In text, a line break is a space.
        let words = words.replace('\n', " ");
        match self.line.last_mut() {
            Some(Inline::Text { text }) => text.push_str(&words),
            _ if words.is_empty() => {}
            _ => self.line.push(Inline::Text { text: words }),
        }
    }
}

struct Reader<'a> {
    tokens: &'a Tokens,
    pictures: &'a Pictures,
    /// The level of the highest headings as the author wrote it.
    highest: usize,
    /// The level of the heading before.
    above: usize,
    /// From the outermost to the innermost.
    open: Vec<Open<'a>>,
    root: Open<'a>,
    notes: BTreeMap<String, Vec<Block>>,
    placed: Vec<bool>,
    /// Steps whose place lies in the block that is being read.
    waiting: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn here(&mut self) -> &mut Open<'a> {
        self.open.last_mut().unwrap_or(&mut self.root)
    }

    fn is_in(&self, is: impl Fn(&Tag<'_>) -> bool) -> bool {
        self.open.iter().any(|open| open.tag.as_ref().is_some_and(&is))
    }

    /// Takes an event in. Returns how many of those that follow were taken with it.
    fn take(&mut self, event: &Event<'a>, behind: &[Event<'a>]) -> usize {
        match event {
            Event::Start(Tag::Paragraph) if let Some(block) = self.lone_block(behind) => {
                self.here().end_line();
                self.here().blocks.push(block);
                return 2;
            }
            Event::Start(tag) => {
                if !is_inline(tag) {
                    self.here().end_line();
                }
                self.open.push(Open { tag: Some(tag.clone()), ..Open::default() });
            }
            Event::End(_) => self.close(),
            Event::Text(text) if self.is_in(|tag| matches!(tag, Tag::CodeBlock(_))) => {
                let code = self.words(text);
                self.here().code.push_str(&code);
            }
            Event::Text(text) => self.text(text),
            Event::Code(code) => self.code(code),
            // The author's HTML is shown, not meant.
            Event::InlineHtml(html) => self.text(&without_comments(html)),
            Event::Html(html) => self.here().code.push_str(html),
            Event::SoftBreak => self.here().say(" "),
            Event::HardBreak => self.here().line.push(Inline::Break),
            Event::Rule => {
                self.here().end_line();
                self.here().blocks.push(Block::Rule);
            }
            Event::FootnoteReference(label) => {
                let label = self.words(label);
                // A note that refers to itself would have no end.
                match self.is_in(|tag| matches!(tag, Tag::FootnoteDefinition(_))) {
                    true => self.here().say(&format!("[{label}]")),
                    false => self.here().line.push(Inline::Note { label }),
                }
            }
            _ => {}
        }
        0
    }

    /// Ends the innermost of what is open, and puts it where it belongs.
    fn close(&mut self) {
        let Some(mut ended) = self.open.pop() else { return };
        let Some(tag) = ended.tag.take() else { return };
        if matches!(tag, Tag::HtmlBlock) {
            let shown = without_comments(&ended.code);
            self.open.push(ended);
            self.text(shown.trim());
            let Some(text) = self.open.pop() else { return };
            ended = text;
        }
        if !is_inline(&tag) && !holds_line(&tag) {
            ended.end_line();
        }
        let deep = self.open.iter().filter(|open| open.tag.as_ref().is_some_and(nests)).count() >= DEEPEST;
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => {
                if is_seen(&ended.line) {
                    self.here().blocks.push(Block::Paragraph { text: ended.line });
                }
            }
            Tag::Heading { level, .. } => self.heading(level as usize, ended.line),
            Tag::BlockQuote(_) if !deep => self.here().blocks.push(Block::Quote { blocks: ended.blocks }),
            Tag::List(start) if !deep => {
                self.here().blocks.push(Block::List { start, items: ended.items });
            }
            Tag::List(_) => self.here().blocks.extend(ended.items.into_iter().flatten()),
            Tag::Item => self.here().items.push(ended.blocks),
            Tag::CodeBlock(kind) => {
                let code = Block::Code { language: self.language(&kind), code: ended.code };
                self.here().blocks.push(code);
            }
            Tag::FootnoteDefinition(label) => {
                let label = self.words(&label);
                self.notes.entry(label).or_insert(ended.blocks);
            }
            Tag::TableCell => self.here().cells.push(ended.line),
            Tag::TableHead | Tag::TableRow => self.here().rows.push(ended.cells),
            Tag::Table(align) => {
                let mut rows = ended.rows.into_iter();
                let columns = rows.next().unwrap_or_default();
                let align = align.into_iter().map(alignment).collect();
                self.here().blocks.push(Block::Table { align, columns, rows: rows.collect() });
            }
            Tag::Emphasis if !deep => self.here().line.push(Inline::Emphasis { inner: ended.line }),
            Tag::Strong if !deep => self.here().line.push(Inline::Strong { inner: ended.line }),
            Tag::Strikethrough if !deep => self.here().line.push(Inline::Struck { inner: ended.line }),
            Tag::Link { dest_url, .. } => match link::target(&dest_url, self.tokens) {
                Some(target) if !deep && is_seen(&ended.line) => {
                    self.here().line.push(Inline::Link { target, inner: ended.line });
                }
                _ => self.here().append(ended.line),
            },
            Tag::Image { dest_url, .. } => self.picture(&dest_url, &plain(&ended.line)),
            _ => {
                self.here().blocks.extend(ended.blocks);
                self.here().append(ended.line);
            }
        }
        if self.open.is_empty() && !self.waiting.is_empty() {
            self.root.end_line();
            let steps = std::mem::take(&mut self.waiting);
            self.root.blocks.extend(steps.into_iter().map(|index| Block::Step { index }));
        }
    }

    fn heading(&mut self, level: usize, text: Vec<Inline>) {
        if !is_seen(&text) {
            return;
        }
        // Notes are read elsewhere than they are written.
        if self.is_in(|tag| matches!(tag, Tag::FootnoteDefinition(_))) {
            self.here().blocks.push(Block::Paragraph { text: vec![Inline::Strong { inner: text }] });
            return;
        }
        let level = (level + 1 - self.highest).min(self.above + 1);
        self.above = level;
        self.here().blocks.push(Block::Heading { level, text });
    }

    /// A picture of the runbook's folder is taken in; what lies elsewhere becomes a link.
    fn picture(&mut self, destination: &str, alt: &str) {
        let alt = alt.to_owned();
        let inner = vec![Inline::Text { text: alt.clone() }];
        let shown = match link::target(destination, self.tokens) {
            Some(target) => match self.pictures.get(&target) {
                Some(picture) => Inline::Picture { path: picture.path.clone(), alt },
                None if alt.trim().is_empty() => return,
                None if self.is_in(|tag| matches!(tag, Tag::Link { .. })) => Inline::Text { text: alt },
                None => Inline::Link { target, inner },
            },
            None => Inline::Text { text: alt },
        };
        self.here().append(vec![shown]);
    }

    fn code(&mut self, code: &str) {
        let missing = code.chars().find_map(|c| match self.tokens.get(c) {
            Some(Token::Missing { name, why }) => Some((one_line(name), one_line(why))),
            _ => None,
        });
        let inline = match missing {
            Some((name, why)) => Inline::Missing { name, why },
            None => Inline::Code { code: self.words(code) },
        };
        self.here().line.push(inline);
    }

    fn text(&mut self, text: &str) {
        let mut plain = String::new();
        for c in text.chars() {
            let inline = match self.tokens.get(c) {
                None => {
                    plain.push(if is_token(c) { char::REPLACEMENT_CHARACTER } else { c });
                    continue;
                }
                Some(token @ Token::Figure { number, .. })
                    if !self.is_in(|tag| matches!(tag, Tag::Link { .. })) =>
                {
                    Inline::Figure { number: *number, name: token.words() }
                }
                Some(Token::Missing { name, why }) => {
                    Inline::Missing { name: one_line(name), why: one_line(why) }
                }
                Some(Token::Step { index }) => {
                    if self.placed.get(*index) == Some(&false) {
                        self.placed[*index] = true;
                        self.waiting.push(*index);
                    }
                    continue;
                }
                Some(other) => {
                    plain.push_str(&other.words());
                    continue;
                }
            };
            self.here().say(&std::mem::take(&mut plain));
            self.here().line.push(inline);
        }
        self.here().say(&plain);
    }

    fn words(&self, text: &str) -> String {
        self.tokens.fill(text, Token::words)
    }

    /// The block for a paragraph that is one token and nothing else.
    fn lone_block(&self, behind: &[Event<'_>]) -> Option<Block> {
        match self.tokens.get(lone_character(behind)?)? {
            Token::Placed { number } => Some(Block::Figure { number: *number }),
            Token::Table { columns, numeric, rows } => {
                let cells = |row: &[String]| -> Vec<Vec<Inline>> {
                    row.iter().map(|cell| vec![Inline::Text { text: one_line(cell) }]).collect()
                };
                let rows = rows.iter().map(|row| cells(row)).collect();
                let align = numeric.iter().map(|numeric| numeric.then_some(Align::Right)).collect();
                Some(Block::Table { align, columns: cells(columns), rows })
            }
            Token::Literal { source } => {
                let (mut language, mut code) = (None, String::new());
                for event in Parser::new_ext(source, options()) {
                    match event {
                        Event::Start(Tag::CodeBlock(kind)) => language = self.language(&kind),
                        Event::Text(text) => code.push_str(&text),
                        _ => {}
                    }
                }
                Some(Block::Code { language, code })
            }
            _ => None,
        }
    }

    fn language(&self, kind: &CodeBlockKind<'_>) -> Option<String> {
        let CodeBlockKind::Fenced(info) = kind else { return None };
        self.words(info).split_whitespace().next().map(str::to_owned)
    }
}

/// Whether it stands in a line.
fn is_inline(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. })
}

/// Whether its line is its own, and no paragraph in it.
fn holds_line(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::Paragraph | Tag::HtmlBlock | Tag::Heading { .. } | Tag::TableCell)
}

fn nests(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::BlockQuote(_) | Tag::List(_)) || is_inline(tag)
}

fn alignment(align: Alignment) -> Option<Align> {
    match align {
        Alignment::None => None,
        Alignment::Left => Some(Align::Left),
        Alignment::Center => Some(Align::Center),
        Alignment::Right => Some(Align::Right),
    }
}

/// Whether there is anything to see.
fn is_seen(line: &[Inline]) -> bool {
    line.iter().any(|inline| match inline {
        Inline::Text { text } => !text.trim().is_empty(),
        Inline::Emphasis { inner } | Inline::Strong { inner } | Inline::Struck { inner } => is_seen(inner),
        Inline::Break => false,
        _ => true,
    })
}

/// A line without its marks.
fn plain(line: &[Inline]) -> String {
    let words = |inline: &Inline| match inline {
        Inline::Text { text } => text.clone(),
        Inline::Code { code } => code.clone(),
        Inline::Emphasis { inner }
        | Inline::Strong { inner }
        | Inline::Struck { inner }
        | Inline::Link { inner, .. } => plain(inner),
        Inline::Picture { alt, .. } => alt.clone(),
        Inline::Figure { name, .. } => name.clone(),
        Inline::Missing { name, why } => format!("{name}: {why}"),
        Inline::Note { label } => format!("[{label}]"),
        Inline::Break => " ".into(),
    };
    line.iter().map(words).collect()
}
