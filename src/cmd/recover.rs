//! `opsml recover`: makes a new journal of a lost or damaged one, from the tags of the account's resources.

use std::collections::BTreeMap;
use std::path::Path;

use super::stop::{Stop, Verdict};
use super::{interrupt, output, runtime, session};
use crate::account;
use crate::aws::Aws;
use crate::cli::{Format, Recover};
use crate::diagnostic::counted;
use crate::exit;
use crate::journal::{Event, Journal};
use crate::resource::{Found, STEP_TAG, search};
use crate::runbook::Runbook;

pub fn run(arguments: &Recover) -> Verdict {
    let journaled = &arguments.journaled;
    let (file, target) = (&journaled.file, &journaled.target);
    let (runbook, _) = session::parsed(file)?;
    runtime::block_on(async {
        let aws = session::connect(target, interrupt::watch()).await?;
        let path = session::journal_path(file, target, &aws);
        let (found, unsearched) = search(&aws, 0).await;
        if !unsearched.is_empty() {
            let message = format!("the account cannot be searched for {}", unsearched.join("; "));
            return Err(Stop::new(exit::STEP_FAILED, message)
                .hint("recover with credentials that may list and read the tags of all these"));
        }
        let stack = match arguments.stack.clone().or_else(|| Journal::stack_of(&path)) {
            Some(stack) => stack,
            None => only_stack(&found, &runbook)?,
        };
        let found: Vec<Found> = found.into_iter().filter(|one| one.stack() == stack).collect();
        let mut journal = new_journal(&path, arguments, &stack, &aws)?;
        journal.append(account::events(found.clone()))?;
        if journaled.format == Format::Text {
            print(&found, &stack, &runbook, file);
        }
        Ok(exit::DONE)
    })
}

fn new_journal(path: &Path, arguments: &Recover, stack: &str, aws: &Aws) -> Result<Journal, Stop> {
    session::private(path)
        .map_err(|error| Stop::new(exit::STEP_FAILED, format!("{}: {error}", path.display())))?;
    let mut journal = Journal::replace(path, arguments.take_over)?;
    journal.append([Event::Opened {
        stack: stack.to_owned(),
        target: arguments.journaled.target.target.clone(),
        account: aws.account.clone(),
        region: aws.region.clone(),
    }])?;
    Ok(journal)
}

/// Returns the one stack of the account whose resources all belong to steps of the runbook.
fn only_stack(found: &[Found], runbook: &Runbook) -> Result<String, Stop> {
    let mut stacks = BTreeMap::<&str, bool>::new();
    for one in found {
        let own = one.tags.get(STEP_TAG).is_some_and(|step| runbook.step(step).is_some());
        *stacks.entry(one.stack()).or_insert(true) &= own;
    }
    let own: Vec<&str> = stacks.into_iter().filter(|(_, own)| *own).map(|(stack, _)| stack).collect();
    match own[..] {
        [stack] => Ok(stack.to_owned()),
        [] => Err(Stop::new(exit::STEP_FAILED, "the account has no resources of this runbook")
            .hint("there is nothing to recover: `opsml run` begins a new stack")),
        _ => Err(Stop::usage(format!("these stacks may be of this runbook: {}", own.join(", ")))
            .hint("choose one by --stack")),
    }
}

fn print(found: &[Found], stack: &str, runbook: &Runbook, file: &Path) {
    output::say(format_args!("stack {stack}: recovered {}", counted(found.len(), "resource")));
    for one in found {
        let step = one.tags.get(STEP_TAG).map_or("", String::as_str);
        output::say(format_args!("  {} of the step {step}", one.id));
    }
    let known = |step: &str| found.iter().any(|one| one.tags.get(STEP_TAG).is_some_and(|of| of == step));
    let others: Vec<&str> =
        runbook.steps.iter().map(|step| step.id.as_str()).filter(|id| !known(id)).collect();
    output::say(format_args!(
        "Not known: the outputs of every step, which the next run computes again from these resources; what has no tags \
         of its own (objects, policies and concurrency that a step added), which it finds again by name; and all of {}, \
         which it runs again.",
        others.join(", ")
    ));
    output::say(format_args!("continue with: opsml run {}", file.display()));
}
