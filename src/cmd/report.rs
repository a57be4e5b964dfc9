//! `opsml report`: the write-up again, from the runbook and the journal, offline.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use super::output;
use super::session;
use super::stop::{Stop, Verdict};
use crate::cli::{Report, WriteUp, WriteUpFormat};
use crate::costs;
use crate::exit;
use crate::journal::{Pictures, ResourceId, ResourceStatus, State};
use crate::report::{self, Alive, Background, Format, Output, Templates};
use crate::runbook::Runbook;

pub fn run(arguments: &Report) -> Verdict {
    let journal = session::must_read(&arguments.file, &arguments.target)?;
    let (runbook, _) = session::parsed(&arguments.file)?;
    let state = journal.state();
    if arguments.data {
        let data = report::data(&runbook, state, &background(&runbook, state)?);
        let data = data.map_err(|error| Stop::new(exit::STEP_FAILED, error.to_string()))?;
        output::say(format_args!("{data:#}"));
        return Ok(exit::DONE);
    }
    let formats: Vec<Format> = arguments.format.iter().map(|format| format_of(*format)).collect();
    let written = write(&runbook, state, &arguments.output, &formats)?;
    for path in &written {
        output::say(format_args!("{}", path.display()));
    }
    if arguments.open
        && let Some(path) = written.last()
    {
        open(path)?;
    }
    Ok(exit::DONE)
}

/// The formats of a write-up that take no time to speak of.
pub const SCREEN: &[Format] = &[Format::Markdown, Format::Html];
/// All formats, which are rendered at the end of a run.
pub const ALL: &[Format] = &[Format::Markdown, Format::Html, Format::Pdf];

fn format_of(format: WriteUpFormat) -> Format {
    match format {
        WriteUpFormat::Md => Format::Markdown,
        WriteUpFormat::Html => Format::Html,
        WriteUpFormat::Pdf => Format::Pdf,
    }
}

/// Renders the write-up into its folder. Returns its files.
pub fn write(
    runbook: &Runbook,
    state: &State,
    arguments: &WriteUp,
    formats: &[Format],
) -> Result<Vec<PathBuf>, Stop> {
    let folder = arguments.report.clone().unwrap_or_else(|| default_folder(runbook));
    let failed = |error: std::io::Error| {
        Stop::new(exit::STEP_FAILED, format!("the write-up in {}: {error}", folder.display()))
    };
    let templates = templates(runbook, arguments);
    let pictures = &Pictures::beside(&session::state_folder(&runbook.source.path));
    let output = Output { folder: &folder, formats, pictures, templates: &templates.map_err(failed)? };
    report::write(runbook, state, &background(runbook, state)?, output).map_err(failed)
}

/// Returns the write-up as one HTML file, without writing it.
pub fn page(runbook: &Runbook, state: &State, arguments: &WriteUp) -> Result<String, Stop> {
    let failed = |error: std::io::Error| Stop::new(exit::STEP_FAILED, format!("the write-up: {error}"));
    let templates = templates(runbook, arguments).map_err(failed)?;
    let pictures = Pictures::beside(&session::state_folder(&runbook.source.path));
    report::page(runbook, state, &background(runbook, state)?, &pictures, &templates).map_err(failed)
}

fn templates(runbook: &Runbook, arguments: &WriteUp) -> std::io::Result<Templates> {
    let beside = runbook.source.path.with_file_name("templates");
    match &arguments.template {
        Some(folder) => Templates::with(folder),
        None if beside.is_dir() => Templates::with(&beside),
        None => Ok(Templates::default()),
    }
}

/// Opens a file or an address in the desktop's program for it.
pub fn open(path: &Path) -> Result<(), Stop> {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let status = Command::new(program).arg(path).stdin(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Stop::new(exit::STEP_FAILED, format!("{program} {}: {status}", path.display()))),
        Err(error) => Err(Stop::new(exit::STEP_FAILED, format!("{program}: {error}"))
            .hint(format!("open {} yourself", path.display()))),
    }
}

/// Returns what neither the runbook nor the journal says. What is alive is so at the journal's last event:
/// the same journal gives the same.
pub fn background(runbook: &Runbook, state: &State) -> Result<Background, Stop> {
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
