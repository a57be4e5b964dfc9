//! `opsml new`: a runbook to start from.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use super::output;
use super::stop::{Stop, Verdict};
use crate::cli::New;
use crate::exit;

const STARTER: &str = include_str!("../../templates/new.md");

pub fn run(arguments: &New) -> Verdict {
    let name = arguments.name.strip_suffix(".md").unwrap_or(&arguments.name);
    let path = PathBuf::from(format!("{name}.md"));
    let mut file = File::create_new(&path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Stop::usage(format!("{} exists already", path.display())),
        _ => Stop::usage(format!("{}: {error}", path.display())),
    })?;
    file.write_all(STARTER.as_bytes())?;
    let file = path.display();
    output::say(format_args!(
        "wrote {file}\n  opsml check {file} -p dataset=FOLDER_OR_ZIP\n  opsml run {file} -p dataset=FOLDER_OR_ZIP"
    ));
    Ok(exit::DONE)
}
