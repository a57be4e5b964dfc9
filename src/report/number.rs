//! The numbers and places of figures: in the order of the document, where the prose places a figure, or else at its step.
//! Drawings that follow each other at a step are parts of one figure.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use super::label::Label;
use super::prose::{lone_character, options};
use super::token::Tokens;
use super::view::{Body, FigureView, StepView};
use crate::runbook::{FigureUse, Piece, Runbook};

/// The most parts of a figure: there are no more letters.
const MAX_PARTS: usize = 26;

/// Numbers the figures that have a number, in the order in which they stand, from `first` on.
pub fn figures(runbook: &Runbook, uses: &[FigureUse], first: usize, steps: &mut [StepView]) {
    let mut next = first;
    let mut number = |parts: Vec<&mut FigureView>| {
        let is_one = parts.len() == 1;
        for (part, letter) in parts.into_iter().zip('a'..='z') {
            part.number = Some(Label { figure: next, part: (!is_one).then_some(letter) });
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
                        && figure.number == Some(Label::default())
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
                alone.extend(lone_character(&events[at..]));
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
