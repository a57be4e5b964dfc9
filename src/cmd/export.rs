//! `opsml export`: the runbook with its results as a Jupyter notebook, offline.

use super::output;
use super::report;
use super::session;
use super::stop::{Stop, Verdict};
use crate::cli::Export;
use crate::exit;
use crate::journal::{Journal, Pictures, State};
use crate::report::write_notebook;

pub fn run(arguments: &Export) -> Verdict {
    let file = &arguments.file;
    let (runbook, _) = session::parsed(file)?;
    let journal = session::read(file, &arguments.target)?;
    // What has not run yet has no results.
    let nothing = State::default();
    let state = journal.as_ref().map_or(&nothing, Journal::state);
    let path = arguments.output.clone().unwrap_or_else(|| file.with_extension("ipynb"));
    let pictures = Pictures::beside(&session::state_folder(file));
    let background = report::background(&runbook, state)?;
    write_notebook(&runbook, state, &background, &pictures, &path).map_err(|error| {
        Stop::usage(format!("{}: {error}", path.display())).hint("--output names another file")
    })?;
    output::say(format_args!("{}", path.display()));
    if journal.is_none() {
        let target = &arguments.target.target;
        output::say(format_args!(
            "no step has outputs: {} has not run on the target `{target}`",
            file.display()
        ));
    }
    Ok(exit::DONE)
}
