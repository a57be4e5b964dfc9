//! Rendered prose cut at the places of the steps, for the templates.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use regex::Regex;
use serde::Serialize;

use super::data::ReportData;
use super::token::{Token, is_token};

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Prose(String),
    /// The step with this index.
    Step(usize),
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
pub fn parts(rendered: &str, data: &ReportData) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut prose = String::new();
    let mut shown = vec![false; data.steps.len()];
    for piece in rendered.split_inclusive(is_token) {
        let last = piece.char_indices().next_back();
        let token = last.and_then(|(at, c)| Some((at, data.tokens.get(c)?)));
        let Some((at, Token::Step { index })) = token else {
            prose.push_str(piece);
            continue;
        };
        prose.push_str(&piece[..at]);
        if shown.get(*index) == Some(&false) {
            shown[*index] = true;
            parts.push(Part::Prose(std::mem::take(&mut prose)));
            parts.push(Part::Step(*index));
        }
    }
    parts.push(Part::Prose(prose));
    parts
}
