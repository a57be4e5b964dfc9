//! Rendered prose cut at the places of the steps, for the templates.

use serde::Serialize;

use super::data::{ReportData, StepView};
use super::token::Token;

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part<'a> {
    Prose(String),
    Step(&'a StepView),
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
