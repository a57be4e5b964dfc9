//! The write-up as one HTML file: no script, nothing fetched, and no markup but that of the prose and of the template.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Parser, Tag, TagEnd};
use serde::Serialize;

use super::chart;
use super::data::ReportData;
use super::diagram;
use super::link::{self, Pictures};
use super::part::{parts, without_comments};
use super::prose::{lone_character, options};
use super::template::Templates;
use super::token::{Token, Tokens, is_token, one_line};
use super::view::StepView;

/// A heading of the table of contents.
#[derive(Serialize)]
struct Entry {
    level: u8,
    id: String,
    text: String,
}

/// Returns the environment of the templates.
pub fn environment<'a>(
    data: &ReportData,
    kept: &chart::Bytes,
    templates: &'a Templates,
) -> Result<Environment<'a>, minijinja::Error> {
    let mut environment = templates.environment(AutoEscape::Html)?;
    environment.add_filter("line", |value: String| one_line(&value));
    environment.add_filter("printable", |value: String| crate::diagnostic::printable(&value));
    let drawings = data.drawings().map(|(number, caption, drawing)| {
        (number.to_string(), chart::svg(&format!("chart-{number}"), caption, drawing, kept))
    });
    let drawings: HashMap<String, String> = drawings.collect();
    environment.add_filter("drawing", move |number: String| {
        Value::from_safe_string(drawings.get(&number).cloned().unwrap_or_default())
    });
    Ok(environment)
}

/// Renders the write-up; `shown` is the data as the template sees it.
pub fn render(
    data: &ReportData,
    shown: Value,
    (pictures, kept): (&Pictures, &chart::Bytes),
    templates: &Templates,
) -> Result<String, minijinja::Error> {
    let environment = environment(data, kept, templates)?;
    let diagram = data.first.diagram.as_ref().map(|diagram| diagram::svg("diagram", diagram));
    let diagram = Value::from_safe_string(diagram.unwrap_or_default());
    let tokens = &data.tokens;
    let origins = data.steps.iter().map(origin).collect();
    let mut prose =
        Prose { tokens, pictures, origins, contents: Vec::new(), slugs: HashMap::new(), out: Vec::new() };
    let events: Vec<Event<'_>> = Parser::new_ext(&data.prose, options()).collect();
    prose.rewrite(&events);
    let mut rendered = String::new();
    pulldown_cmark::html::push_html(&mut rendered, prose.out.into_iter());
    let body = Value::from(Serde(parts(&rendered, data)));
    let contents = Value::from(Serde(prose.contents));
    environment.get_template("report.html.j2")?.render(context! { data => shown, body, contents, diagram })
}

/// Where the values of a step come from: `step train, run 1, 2026-11-29 18:19:30 UTC, took 43 s in 2 attempts`.
fn origin(step: &StepView) -> String {
    let parts = [
        step.ended.clone(),
        Some(&step.took).filter(|took| !took.is_empty()).map(|took| format!("took {took}")),
    ];
    let parts: Vec<String> =
        std::iter::once(format!("step {}", step.id)).chain(parts.into_iter().flatten()).collect();
    parts.join(", ")
}

struct Prose<'a> {
    tokens: &'a Tokens,
    pictures: &'a Pictures,
    /// Of each step: run, time and attempts of its values.
    origins: Vec<String>,
    contents: Vec<Entry>,
    /// How many headings have each slug.
    slugs: HashMap<String, usize>,
    out: Vec<Event<'a>>,
}

impl<'a> Prose<'a> {
    fn rewrite(&mut self, events: &[Event<'a>]) {
        // Which of the open links and pictures are shown without being one.
        let mut links: Vec<bool> = Vec::new();
        let (mut code, mut at) = (false, 0);
        let mut block = String::new();
        while let Some(event) = events.get(at) {
            at += 1;
            match event {
                Event::Start(Tag::Paragraph) if let Some(block) = self.lone_block(&events[at..]) => {
                    self.out.push(Event::Html(block.into()));
                    at += 2;
                }
                Event::Start(Tag::Heading { level, classes, .. }) => {
                    self.heading(*level, classes, &events[at..])
                }
                Event::Start(Tag::Image { dest_url, title, .. }) => {
                    let end = closing(&events[at..]);
                    self.picture(dest_url, title, &events[at..at + end]);
                    at += end + 1;
                }
                Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                    let target = link::target(dest_url, self.tokens);
                    links.push(target.is_some());
                    if let Some(target) = target {
                        self.out.push(Event::Start(Tag::Link {
                            link_type: *link_type,
                            dest_url: target.into(),
                            title: self.words(title).into(),
                            id: id.clone(),
                        }));
                    }
                }
                Event::End(TagEnd::Link) => {
                    if links.pop() == Some(true) {
                        self.out.push(event.clone());
                    }
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    code = true;
                    let kind = match kind {
                        CodeBlockKind::Fenced(info) => CodeBlockKind::Fenced(self.words(info).into()),
                        CodeBlockKind::Indented => CodeBlockKind::Indented,
                    };
                    self.out.push(Event::Start(Tag::CodeBlock(kind)));
                }
                Event::End(TagEnd::CodeBlock) => {
                    code = false;
                    self.out.push(event.clone());
                }
                // push_html escapes what is text.
                Event::Code(text) if self.is_missing(text) => {
                    let mark = format!("<mark class=\"missing\">{}</mark>", escape(&self.words(text)));
                    self.out.push(Event::InlineHtml(mark.into()));
                }
                Event::Code(text) => self.out.push(Event::Code(self.words(text).into())),
                Event::Text(text) if code => self.out.push(Event::Text(self.words(text).into())),
                Event::Text(text) => self.text(text, links.is_empty()),
                // The author's HTML is shown, not meant.
                Event::InlineHtml(html) => self.text(&without_comments(html).into(), links.is_empty()),
                Event::Html(html) => block.push_str(html),
                // A table scrolls within the page.
                Event::Start(Tag::Table(_)) => {
                    self.out.push(Event::Html("<div class=\"wide\" tabindex=\"0\">".into()));
                    self.out.push(event.clone());
                }
                Event::End(TagEnd::Table) => {
                    self.out.push(event.clone());
                    self.out.push(Event::Html("</div>\n".into()));
                }
                Event::Start(Tag::HtmlBlock) => block.clear(),
                Event::End(TagEnd::HtmlBlock) => {
                    let shown = without_comments(&block);
                    if !shown.trim().is_empty() {
                        self.out.push(Event::Start(Tag::Paragraph));
                        self.text(&shown.into(), true);
                        self.out.push(Event::End(TagEnd::Paragraph));
                    }
                }
                other => self.out.push(other.clone()),
            }
        }
    }

    fn is_missing(&self, text: &str) -> bool {
        text.chars().any(|c| matches!(self.tokens.get(c), Some(Token::Missing { .. })))
    }

    fn words(&self, text: &str) -> String {
        self.tokens.fill(text, Token::words)
    }

    fn text(&mut self, text: &CowStr<'a>, may_link: bool) {
        if !text.contains(is_token) {
            return self.out.push(Event::Text(text.clone()));
        }
        let mut html = String::new();
        for c in text.chars() {
            match self.tokens.get(c) {
                None => html.push_str(&escape(&shown(c))),
                Some(token @ Token::Figure { number, .. }) if may_link => {
                    html.push_str(&format!("<a href=\"#figure-{number}\">{}</a>", token.words()));
                }
                Some(token @ Token::Missing { .. }) => {
                    html.push_str(&format!(
                        "<mark class=\"missing\">{}</mark>",
                        escape(&one_line(&token.words()))
                    ));
                }
                Some(Token::Step { .. } | Token::Placed { .. }) => html.push(c),
                Some(token @ Token::Value { from: Some(step), .. }) => {
                    let origin = self.origins.get(*step).map_or("", String::as_str);
                    let words = escape(&token.words());
                    html.push_str(&format!(
                        "<span class=\"value\" title=\"{}\">{words}</span>",
                        escape(origin)
                    ));
                }
                Some(token) => html.push_str(&escape(&token.words())),
            }
        }
        self.out.push(Event::InlineHtml(html.into()));
    }

    /// The block for a paragraph that is one token and nothing else.
    fn lone_block(&self, events: &[Event<'_>]) -> Option<String> {
        let only = lone_character(events)?;
        match self.tokens.get(only)? {
            Token::Step { .. } | Token::Placed { .. } => Some(only.to_string()),
            Token::Table { columns, numeric, rows } => {
                let class = |at: usize| if numeric.get(at) == Some(&true) { " class=\"number\"" } else { "" };
                let cells = |tag: &str, row: &[String]| -> String {
                    let cell = |(at, cell): (usize, &String)| {
                        let end = tag.split(' ').next().unwrap_or(tag);
                        format!("<{tag}{}>{}</{end}>", class(at), escape(&one_line(cell)))
                    };
                    row.iter().enumerate().map(cell).collect()
                };
                let head = cells("th scope=\"col\"", columns);
                let rows: String = rows.iter().map(|row| format!("<tr>{}</tr>", cells("td", row))).collect();
                Some(format!(
                    "<div class=\"wide\" tabindex=\"0\"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n"
                ))
            }
            Token::Literal { source } => {
                let mut html = String::new();
                pulldown_cmark::html::push_html(&mut html, Parser::new_ext(source, options()));
                Some(html)
            }
            _ => None,
        }
    }

    fn heading(&mut self, level: HeadingLevel, classes: &[CowStr<'a>], inner: &[Event<'a>]) {
        let text: String = inner
            .iter()
            .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))))
            .filter_map(|event| match event {
                Event::Text(text) | Event::Code(text) => Some(self.words(text)),
                _ => None,
            })
            .collect();
        let slug: String =
            text.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        let slug = slug.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
        let slug = format!("s-{slug}");
        let same = self.slugs.entry(slug.clone()).or_default();
        // No slug of its own ends so: a slug has no two hyphens in a row.
        let id = if *same == 0 { slug } else { format!("{slug}--{same}") };
        *same += 1;
        self.contents.push(Entry { level: level as u8, id: id.clone(), text });
        self.out.push(Event::Start(Tag::Heading {
            level,
            id: Some(id.into()),
            classes: classes.to_vec(),
            attrs: Vec::new(),
        }));
    }

    /// A picture of the runbook's folder is taken in; what lies elsewhere becomes a link.
    fn picture(&mut self, destination: &str, title: &str, inner: &[Event<'a>]) {
        let alt: String = inner
            .iter()
            .filter_map(|event| match event {
                Event::Text(text) | Event::Code(text) => Some(self.words(text)),
                Event::SoftBreak | Event::HardBreak => Some(" ".into()),
                _ => None,
            })
            .collect();
        let (alt, title) = (escape(&alt), escape(&self.words(title)));
        let html = match link::target(destination, self.tokens) {
            None => alt,
            Some(target) => match self.pictures.get(&target) {
                Some(picture) => format!(
                    "<img alt=\"{alt}\" title=\"{title}\" src=\"data:image/{};base64,{}\">",
                    picture.format,
                    STANDARD.encode(&picture.bytes)
                ),
                None => format!("<a href=\"{}\">{alt}</a>", escape(&target)),
            },
        };
        self.out.push(Event::InlineHtml(html.into()));
    }
}

/// Where the picture ends that the events stand in.
fn closing(events: &[Event<'_>]) -> usize {
    let mut depth = 0usize;
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Start(Tag::Image { .. }) => depth += 1,
            Event::End(TagEnd::Image) if depth == 0 => return at,
            Event::End(TagEnd::Image) => depth -= 1,
            _ => {}
        }
    }
    events.len()
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// A character that stands for nothing is one that no value made.
fn shown(c: char) -> String {
    String::from(if is_token(c) { char::REPLACEMENT_CHARACTER } else { c })
}
