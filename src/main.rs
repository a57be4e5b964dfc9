//! The `opsml` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    opsml::cmd::main()
}
