//! AWS's models of the services: the protocol of each, and the shapes of its operations' inputs.
//!
//! ```text
//! HTTP ─ [reader] ─ form: [input] ─┐
//!                 └ JSON ──────────┴ [check] ─ typed input ─ … ─ output ─ [output]: XML, or JSON
//! ```
//!
//! `cut.py` cuts `SERVICE/model.json` out of botocore's model. [`Model`] reads it, and is the only code that enforces
//! it. `SERVICE/members.txt` says what the service does with each member ([`members`]).

mod check;
mod fault;
mod input;
mod members;
mod output;
mod pattern;
mod reader;
mod shape;
#[cfg(test)]
mod tests;

pub use reader::Model;
