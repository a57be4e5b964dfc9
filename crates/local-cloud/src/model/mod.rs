//! AWS's models of the services: how each is spoken to, and what the input of an operation must be.
//!
//! ```text
//! HTTP ─ [reader] ─ form: [input] ─┐
//!                 └ JSON ──────────┴ [check] ─ typed input ─ … ─ output ─ [output]: XML, or JSON
//! ```
//!
//! `SERVICE/model.json` is cut out of botocore's model by `cut.py`. [`Model`] reads it, and is the only one that checks what it
//! says.

mod check;
mod fault;
mod input;
mod output;
mod pattern;
mod reader;
mod shape;
#[cfg(test)]
mod tests;

pub use reader::Model;
