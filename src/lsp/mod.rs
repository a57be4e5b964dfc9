//! The language server: what an editor knows of a runbook as one writes it. It makes no call to AWS, and only reads.

mod completion;
mod cursor;
mod diagnostics;
mod document;
mod expression;
mod folding;
mod format;
mod hover;
mod lens;
mod names;
mod rename;
mod schema;
mod server;
mod symbols;
mod text;
mod wire;

pub use document::Host;
pub use server::serve;
