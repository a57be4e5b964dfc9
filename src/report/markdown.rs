//! The write-up as Markdown: the prose as it was written, each value escaped for the place where it lands.

use std::ops::Range;
use std::sync::LazyLock;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};
use pulldown_cmark::{CodeBlockKind, Event, LinkType, Parser, Tag, TagEnd};
use regex::{Captures, Regex};

use super::chart::{Bytes, svg};
use super::data::ReportData;
use super::label::Label;
use super::link::{self, Pictures};
use super::part::{parts, without_comments};
use super::prose::{fenced, longest_run, options};
use super::template::Templates;
use super::token::{Token, Tokens, is_token, one_line};
use crate::journal::Drawing;

/// Returns the environment of the templates. `figures` stands before the name of each drawing: its folder.
pub fn environment<'a>(templates: &'a Templates, figures: &str) -> Result<Environment<'a>, minijinja::Error> {
    let mut environment = templates.environment(AutoEscape::None)?;
    environment.add_global("figures", figures);
    environment.add_filter("text", |value: String| text(&value));
    environment.add_filter("item", |value: String| at_line_start(&text(&value), ""));
    environment.add_filter("code", |value: String| code_span(&value, true));
    environment.add_filter("block", |value: String, language: Option<String>| {
        fenced(language.as_deref().unwrap_or_default(), &crate::diagnostic::printable(&value))
    });
    environment
        .add_filter("html", |value: String| one_line(&value).replace('&', "&amp;").replace('<', "&lt;"));
    Ok(environment)
}

/// Renders the write-up; its curves are files beside it. `shown` is the data as the template sees it.
pub fn render(
    data: &ReportData,
    shown: Value,
    pictures: &Pictures,
    templates: &Templates,
) -> Result<String, minijinja::Error> {
    let environment = environment(templates, "figures/")?;
    let body = Value::from(Serde(parts(&prose(data, pictures), data)));
    let page = environment.get_template("report.md.j2")?.render(context! { data => shown, body })?;
    Ok(tidied(&page))
}

/// Returns what templates have rendered without the gaps that they leave where something optional is absent.
pub fn tidied(page: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut fence = None;
    for line in page.lines() {
        let run = line.trim_start().bytes().take_while(|byte| *byte == b'`').count();
        fence = match fence {
            None if run >= 3 => Some(run),
            Some(open) if run >= open && line.trim().len() == run => None,
            other => other,
        };
        if fence.is_some() || !line.trim().is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(if line.trim().is_empty() && fence.is_none() { "" } else { line });
        }
    }
    lines.join("\n").trim_end().to_owned() + "\n"
}

/// The prose with its values; the tokens of steps stay.
pub fn prose(data: &ReportData, pictures: &Pictures) -> String {
    let (source, tokens) = (data.prose.as_str(), &data.tokens);
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    let (mut depth, mut in_table) = (0usize, false);
    let mut parser = Parser::new_ext(source, options()).into_offset_iter();
    for (event, span) in parser.by_ref() {
        let written = &source[span.clone()];
        match event {
            Event::Code(code) if written.contains(is_token) => {
                changes.push((span, code_span(&tokens.fill(&code, in_code), in_table)));
            }
            Event::Start(Tag::HtmlBlock) | Event::InlineHtml(_) => {
                changes.push((span, html(written, tokens)))
            }
            Event::Start(Tag::Table(_)) => in_table = true,
            Event::End(TagEnd::Table) => in_table = false,
            Event::Start(Tag::CodeBlock(_)) => {
                each_token(source, span, tokens, |at, token| {
                    changes.push((at, in_code_block(&in_code(token))))
                });
            }
            Event::Start(Tag::Paragraph) if depth == 0 => {
                let mut chars = written.trim().chars();
                if let (Some(only), None) = (chars.next(), chars.next())
                    && let Some(token) = tokens.get(only).filter(|token| token.is_block())
                {
                    changes.push((span, block(token, only)));
                }
            }
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                let to = link::target(&dest_url, tokens);
                changes.extend(retarget(source, span, link_type, to, false, tokens));
            }
            Event::Start(Tag::Image { link_type, dest_url, .. }) => {
                let to = link::target(&dest_url, tokens);
                let picture = to.as_ref().and_then(|to| pictures.get(to)).map(|picture| picture.path.clone());
                let taken_in = picture.is_some();
                changes.extend(retarget(source, span, link_type, picture.or(to), taken_in, tokens));
            }
            Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::Item | Tag::FootnoteDefinition(_)) => {
                depth += 1
            }
            Event::End(
                TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item | TagEnd::FootnoteDefinition,
            ) => {
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
    }
    for (label, definition) in parser.reference_definitions().iter() {
        let to = link::target(&definition.dest, tokens);
        if to.is_none() || source[definition.span.clone()].contains(is_token) {
            let label = tokens.fill(label, |token| text(&token.words()));
            changes.push((definition.span.clone(), format!("[{label}]: <{}>", to.as_deref().unwrap_or("#"))));
        }
    }
    changed(source, changes, tokens)
}

/// A link's destination written anew, where it holds a value, lies elsewhere now, or may not be followed.
fn retarget(
    source: &str,
    span: Range<usize>,
    kind: LinkType,
    to: Option<String>,
    moved: bool,
    tokens: &Tokens,
) -> Option<(Range<usize>, String)> {
    let written = &source[span.clone()];
    match kind {
        LinkType::Inline => {
            let at = written.rfind("](")?;
            let anew = moved || to.is_none() || written[at..].contains(is_token);
            let end = if written.ends_with(')') { span.end } else { return None };
            anew.then(|| (span.start + at..end, format!("](<{}>)", to.as_deref().unwrap_or("#"))))
        }
        LinkType::Autolink | LinkType::Email => match to {
            Some(to) if written.contains(is_token) => Some((span, format!("<{to}>"))),
            Some(_) => None,
            None => Some((span, text(&tokens.fill(written, Token::words)))),
        },
        _ => None,
    }
}

fn each_token(
    source: &str,
    span: Range<usize>,
    tokens: &Tokens,
    mut visit: impl FnMut(Range<usize>, &Token),
) {
    for (at, c) in source[span.clone()].char_indices().filter(|(_, c)| is_token(*c)) {
        if let Some(token) = tokens.get(c) {
            visit(span.start + at..span.start + at + c.len_utf8(), token);
        }
    }
}

/// Makes the changes, outer before inner, and puts every other value in as text.
fn changed(source: &str, mut changes: Vec<(Range<usize>, String)>, tokens: &Tokens) -> String {
    changes.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    for (span, new) in changes {
        if span.start >= at {
            plain(source, at..span.start, tokens, &mut out);
            out.push_str(&new);
            at = span.end;
        }
    }
    plain(source, at..source.len(), tokens, &mut out);
    out
}

fn plain(source: &str, span: Range<usize>, tokens: &Tokens, out: &mut String) {
    for (offset, c) in source[span.clone()].char_indices() {
        if !is_token(c) {
            out.push(c);
            continue;
        }
        let at = span.start + offset;
        let line = &source[source[..at].rfind('\n').map_or(0, |line| line + 1)..at];
        match tokens.get(c) {
            None => out.push(char::REPLACEMENT_CHARACTER),
            Some(Token::Step { .. } | Token::Placed { .. }) => out.push(c),
            Some(Token::Missing { name, why }) => {
                out.push_str(&format!("⚠ {}", code_span(&format!("{name}: {why}"), true)))
            }
            Some(token @ Token::Figure { number, .. }) => {
                out.push_str(&format!("[{}](#figure-{number})", token.words()))
            }
            Some(token) => {
                // The author's backslash would take away one of ours.
                if source[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1 {
                    out.push('\\');
                }
                let opens = line
                    .chars()
                    .all(|c| c.is_whitespace() || is_token(c) || ">-+*#.)".contains(c) || c.is_ascii_digit());
                let behind = &source[at + c.len_utf8()..];
                let escaped = text(&token.words());
                out.push_str(&if opens { at_line_start(&escaped, behind) } else { escaped });
            }
        }
    }
}

/// What GitHub makes a link of though nothing says so, before and from the character that gives it away.
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)(https?|ftp|www)(://|\.)").expect("the pattern is a constant"));

/// Text in which nothing is Markdown or HTML, and no bare address becomes a link.
pub fn text(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in one_line(value).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '#' => escaped.extend(['\\', c]),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            _ => escaped.push(c),
        }
    }
    if !ADDRESS.is_match(&escaped) {
        return escaped;
    }
    ADDRESS.replace_all(&escaped, |found: &Captures<'_>| format!("{}\\{}", &found[1], &found[2])).into_owned()
}

/// What would open a list, a heading or a rule at the start of a line; `behind` is what follows in the prose.
fn at_line_start(escaped: &str, behind: &str) -> String {
    let digits = escaped.bytes().take_while(u8::is_ascii_digit).count();
    let mut behind = escaped[digits..].chars().chain(behind.chars());
    let (mark, space) = (behind.next(), behind.next());
    let numbers = matches!(mark, Some('.' | ')')) && space.is_none_or(|c| c.is_whitespace() || is_token(c));
    match escaped.chars().next() {
        Some('-' | '+' | '=') => format!("\\{escaped}"),
        Some(first) if digits > 0 && numbers => format!("&#{};{}", u32::from(first), &escaped[1..]),
        _ => escaped.to_owned(),
    }
}

/// A code span whose fence is longer than any run of backticks in it.
fn code_span(code: &str, in_table: bool) -> String {
    let code = one_line(code);
    let code = if in_table { code.replace('|', "\\|") } else { code };
    let fence = "`".repeat(longest_run(&code) + 1);
    match code.starts_with('`') || code.ends_with('`') {
        true => format!("{fence} {code} {fence}"),
        false if code.is_empty() => String::new(),
        false => format!("{fence}{code}{fence}"),
    }
}

/// A value in code, where all that can mark a missing one is a character.
fn in_code(token: &Token) -> String {
    match token {
        Token::Missing { .. } => format!("⚠ {}", token.words()),
        other => other.words(),
    }
}

/// A value in code on lines of its own, where nothing can be escaped: only a fence would end it.
fn in_code_block(words: &str) -> String {
    words.replace("```", "``\u{200b}`").replace("~~~", "~~\u{200b}~")
}

/// The author's HTML is shown, not meant.
fn html(written: &str, tokens: &Tokens) -> String {
    let shown = without_comments(written).replace('&', "&amp;").replace('<', "&lt;");
    let shown = tokens.fill(&shown, |token| text(&token.words()));
    if written.ends_with('\n') { shown.trim_end().to_owned() + "\n" } else { shown }
}

fn block(token: &Token, character: char) -> String {
    match token {
        Token::Table { columns, numeric, rows } => {
            let line = |cells: &[String]| {
                format!("| {} |", cells.iter().map(|cell| text(cell)).collect::<Vec<_>>().join(" | "))
            };
            let rules = numeric.iter().map(|numeric| if *numeric { " ---: |" } else { " --- |" });
            let lines = [line(columns), format!("|{}", rules.collect::<String>())];
            let lines = lines.into_iter().chain(rows.iter().map(|row| line(row)));
            lines.collect::<Vec<_>>().join("\n") + "\n"
        }
        // Written anew: a fence that the author left open would take in all that follows.
        Token::Literal { source } => {
            let (mut info, mut code) = (String::new(), String::new());
            for event in Parser::new_ext(source, options()) {
                match event {
                    Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(given))) => info = given.to_string(),
                    Event::Text(text) => code.push_str(&text),
                    _ => {}
                }
            }
            fenced(&info, &code) + "\n"
        }
        Token::Step { .. } | Token::Placed { .. } => format!("{character}\n"),
        other => text(&other.words()),
    }
}

/// The drawings that the Markdown refers to: path and content.
pub fn drawings(data: &ReportData, kept: &Bytes) -> Vec<(String, String)> {
    let draw = |(number, caption, drawing): (Label, &str, &Drawing)| {
        let id = format!("figure-{number}");
        (format!("figures/{id}.svg"), svg(&id, caption, drawing, kept))
    };
    let diagram = data.first.diagram.iter();
    let diagram = diagram.map(|it| ("figures/diagram.svg".to_owned(), super::diagram::svg("diagram", it)));
    diagram.chain(data.drawings().map(draw)).collect()
}
