//! The prose with its results: templates are resolved with a token in the place of each value, so that no value
//! is ever read as Markdown.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Object, Serde};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use pulldown_cmark::{Event, Options, TagEnd};
use regex::Regex;
use serde_json::{Map, Value};

use super::label::Label;
use super::table::even_out;
use super::token::{Token, Tokens, cleansed, is_token, one_line, words};
use crate::runbook::template::{self, Form};
use crate::runbook::{Piece, Runbook, markdown_options};

/// How many expressions without a value are marked before the rest of the prose is given up on.
const MARKED: usize = 200;
/// Bytes that the prose may come to: ten times the largest runbook.
const MAX_PROSE: usize = 80 << 20;

/// How prose is read: as a runbook is, but for front matter, of which none is left.
pub fn options() -> Options {
    markdown_options() - Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
}

/// What the templates may refer to; no text in it holds a token.
pub struct Known {
    pub params: Map<String, Value>,
    pub run: Map<String, Value>,
    /// Each step of the runbook: its outputs, or why it has none.
    pub steps: Vec<(String, Result<Value, &'static str>)>,
    /// The numbers of each step's figures, by the step's id.
    pub figures: HashMap<String, Vec<Label>>,
}

/// Markdown with tokens in it.
pub fn render(runbook: &Runbook, known: &Known) -> (String, Tokens) {
    let tokens = Arc::new(Mutex::new(Tokens::default()));
    let source = with_origins(&source(runbook, &tokens), known);
    let text = resolved(source, &tokens, known);
    (text, take(&tokens))
}

/// Puts before each tag that prints a value of one step a tag that says which, for the formatter.
fn with_origins(source: &str, known: &Known) -> String {
    let mut marked = String::with_capacity(source.len());
    let mut at = 0;
    for (span, names) in template::printed(source) {
        let mut steps = names.iter().filter_map(|name| known.steps.iter().position(|(id, _)| id == name));
        let (Some(step), None) = (steps.next(), steps.find(|_| true)) else { continue };
        let trims = if source[span.start..].starts_with("{{-") { "-" } else { "" };
        marked.push_str(&source[at..span.start]);
        marked.push_str(&format!("{{{{{trims} {ORIGIN}({step}) }}}}"));
        at = span.start;
    }
    marked.push_str(&source[at..]);
    marked
}

/// The function of these tags. It is longer than a step's id may be, so none hides it.
const ORIGIN: &str = "the_step_from_which_the_next_value_comes";

/// What it returns: the next value that is printed comes from the step with this index.
#[derive(Debug)]
struct Origin(usize);

impl Object for Origin {}

/// A template of the front matter in words, on one line.
pub fn line(template: &str, known: &Known) -> String {
    let tokens = Arc::new(Mutex::new(Tokens::default()));
    let text = resolved(cleansed(template), &tokens, known);
    one_line(&take(&tokens).fill(&text, Token::words))
}

/// The template with a token in the place of each value.
fn resolved(mut source: String, tokens: &Arc<Mutex<Tokens>>, known: &Known) -> String {
    let context = minijinja::Value::from(Serde(context(known)));
    for _ in 0..MARKED {
        let environment = environment(tokens, known);
        match template::render(&environment, &source, &context, MAX_PROSE) {
            Ok(text) => return text,
            Err(error) => match marked(&source, &error, known, tokens) {
                Some(next) => source = next,
                None => break,
            },
        }
    }
    // The templates stay as they are written: a report with braces in it is better than none.
    source
}

fn lock(tokens: &Mutex<Tokens>) -> MutexGuard<'_, Tokens> {
    tokens.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(tokens: &Mutex<Tokens>) -> Tokens {
    std::mem::take(&mut *lock(tokens))
}

/// The prose, with a token on a paragraph of its own for each step and each literal block.
fn source(runbook: &Runbook, tokens: &Mutex<Tokens>) -> String {
    let mut source = String::new();
    for piece in &runbook.pieces {
        let token = match piece {
            Piece::Prose(span) => {
                source.push_str(&on_lines_of_their_own(&cleansed(&runbook.source.shown(span))));
                continue;
            }
            Piece::Literal(span) => Token::Literal { source: cleansed(&runbook.source.shown(span)) },
            Piece::Step(index, _) => Token::Step { index: *index },
        };
        source.push_str("\n\n");
        source.extend(lock(tokens).add(token));
        source.push_str("\n\n");
    }
    source
}

/// A tag alone on its line takes its line break with it, so that a loop over the rows of a table makes a table.
fn on_lines_of_their_own(prose: &str) -> String {
    let mut raw = false;
    let mut text = String::with_capacity(prose.len());
    for line in prose.split_inclusive('\n') {
        let tag = line.trim();
        let alone = tag.starts_with("{%") && tag.ends_with("%}") && tag.matches("{%").count() == 1;
        text.push_str(if alone && !raw { tag } else { line });
        if tag.contains("raw") && tag.contains("{%") {
            raw = !tag.contains("endraw");
        }
    }
    text
}

fn context(known: &Known) -> Value {
    let mut context = Map::new();
    context.insert("params".into(), Value::Object(known.params.clone()));
    context.insert("run".into(), Value::Object(known.run.clone()));
    for (id, outputs) in &known.steps {
        // A step without outputs is an empty map, so that `default()` works on what it would have.
        context.insert(id.clone(), outputs.clone().unwrap_or_else(|_| Value::Object(Map::new())));
    }
    Value::Object(context)
}

fn environment(tokens: &Arc<Mutex<Tokens>>, known: &Known) -> Environment<'static> {
    let mut environment = template::environment();
    // What isn't there may be tested, and neither printed nor gone through.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_formatter({
        let tokens = tokens.clone();
        let origin = Mutex::new(None);
        move |out, _, value| {
            let mut origin = origin.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(Origin(step)) = value.downcast_object_ref() {
                *origin = Some(*step);
                return Ok(());
            }
            let from = origin.take();
            let value = to_json(value)?;
            let Value::String(text) = &value else {
                return Ok(out.write_char(add(&tokens, Token::Value { value, from })?)?);
            };
            // A text with tokens in it was put together by the template, as by `{% set %}`: they stay tokens.
            for part in text.split_inclusive(is_token) {
                let words = part.trim_end_matches(is_token);
                if !words.is_empty() || part.is_empty() {
                    out.write_char(add(&tokens, Token::Value { value: words.into(), from })?)?;
                }
                out.write_str(&part[words.len()..])?;
            }
            Ok(())
        }
    });
    environment.add_function(ORIGIN, |step: usize| minijinja::Value::from_object(Origin(step)));
    environment.add_function("table", {
        let tokens = tokens.clone();
        move |value: minijinja::Value| Ok::<_, Error>(add(&tokens, table(&to_json(&value)?)?)?.to_string())
    });
    environment.add_filter("table", {
        let tokens = tokens.clone();
        move |value: &minijinja::Value| Ok::<_, Error>(add(&tokens, table(&to_json(value)?)?)?.to_string())
    });
    environment.add_filter("code", {
        let tokens = tokens.clone();
        move |value: &minijinja::Value, language: Option<String>| {
            let source = code(&to_json(value)?, language.as_deref().unwrap_or_default())?;
            Ok::<_, Error>(add(&tokens, Token::Literal { source })?.to_string())
        }
    });
    for (name, places) in [("figure", true), ("ref", false)] {
        let (tokens, figures) = (tokens.clone(), known.figures.clone());
        environment.add_function(name, move |step: String, nth: Option<usize>| {
            let number = figures.get(&step).and_then(|numbers| numbers.get(nth.unwrap_or(1).checked_sub(1)?));
            let number =
                *number.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "there is no such figure"))?;
            let token = if places {
                Token::Placed { number }
            } else {
                Token::Figure { number, whole: nth.is_none() }
            };
            Ok::<_, Error>(add(&tokens, token)?.to_string())
        });
    }
    environment
}

fn add(tokens: &Mutex<Tokens>, token: Token) -> Result<char, Error> {
    let full =
        || Error::new(ErrorKind::InvalidOperation, "the prose shows more values than a report can hold");
    lock(tokens).add(token).ok_or_else(full)
}

fn to_json(value: &minijinja::Value) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

/// A value as fenced code: JSON with indentation, and any other text as it is.
fn code(value: &Value, language: &str) -> Result<String, Error> {
    if !language.chars().all(|c| c.is_ascii_alphanumeric() || "+-#.".contains(c)) {
        return Err(Error::new(ErrorKind::InvalidOperation, "a language is a word, as json or python"));
    }
    let document = match value {
        Value::String(text) if language == "json" => serde_json::from_str(text).ok(),
        Value::String(_) => None,
        other => Some(other.clone()),
    };
    let text = match (document, value) {
        (Some(document), _) => crate::written::json(&document),
        (None, Value::String(text)) => crate::diagnostic::printable(text),
        (None, other) => other.to_string(),
    };
    Ok(fenced(language, &text) + "\n")
}

/// Code between fences that are longer than any within it.
pub fn fenced(info: &str, code: &str) -> String {
    let fence = "`".repeat((longest_run(code) + 1).max(3));
    format!("{fence}{info}\n{}\n{fence}", code.trim_end_matches('\n'))
}

/// The most backticks that follow each other.
pub fn longest_run(code: &str) -> usize {
    code.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// Returns the character that is all of a paragraph, by the events behind its start.
pub fn lone_character(behind: &[Event<'_>]) -> Option<char> {
    let [Event::Text(text), Event::End(TagEnd::Paragraph), ..] = behind else { return None };
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}

/// A list of maps (their names are the columns), a list of lists, or a map.
fn table(value: &Value) -> Result<Token, Error> {
    let (columns, mut rows) = cells(value)?;
    let numeric = (0..columns.len()).map(|at| even_out(&mut rows, at)).collect();
    Ok(Token::Table { columns, numeric, rows })
}

fn cells(value: &Value) -> Result<(Vec<String>, Vec<Vec<String>>), Error> {
    let refused =
        || Error::new(ErrorKind::InvalidOperation, "table() takes a list of maps, a list of lists or a map");
    match value {
        Value::Object(map) => {
            let rows = map.iter().map(|(name, value)| vec![name.clone(), words(value)]).collect();
            Ok((vec!["name".into(), "value".into()], rows))
        }
        Value::Array(items) if items.iter().all(Value::is_object) => {
            let mut columns: Vec<String> = Vec::new();
            for name in items.iter().filter_map(Value::as_object).flat_map(Map::keys) {
                if !columns.contains(name) {
                    columns.push(name.clone());
                }
            }
            let cell = |item: &Value, name: &String| item.get(name).map(words).unwrap_or_default();
            let rows =
                items.iter().map(|item| columns.iter().map(|name| cell(item, name)).collect()).collect();
            Ok((columns.iter().map(|name| name.replace('_', " ")).collect(), rows))
        }
        Value::Array(items) if items.iter().all(Value::is_array) => {
            let width = items.iter().filter_map(Value::as_array).map(Vec::len).max().unwrap_or_default();
            let row =
                |item: &Value| (0..width).map(|at| item.get(at).map(words).unwrap_or_default()).collect();
            Ok(((1..=width).map(|at| at.to_string()).collect(), items.iter().map(row).collect()))
        }
        _ => Err(refused()),
    }
}

static TAG: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)\{\{.*?\}\}|\{%.*?%\}").expect("the pattern is a constant"));
static CONTROL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?s)^\{%[-+]?\s*(?:(for)\s+(.+?)\s+in\s+(.+?)|(if|elif)\s+(.+?)|(set)\s+(\w+)\s*=\s*(.+?))\s*[-+]?%\}$")
        .expect("the pattern is a constant")
});

/// The template with a mark in the place of the expression that failed; `None` where it can't be found.
fn marked(source: &str, error: &Error, known: &Known, tokens: &Mutex<Tokens>) -> Option<String> {
    let range = error.range()?;
    let tag = TAG.find_iter(source).find(|tag| tag.start() <= range.start && range.start < tag.end())?;
    let text = tag.as_str();
    let mark = |expression: &str| Some(lock(tokens).add(missing(expression, error, known))?.to_string());
    let replaced = match CONTROL.captures(text) {
        _ if text.starts_with("{{") => mark(text.trim_matches(['{', '}', '-', '+']).trim())?,
        Some(found) if found.get(1).is_some() => {
            format!("{}{{% for {} in [] %}}", mark(&found[3])?, &found[2])
        }
        Some(found) if &text[2..].trim_start_matches(['-', '+', ' '])[..2] == "if" => {
            format!("{}{{% if false %}}", mark(&found[5])?)
        }
        Some(found) if found.get(4).is_some() => format!("{{% elif false %}}{}", mark(&found[5])?),
        Some(found) => format!("{{% set {} = \"{}\" %}}", &found[7], mark(&found[8])?),
        None => mark(text)?,
    };
    Some(format!("{}{replaced}{}", &source[..tag.start()], &source[tag.end()..]))
}

/// What an expression lacks: the first of its references that has no value, and why; else what went wrong.
fn missing(expression: &str, error: &Error, known: &Known) -> Token {
    let references = template::references(expression, Form::Expression, &|at| at).unwrap_or_default();
    for reference in references {
        if let Some((id, outputs)) = known.steps.iter().find(|(id, _)| *id == reference.root) {
            let name =
                std::iter::once(id).chain(&reference.path).map(String::as_str).collect::<Vec<_>>().join(".");
            let pointer: String = reference.path.iter().map(|part| format!("/{part}")).collect();
            match outputs {
                Err(why) => return Token::Missing { name, why: (*why).to_owned() },
                Ok(outputs) if outputs.pointer(&pointer).is_none() => {
                    return Token::Missing { name, why: "no such value".into() };
                }
                Ok(_) => {}
            }
        }
    }
    Token::Missing { name: cleansed(expression), why: template::message(error) }
}
