//! opsml runs Markdown runbooks that take a machine-learning model to production on AWS, or on a local cloud.
//!
//! ```text
//! runbook  ──  plan  ──  runner  ──  step  ──  resource, action  ──  aws  ──  AWS or the local cloud
//!    │                     │                        │
//! diagnostic            journal  ──────────────  report, console
//! ```
//!
//! ARCHITECTURE.md says who may import whom, and why; `tests/cli/structure.rs` holds the code to it.

pub mod account;
pub mod action;
pub mod archive;
pub mod attachment;
pub mod aws;
pub mod aws_names;
pub mod beside;
pub mod ci;
pub mod cli;
pub mod cmd;
pub mod console;
pub mod costs;
pub mod decide;
pub mod diagnostic;
pub mod exit;
pub mod failure;
pub mod files;
pub mod iam_actions;
pub mod import;
pub mod journal;
pub mod lsp;
pub mod moved;
pub mod plan;
pub mod price;
pub mod reads;
pub mod reference;
pub mod report;
pub mod resource;
pub mod run_diff;
pub mod runbook;
pub mod runner;
pub mod script;
pub mod secret;
pub mod select;
pub mod step;
pub mod written;
