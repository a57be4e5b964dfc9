//! The numbers and places of figures: in the order of the document, where the prose places a figure, or else at its step.
//! Drawings that follow each other at a step are parts of one figure.

use std::borrow::Cow;
use std::fmt::{self, Display};

use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::prose::options;
use super::token::Tokens;
use super::view::{Body, FigureView, StepView};
use crate::runbook::{FigureUse, Piece, Runbook};

/// The number of a figure: `6`, or `6b` for the second of its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Number {
    pub figure: usize,
    pub part: Option<char>,
}

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.figure)?;
        self.part.iter().try_for_each(|part| write!(f, "{part}"))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+[a-z]?$", "description": "`6`, or `6b` for the second part of a figure"})
    }
}

/// The most parts of a figure: there are no more letters.
const MAX_PARTS: usize = 26;

/// Numbers the figures that have a number, in the order in which they stand, from `first` on.
pub fn figures(runbook: &Runbook, uses: &[FigureUse], first: usize, steps: &mut [StepView]) {
    let mut next = first;
    let mut number = |parts: Vec<&mut FigureView>| {
        let is_one = parts.len() == 1;
        for (part, letter) in parts.into_iter().zip('a'..='z') {
            part.number = Some(Number { figure: next, part: (!is_one).then_some(letter) });
        }
        next += 1;
    };
    let mut placed = uses.iter().filter_map(|it| Some((it.places_at?, it))).peekable();
    let elsewhere = |index: usize, nth: usize| {
        let id = &runbook.steps[index].id;
        uses.iter().any(|it| it.places_at.is_some() && it.step == *id && it.nth == nth + 1)
    };
    for piece in &runbook.pieces {
        match piece {
            Piece::Step(index, _) => {
                let numbered = steps[*index].figures.iter_mut().filter(|figure| figure.number.is_some());
                let here = numbered.enumerate().filter(|(nth, _)| !elsewhere(*index, *nth));
                let mut parts: Vec<&mut FigureView> = Vec::new();
                for (_, figure) in here {
                    let is_part = |figure: &FigureView| matches!(figure.body, Body::Drawing(_));
                    let goes_on = is_part(figure) && parts.last().is_some_and(|last| is_part(last));
                    if !(parts.is_empty() || goes_on && parts.len() < MAX_PARTS) {
                        number(std::mem::take(&mut parts));
                    }
                    parts.push(figure);
                }
                if !parts.is_empty() {
                    number(parts);
                }
            }
            Piece::Prose(span) => {
                while let Some((_, it)) = placed.next_if(|(at, _)| *at < span.end) {
                    let figures = runbook.position(&it.step).map(|index| &mut steps[index].figures);
                    let mut numbered = figures.into_iter().flatten().filter(|figure| figure.number.is_some());
                    if let Some(figure) = it.nth.checked_sub(1).and_then(|nth| numbered.nth(nth))
                        && figure.number == Some(Number::default())
                    {
                        number(vec![figure]);
                    }
                }
            }
            Piece::Literal(_) => {}
        }
    }
}

/// Finds the figures that the prose has placed: those whose token is alone in a paragraph of its own. Elsewhere such a
/// token is a reference, and the figure stays at its step.
pub fn place(prose: &str, tokens: &mut Tokens, steps: &mut [StepView]) {
    let mut alone = Vec::new();
    let (mut depth, mut at) = (0usize, 0);
    let events: Vec<Event<'_>> = match tokens.places_figures() {
        true => Parser::new_ext(prose, options()).collect(),
        false => return,
    };
    while let Some(event) = events.get(at) {
        at += 1;
        match event {
            Event::Start(Tag::Paragraph) if depth == 0 => {
                if let [Event::Text(text), Event::End(TagEnd::Paragraph), ..] = &events[at..]
                    && let (Some(only), None) = (text.chars().next(), text.chars().nth(1))
                {
                    alone.push(only);
                }
            }
            Event::Start(
                Tag::BlockQuote(_) | Tag::List(_) | Tag::Item | Tag::FootnoteDefinition(_) | Tag::Table(_),
            ) => depth += 1,
            Event::End(
                TagEnd::BlockQuote(_)
                | TagEnd::List(_)
                | TagEnd::Item
                | TagEnd::FootnoteDefinition
                | TagEnd::Table,
            ) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    tokens.each_placed(|c, number| {
        let mut figures = steps.iter_mut().flat_map(|step| &mut step.figures);
        match figures.find(|figure| figure.number == Some(number)) {
            Some(figure) if alone.contains(&c) && !figure.placed => {
                figure.placed = true;
                true
            }
            _ => false,
        }
    });
}
