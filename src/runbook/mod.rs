//! A Markdown file as a runbook: front matter, prose, and `opsml` blocks that each declare one step.
//!
//! Parsing never fails and does no I/O: it returns the runbook as far as it could be read, and diagnostics.

mod check;
mod document;
mod filter;
mod front;
mod include;
mod model;
mod place;
mod resolve;
pub mod shape;
mod tag;
pub mod template;
#[cfg(test)]
mod tests;
mod unclosed;
pub mod yaml;

pub use check::{RUN, check, outputs_of};
pub use document::{Block, blocks, included_files, options as markdown_options};
pub use front::{FrontMatter, Param, ParamType, SummaryLine, front_matter_schema};
pub use include::include_schema;
pub use model::{Declared, FigureUse, Piece, Runbook, Uses};
pub use place::Places;
pub use resolve::{Params, Resolved, foreseen, place, resolve};
pub use tag::{BLOCKS, FILTERS, FUNCTIONS, MAX_TAG, PROSE_FUNCTIONS, TESTS, Tags};
