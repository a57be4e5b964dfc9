//! Rendered prose cut at the places of the steps, for the templates.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use super::data::ReportData;
use super::label::Label;
use super::token::{Token, is_token};

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Prose(String),
    /// The step with this index.
    Step(usize),
    /// A figure that the prose places, by the indexes of its step and within the step.
    Figure(usize, usize),
}

static COMMENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)<!--.*?(?:-->|$)").expect("the pattern is a constant"));

/// The author's HTML as it is shown: comments are for those who write.
pub fn without_comments(html: &str) -> String {
    COMMENT.replace_all(html, "").into_owned()
}

/// Cuts at the tokens of steps. A step that the prose shows twice, as in a loop, is shown where it comes first.
pub fn parts(rendered: &str, data: &ReportData) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut prose = String::new();
    let mut shown = vec![false; data.steps.len()];
    for piece in rendered.split_inclusive(is_token) {
        let last = piece.char_indices().next_back();
        let token = last.and_then(|(at, c)| Some((at, data.tokens.get(c)?)));
        let (at, part) = match token {
            Some((at, Token::Step { index })) => (at, step(&mut shown, *index)),
            Some((at, Token::Placed { number })) => (at, figure(data, *number)),
            _ => {
                prose.push_str(piece);
                continue;
            }
        };
        prose.push_str(&piece[..at]);
        if let Some(part) = part {
            parts.push(Part::Prose(std::mem::take(&mut prose)));
            parts.push(part);
        }
    }
    parts.push(Part::Prose(prose));
    parts
}

fn step(shown: &mut [bool], index: usize) -> Option<Part> {
    let shown = shown.get_mut(index)?;
    (!std::mem::replace(shown, true)).then_some(Part::Step(index))
}

fn figure(data: &ReportData, number: Label) -> Option<Part> {
    data.steps.iter().enumerate().find_map(|(step, view)| {
        let figure = view.figures.iter().position(|figure| figure.number == Some(number))?;
        Some(Part::Figure(step, figure))
    })
}
