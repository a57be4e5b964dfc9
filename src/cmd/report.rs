//! `opsml report`: the write-up again, from the runbook and the journal, offline.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::output;
use super::session;
use super::stop::{Stop, Verdict};
use crate::cli::Report;
use crate::costs;
use crate::exit;
use crate::journal::{ResourceId, ResourceStatus, State};
use crate::report::{self, Alive, Written};
use crate::runbook::Runbook;

pub fn run(arguments: &Report) -> Verdict {
    let journal = session::must_read(&arguments.journaled)?;
    let (runbook, _) = Runbook::parse(session::read_source(&arguments.journaled.file)?);
    let written = write(&runbook, journal.state(), arguments.report.as_deref())?;
    output::say(format_args!("{}\n{}", written.markdown.display(), written.html.display()));
    Ok(exit::DONE)
}

/// Renders the write-up into its folder.
pub fn write(runbook: &Runbook, state: &State, folder: Option<&Path>) -> Result<Written, Stop> {
    let folder = folder.map_or_else(|| default_folder(runbook), Path::to_owned);
    report::write(runbook, state, &alive(state)?, &folder).map_err(|error| {
        Stop::new(exit::STEP_FAILED, format!("the write-up in {}: {error}", folder.display()))
    })
}

/// Returns what is alive by the journal, and what it costs, at the time of its last event: the same journal gives the same.
fn alive(state: &State) -> Result<Vec<Alive>, Stop> {
    let costs = costs::costs(state, state.last)?;
    let hourly: HashMap<&ResourceId, f64> =
        costs.iter().filter_map(|cost| Some((&cost.id, cost.hourly?))).collect();
    let live = state.resources.live().filter(|(_, row)| row.status != ResourceStatus::Intended);
    Ok(live
        .map(|(id, row)| Alive {
            id: id.clone(),
            step: row.step.clone(),
            since: row.created,
            hourly: hourly.get(id).copied(),
        })
        .collect())
}

/// Returns `reports/project` for `runbooks/project.md`, whatever the working directory. For a runbook in any other folder,
/// returns `reports/NAME` beside it.
fn default_folder(runbook: &Runbook) -> PathBuf {
    let beside = runbook.source.path.parent().unwrap_or(Path::new(""));
    let house = match beside.join(".").canonicalize().ok().as_deref().and_then(Path::file_name) {
        Some(name) if name == "runbooks" => match beside.file_name() {
            Some(_) => beside.parent().unwrap_or(Path::new("")).to_owned(),
            // The path has no folder, as in `cd runbooks; opsml run project.md`.
            None => beside.join(".."),
        },
        _ => beside.to_owned(),
    };
    house.join("reports").join(runbook.stem())
}
