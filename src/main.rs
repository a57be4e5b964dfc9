//! The `opsml` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A long runbook is some million small allocations on several threads. With glibc's, a fifth of its check is page faults.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    opsml::cmd::main()
}
