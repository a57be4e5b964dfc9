//! Finds what is insecure in an account. Each subject has a file, which makes the calls and runs its checks on their
//! responses. If a call is refused, that is a finding too, as severe as the worst that the call could have shown.

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
pub use finding::{Finding, Options, SeenRole};
pub use glob::glob;
