//! `opsml down`: deletes all resources of a runbook, newest first, and reports those that it could not delete.

use std::collections::BTreeMap;

use super::stop::{Stop, Verdict};
use super::{run, runtime, session};
use crate::aws::Target;
use crate::cli::{Down, Format};
use crate::diagnostic::counted;
use crate::exit;
use crate::journal::ResourceId;
use crate::resource::ensure::StepSession;

pub fn run(arguments: &Down) -> Verdict {
    let journaled = &arguments.journaled;
    // A runbook without a journal has no resources.
    session::must_read(journaled)?;
    runtime::block_on(async {
        let interrupted = run::watch_interrupt();
        let aws = session::connect(&journaled.target).await?;
        let mut journal = session::open(&journaled.file, &journaled.target, &aws)?;
        let live: Vec<(ResourceId, String)> =
            journal.state().resources.live().rev().map(|(id, row)| (id.clone(), row.step.clone())).collect();
        if aws.target == Target::Aws && !arguments.yes && !live.is_empty() {
            let ids: Vec<String> = live.iter().map(|(id, _)| format!("  {id}")).collect();
            return Err(Stop::new(exit::DECLINED, format!("this would delete on AWS:\n{}", ids.join("\n")))
                .hint("--yes deletes them"));
        }
        journal.observe(run::observer(journaled.format));
        let mut left = Vec::new();
        for (id, step) in &live {
            let mut session = StepSession {
                aws: &aws,
                journal: &mut journal,
                step: step.clone(),
                base: String::new(),
                tags: BTreeMap::new(),
                force: false,
                interrupted: interrupted.clone(),
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
        if !left.is_empty() {
            return Err(Stop::new(
                exit::LEFT_OVER,
                format!("could not delete {}:\n{}", counted(left.len(), "resource"), left.join("\n")),
            )
            .hint("run `opsml down` again when the cause is repaired"));
        }
        if journaled.format == Format::Text {
            let (deleted, file) = (counted(live.len(), "resource"), journaled.file.display());
            println!("deleted {deleted}; nothing of {file} is left");
        }
        Ok(exit::DONE)
    })
}
