//! The `opsml` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A long runbook is some million small allocations on several threads, for which glibc's takes twice as long.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    opsml::cmd::main()
}
