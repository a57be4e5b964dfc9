//! A first runbook of a notebook: its prose, and steps for its calls of SageMaker's Python SDK. No I/O.
//!
//! ```text
//! notebook ── token ── syntax ── value ── reader (calls, shell) ── draft ── Markdown
//! ```
//!
//! What is read of Python are assignments and calls with literals, names, f-strings and `+`, in lines that are not indented.
//! Loops, conditions, functions and all that they hold are named and left out: whoever runs a notebook knows what they did,
//! and we would guess.

mod call;
mod course;
mod draft;
mod emit;
mod literal;
mod notebook;
mod reader;
mod serving;
mod shell;
mod syntax;
mod thing;
mod token;
mod training;
mod value;

pub use course::{Imported, import};
pub use draft::Note;
