//! The document as a sequence of pieces, for checking its templates and for rendering it.

use super::Runbook;
use crate::diagnostic::Span;

/// A stretch of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Markdown in which templates are resolved.
    Prose(Span),
    /// Fenced code that is not ours: shown as it stands.
    Literal(Span),
    /// The block of the step with this index.
    Step(usize, Span),
}

impl Runbook {
    /// The document with everything that is not prose blanked, byte for byte, so that a template's error range
    /// is a place in the document.
    pub fn prose_template(&self) -> String {
        let mut text = String::with_capacity(self.source.text.len());
        for piece in &self.pieces {
            match piece {
                Piece::Prose(span) => {
                    blank(&self.source.text[text.len()..span.start], &mut text);
                    text.push_str(&self.source.text[span.clone()]);
                }
                Piece::Literal(_) | Piece::Step(..) => {}
            }
        }
        blank(&self.source.text[text.len()..], &mut text);
        text
    }
}

fn blank(original: &str, text: &mut String) {
    text.extend(original.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
}
