//! The numbers and places of figures: in the order of the document, where the prose places a figure, or else at its step.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use super::prose::options;
use super::token::Tokens;
use super::view::{FigureView, StepView};
use crate::runbook::{FigureUse, Piece, Runbook};

/// Numbers the figures that have a number, in the order in which they stand, from `first` on.
pub fn figures(runbook: &Runbook, uses: &[FigureUse], first: usize, steps: &mut [StepView]) {
    let mut next = first;
    let mut number = |figure: &mut FigureView| {
        figure.number = Some(next);
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
                for (nth, figure) in numbered.enumerate() {
                    if !elsewhere(*index, nth) {
                        number(figure);
                    }
                }
            }
            Piece::Prose(span) => {
                while let Some((_, it)) = placed.next_if(|(at, _)| *at < span.end) {
                    let figures = runbook.position(&it.step).map(|index| &mut steps[index].figures);
                    let mut numbered = figures.into_iter().flatten().filter(|figure| figure.number.is_some());
                    if let Some(figure) = it.nth.checked_sub(1).and_then(|nth| numbered.nth(nth))
                        && figure.number == Some(0)
                    {
                        number(figure);
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
