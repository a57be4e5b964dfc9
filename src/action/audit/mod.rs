//! What is insecure in an account. Each subject has a file, which fetches what its checks need and has them as functions
//! from that to findings. What the caller may not read is a finding as severe as the worst that it could have shown.

mod account;
mod check;
mod everything;
mod finding;
mod functions;
mod glob;
mod network;
mod policy;
mod principals;
mod storage;

pub use check::{CHECKS, Severity};
pub use everything::audit;
pub use finding::{Asked, Finding};
pub use glob::glob;
