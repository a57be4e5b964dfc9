//! `opsml import`: a first runbook of a notebook that calls SageMaker's Python SDK.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};

use super::check;
use super::output;
use super::stop::{Stop, Verdict};
use crate::cli::{self, Check, Format, Import};
use crate::diagnostic::counted;
use crate::files;
use crate::import;

/// The most bytes of a notebook, outputs included.
const MAX_NOTEBOOK: u64 = 64 << 20;

pub fn run(arguments: &Import) -> Verdict {
    let notebook = &arguments.notebook;
    let failed = |error: std::io::Error| Stop::usage(format!("{}: {error}", notebook.display()));
    let mut bytes = Vec::new();
    files::open(notebook).map_err(failed)?.take(MAX_NOTEBOOK + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_NOTEBOOK {
        return Err(Stop::usage(format!("{} is larger than {MAX_NOTEBOOK} bytes", notebook.display())));
    }
    let name = notebook.file_stem().unwrap_or_default().to_string_lossy();
    let imported = import::import(&bytes, &name)
        .map_err(|message| Stop::usage(format!("{}: {message}", notebook.display())))?;
    let path = notebook.with_extension("md");
    let mut file = File::create_new(&path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Stop::usage(format!("{} exists already, and stays", path.display())),
        _ => Stop::usage(format!("{}: {error}", path.display())),
    })?;
    file.write_all(imported.runbook.as_bytes())?;
    for note in &imported.notes {
        let line = note.line.map(|line| format!(", line {line}")).unwrap_or_default();
        output::say(format_args!("cell {}{line}: {}", note.cell, note.text));
    }
    output::say(format_args!(
        "wrote {}: {} of {}",
        path.display(),
        counted(imported.steps, "step"),
        counted(imported.cells, "cell")
    ));
    let file = cli::File { file: path, params: cli::Params::default() };
    check::run(&Check { file, format: Format::Text })
}
