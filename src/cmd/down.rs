//! `opsml down`: deletes all resources of a runbook, newest first, and reports those that it could not delete.

use std::collections::BTreeMap;
use std::path::Path;

use super::stop::{Stop, Verdict};
use super::{output, run, runtime, session};
use crate::account;
use crate::aws::{Aws, Target};
use crate::cli::{Down, Format};
use crate::diagnostic::counted;
use crate::exit;
use crate::journal::ResourceId;
use crate::resource::ensure::StepSession;
use crate::resource::{EVENT_TAG, Found, search};

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
    runtime::block_on(async {
        let aws = session::connect(target, run::watch_interrupt()).await?;
        let mut journal = session::open(file, target, &aws, Some(read), arguments.take_over)?;
        let live: Vec<(ResourceId, String)> =
            journal.state().resources.live().rev().map(|(id, row)| (id.clone(), row.step.clone())).collect();
        agree(arguments, &aws, live.iter().map(|(id, _)| id))?;
        journal.observe(run::observer(format));
        let mut left = Vec::new();
        for (id, step) in &live {
            let mut session = StepSession {
                aws: &aws,
                journal: &mut journal,
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
            let (deleted, file) = (counted(live.len(), "resource"), file.display());
            output::say(format_args!("deleted {deleted}; nothing of {file} is left"));
            beside
                .unsearched
                .iter()
                .for_each(|what| output::say(format_args!("the account could not be searched for {what}")));
        }
        Ok(exit::DONE)
    })
}

fn by_tags(arguments: &Down, stack: &str) -> Verdict {
    runtime::block_on(async {
        let aws = session::connect(&arguments.target, run::watch_interrupt()).await?;
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
