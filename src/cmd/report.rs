//! `opsml report`: the write-up again, from the runbook and the journal, offline.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use super::output;
use super::session;
use super::stop::{Stop, Verdict};
use crate::cli::Report;
use crate::costs;
use crate::exit;
use crate::journal::{ResourceId, ResourceStatus, State};
use crate::report::{self, Alive, Background, Written};
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
    report::write(runbook, state, &background(runbook, state)?, &folder).map_err(|error| {
        Stop::new(exit::STEP_FAILED, format!("the write-up in {}: {error}", folder.display()))
    })
}

/// Returns what neither the runbook nor the journal says. What is alive is so at the journal's last event:
/// the same journal gives the same.
fn background(runbook: &Runbook, state: &State) -> Result<Background, Stop> {
    let costs = costs::costs(state, state.last)?;
    let hourly: HashMap<&ResourceId, f64> =
        costs.iter().filter_map(|cost| Some((&cost.id, cost.hourly?))).collect();
    let live = state.resources.live().filter(|(_, row)| row.status != ResourceStatus::Intended);
    let alive = live.map(|(id, row)| Alive {
        id: id.clone(),
        step: row.step.clone(),
        since: row.created,
        hourly: hourly.get(id).copied(),
    });
    let then = costs::costs(state, report::filled(state))?;
    let mut spent: HashMap<&str, f64> = HashMap::new();
    for (step, usd) in then.iter().filter_map(|cost| Some((cost.step.as_str(), cost.usd?))) {
        *spent.entry(step).or_default() += usd;
    }
    let steps = runbook.in_order(spent.keys().copied());
    Ok(Background {
        alive: alive.collect(),
        spent: steps.into_iter().map(|step| (step.to_owned(), spent[step])).collect(),
        hourly: costs::sums(&then).1,
        digest: hex::encode(Sha256::digest(&runbook.source.text)),
        commit: commit(&runbook.source.path),
    })
}

/// Returns the last commit of a file, by git: `1a91f2e`, or `1a91f2e, and changes since`. `None` without git, or where the
/// file has no commit.
fn commit(file: &Path) -> Option<String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name()?;
    let git = |arguments: &[&str]| {
        // A repository may name a program in core.fsmonitor, which git would start.
        let mut git = Command::new("git");
        git.arg("-C").arg(folder).args(["-c", "core.fsmonitor=false", "--no-optional-locks"]).args(arguments);
        let output = git.arg("--").arg(name).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["log", "-1", "--format=%h"]).filter(|commit| !commit.is_empty())?;
    let changed = git(&["status", "--porcelain"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit}, and changes since") })
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
