//! Rendered prose cut at the places of the steps, for the templates.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use regex::Regex;
use serde::Serialize;

use super::data::{ReportData, StepView};
use super::token::Token;

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part<'a> {
    Prose(String),
    Step(&'a StepView),
}

static COMMENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)<!--.*?(?:-->|$)").expect("the pattern is a constant"));

/// The author's HTML as it is shown: comments are for those who write.
pub fn without_comments(html: &str) -> String {
    COMMENT.replace_all(html, "").into_owned()
}

/// Tags alone on their line leave nothing.
pub fn syntax() -> Result<SyntaxConfig, minijinja::Error> {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()
}

/// Cuts at the tokens of steps. A step that the prose shows twice, as in a loop, is shown where it comes first.
pub fn parts<'a>(rendered: &str, data: &'a ReportData) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    let mut prose = String::new();
    let mut shown = vec![false; data.steps.len()];
    for c in rendered.chars() {
        let Some(Token::Step { index }) = data.tokens.get(c) else {
            prose.push(c);
            continue;
        };
        if let Some(step) = data.steps.get(*index).filter(|_| !std::mem::replace(&mut shown[*index], true)) {
            parts.push(Part::Prose(std::mem::take(&mut prose)));
            parts.push(Part::Step(step));
        }
    }
    parts.push(Part::Prose(prose));
    parts
}
