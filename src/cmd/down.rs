//! `opsml down`: deletes all resources of a runbook, newest first, and reports those that it could not delete.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use indexmap::IndexSet;
use serde::Serialize;
use serde_json::json;

use super::stop::{Stop, Verdict};
use super::{interrupt, output, run, runtime, session};
use crate::account;
use crate::aws::{Aws, Target};
use crate::cli::{Down, Format};
use crate::diagnostic::{Severity, counted};
use crate::exit;
use crate::journal::{Journal, ResourceId, SharedJournal, State};
use crate::resource::ensure::StepSession;
use crate::resource::{EVENT_TAG, Found, search};
use crate::runbook::Runbook;
use crate::select::{Selection, Selectors};

pub fn run(arguments: &Down) -> Verdict {
    match (&arguments.file, &arguments.tags) {
        (Some(file), _) => by_journal(arguments, file),
        (None, Some(stack)) => by_tags(arguments, stack),
        (None, None) => Err(Stop::usage("name a runbook, or a stack by --tags")),
    }
}

fn by_journal(arguments: &Down, file: &Path) -> Verdict {
    let (target, format) = (&arguments.target, arguments.format);
    // A runbook without a journal has no resources.
    let read = session::must_read(file, target)?;
    let runbook = declared(arguments, file)?;
    if arguments.dry_run {
        return rehearse(arguments, runbook.as_ref(), &read);
    }
    runtime::block_on(async {
        let aws = session::connect(target, interrupt::watch()).await?;
        let mut journal = session::open(file, target, &aws, Some(read), arguments.take_over)?;
        if let Some(runbook) = &runbook {
            session::apply_moves(runbook, &mut journal)?;
        }
        let Split { doomed: live, kept } = split(arguments, runbook.as_ref(), journal.state())?;
        agree(arguments, &aws, live.iter().map(|one| &one.id))?;
        journal.observe(run::observer(format));
        let journal = SharedJournal::new(journal);
        let mut left = Vec::new();
        for Owned { id, step } in &live {
            let mut session = StepSession {
                aws: &aws,
                journal: &journal,
                step: step.clone(),
                base: String::new(),
                tags: BTreeMap::new(),
                force: false,
                restore: Vec::new(),
                ensured: Vec::new(),
            };
            match session.delete_and_wait(id).await {
                Ok(()) => {}
                Err(failure) if failure.kind.pauses() => {
                    return Err(Stop::from(failure).hint("run `opsml down` again to continue"));
                }
                // The other resources are deleted all the same.
                Err(failure) => left.push(format!("{id}: {failure}")),
            }
        }
        let journal = journal.into_inner();
        let beside = account::beside(&aws, journal.state(), journal.state().opened).await;
        for id in &beside.strays {
            match account::delete(&aws, id).await {
                Ok(_) => {}
                Err(failure) => left.push(format!("{id}: {failure}")),
            }
        }
        let stack = &journal.state().stack;
        left.extend(beside.unknown.iter().map(|one| {
            format!("{}: the journal does not know it; `opsml down --tags {stack}` deletes it", one.id)
        }));
        done(&left)?;
        if format == Format::Text {
            let deleted = counted(live.len(), "resource");
            match kept.as_slice() {
                [] => output::say(format_args!("deleted {deleted}; nothing of {} is left", file.display())),
                kept => output::say(format_args!("deleted {deleted}; kept {}", in_words(kept))),
            }
            beside
                .unsearched
                .iter()
                .for_each(|what| output::say(format_args!("the account could not be searched for {what}")));
        }
        Ok(exit::DONE)
    })
}

/// A live resource, and the step that made it.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Owned {
    #[serde(flatten)]
    id: ResourceId,
    step: String,
}

/// The live resources, newest first: those to delete, and the others.
#[derive(Debug, PartialEq, Serialize)]
struct Split {
    #[serde(rename = "delete")]
    doomed: Vec<Owned>,
    #[serde(rename = "keep")]
    kept: Vec<Owned>,
}

/// Returns the runbook. Of one that is deleted, the journal alone is left, and nothing is kept.
fn declared(arguments: &Down, file: &Path) -> Result<Option<Runbook>, Stop> {
    if !file.exists() {
        return match arguments.steps.as_slice() {
            [] => Ok(None),
            [step, ..] => {
                Err(Stop::usage(format!("{} is not there, so `{step}` is not known", file.display())))
            }
        };
    }
    let (runbook, problems) = session::parsed(file)?;
    let is_read = problems.iter().all(|problem| problem.severity != Severity::Error);
    match is_read || (arguments.all && arguments.steps.is_empty()) {
        true => Ok(Some(runbook)),
        false => Err(Stop::usage(format!("{} has errors, so what it keeps is not known", file.display()))
            .hint(format!("opsml check {} shows them", file.display()))
            .hint("--all deletes everything that the journal knows")),
    }
}

/// Divides the live resources by the steps of the command line and the `keep` of the runbook.
///
/// # Errors
/// A step that is kept is named, or one whose resources another step still uses.
fn split(arguments: &Down, runbook: Option<&Runbook>, state: &State) -> Result<Split, Stop> {
    let live = state.resources.live().rev();
    let live: Vec<Owned> = live.map(|(id, row)| Owned { id: id.clone(), step: row.step.clone() }).collect();
    let Some(runbook) = runbook else { return Ok(Split { doomed: live, kept: Vec::new() }) };
    let select = |only: Vec<String>| {
        let selection = Selection::of(runbook, &Selectors { only, ..Selectors::default() })?;
        let steps = runbook.steps.iter().enumerate().filter(|(index, _)| selection.has(*index));
        Ok::<_, Stop>(steps.map(|(_, step)| step.id.as_str()).collect::<HashSet<&str>>())
    };
    // What is kept needs what it was made from.
    let keepers = runbook.steps.iter().filter(|step| step.common.keep && !arguments.all);
    let keepers: Vec<String> = keepers.map(|step| format!("+{}", step.id)).collect();
    let kept = if keepers.is_empty() { HashSet::new() } else { select(keepers)? };
    let chosen = if arguments.steps.is_empty() { None } else { Some(select(arguments.steps.clone())?) };
    let named = arguments.steps.iter().find(|step| kept.contains(step.as_str()));
    if let Some(named) = named {
        let message = format!("`{named}` is kept: it, or a step that needs it, has `keep: true`");
        return Err(Stop::usage(message).hint("--all deletes it all the same"));
    }
    let is_doomed = |one: &Owned| {
        let step = one.step.as_str();
        // A step that is no longer in the runbook goes with all others.
        !kept.contains(step) && chosen.as_ref().is_none_or(|chosen| chosen.contains(step))
    };
    let (doomed, left): (Vec<Owned>, Vec<Owned>) = live.into_iter().partition(is_doomed);
    let deleted: HashSet<&str> = doomed.iter().map(|one| one.step.as_str()).collect();
    let user = left.iter().find_map(|one| {
        let uses = &runbook.step(&one.step)?.uses.steps;
        Some((one, uses.iter().find(|used| deleted.contains(used.as_str()))?))
    });
    match user {
        Some((Owned { id, step }, used)) => Err(Stop::usage(format!("{id} of `{step}` still uses `{used}`"))
            .hint(format!("opsml down {} {used}+ deletes what uses it, too", runbook.source.path.display()))),
        None => Ok(Split { doomed, kept: left }),
    }
}

/// Says what would be deleted, by the journal.
fn rehearse(arguments: &Down, runbook: Option<&Runbook>, journal: &Journal) -> Verdict {
    let state = match runbook {
        Some(runbook) => session::state_as_moved(runbook, Some(journal))?,
        None => Cow::Borrowed(journal.state()),
    };
    let split = split(arguments, runbook, &state)?;
    if arguments.format == Format::Json {
        output::json(&json!(split));
        return Ok(exit::DONE);
    }
    output::say(format_args!("would delete {}, in this order:", counted(split.doomed.len(), "resource")));
    split.doomed.iter().for_each(|Owned { id, step }| output::say(format_args!("  {id} of `{step}`")));
    if !split.kept.is_empty() {
        output::say(format_args!("would keep {}", in_words(&split.kept)));
    }
    Ok(exit::DONE)
}

/// Returns how many resources there are, and of which steps.
fn in_words(owned: &[Owned]) -> String {
    let steps: IndexSet<&str> = owned.iter().rev().map(|one| one.step.as_str()).collect();
    let steps: Vec<String> = steps.into_iter().map(|step| format!("`{step}`")).collect();
    format!("{} of {}", counted(owned.len(), "resource"), steps.join(", "))
}

fn by_tags(arguments: &Down, stack: &str) -> Verdict {
    runtime::block_on(async {
        let aws = session::connect(&arguments.target, interrupt::watch()).await?;
        let (found, unsearched) = search(&aws, 0).await;
        let mut found: Vec<Found> = found.into_iter().filter(|one| one.stack() == stack).collect();
        // What was made last may use what was made before.
        found.sort_by_key(|one| {
            let event = one.tags.get(EVENT_TAG).and_then(|number| number.parse::<u64>().ok());
            std::cmp::Reverse(event)
        });
        agree(arguments, &aws, found.iter().map(|one| &one.id))?;
        let mut left: Vec<String> = unsearched;
        for Found { id, .. } in &found {
            match account::delete(&aws, id).await {
                Ok(_) => output::say(format_args!("  deleted {id}")),
                Err(failure) if failure.kind.pauses() => return Err(Stop::from(failure)),
                Err(failure) => left.push(format!("{id}: {failure}")),
            }
        }
        done(&left)?;
        let deleted = counted(found.len(), "resource");
        output::say(format_args!("deleted {deleted}; nothing with the tags of the stack {stack} is left"));
        Ok(exit::DONE)
    })
}

/// Asks for `--yes` on AWS.
fn agree<'a>(arguments: &Down, aws: &Aws, ids: impl Iterator<Item = &'a ResourceId>) -> Result<(), Stop> {
    let ids: Vec<String> = ids.map(|id| format!("  {id}")).collect();
    match aws.target == Target::Aws && !arguments.yes && !ids.is_empty() {
        true => Err(Stop::new(exit::DECLINED, format!("this would delete on AWS:\n{}", ids.join("\n")))
            .hint("--yes deletes them")),
        false => Ok(()),
    }
}

fn done(left: &[String]) -> Result<(), Stop> {
    match left {
        [] => Ok(()),
        left => {
            let message =
                format!("could not delete {}:\n{}", counted(left.len(), "resource"), left.join("\n"));
            Err(Stop::new(exit::LEFT_OVER, message).hint("run `opsml down` again when the cause is repaired"))
        }
    }
}
