//! A Markdown file as a runbook: front matter, prose, and `opsml` blocks that each declare one step.
//!
//! Parsing never fails and does no I/O: it returns the runbook as far as it could be read, and diagnostics.

mod check;
mod document;
mod filter;
mod front;
mod model;
mod resolve;
pub mod shape;
mod tag;
pub mod template;
#[cfg(test)]
mod tests;
pub mod yaml;

pub use check::check;
pub use document::options as markdown_options;
pub use front::{FrontMatter, Param, ParamType, SummaryLine, front_matter_schema};
pub use model::{Declared, FigureUse, Piece, Runbook, Uses};
pub use resolve::{Params, Resolved, foreseen, resolve};
