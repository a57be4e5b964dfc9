//! `opsml run`: runs a runbook, or continues it, and renders the write-up.

use std::io::IsTerminal;
use std::path::Path;
use std::thread::JoinHandle;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::session::{self, Checked};
use super::stop::{Stop, Verdict};
use super::{output, prices, report, runtime};
use crate::account;
use crate::aws::{Aws, Target};
use crate::cli::{Format, Run};
use crate::console;
use crate::costs;
use crate::diagnostic::counted;
use crate::exit;
use crate::journal::{Journal, Observer};
use crate::runner::{self, Ended, Options};

/// A runbook of more steps than this is typeset for too long to do it at the end of each run.
const LONG: usize = 500;

pub fn run(arguments: &Run) -> Verdict {
    // A long journal takes as long to read as its runbook takes to check. An error in it comes up when it is opened.
    let (file, target) = (arguments.file.file.clone(), arguments.target.clone());
    let journal = std::thread::spawn(move || session::read(&file, &target).ok().flatten());
    let checked = session::checked(&arguments.file.file, &arguments.file.params)?;
    for step in arguments.until.iter().chain(&arguments.force) {
        if checked.runbook.step(step).is_none() {
            let known: Vec<&str> = checked.runbook.steps.iter().map(|step| step.id.as_str()).collect();
            let stop = Stop::usage(format!("the runbook has no step `{step}`"));
            return Err(stop.suggest(step, &known));
        }
    }
    runtime::block_on(run_checked(arguments, checked, journal))
}

async fn run_checked(arguments: &Run, checked: Checked, read: JoinHandle<Option<Journal>>) -> Verdict {
    let runbook = &checked.runbook;
    let file: &Path = &arguments.file.file;
    let aws = session::connect(&arguments.target, watch_interrupt()).await?;
    let read = read.join().ok().flatten();
    let mut journal = session::open(file, &arguments.target, &aws, read, arguments.take_over)?;
    let mut strays = 0;
    if !journal.state().runs.is_empty() {
        let (late, unsearched) = account::check(&aws, journal.state()).await?;
        if !unsearched.is_empty() {
            output::complain(format_args!(
                "whether the journal is older than the account is not known for {}",
                unsearched.join("; ")
            ));
        }
        strays = late.len();
        for id in late {
            output::complain(format_args!("deleted {id}: a call of an earlier run has arrived late"));
        }
    }
    if aws.target == Target::Aws {
        prices::refresh(&checked, file, &aws).await;
    }
    if !aws.is_local() {
        ask(arguments, &checked, &journal, &aws)?;
    }
    journal.observe(observer(arguments.file.format));
    let options = Options {
        params: checked.params.clone(),
        paths: session::paths(runbook, &checked.given),
        force: arguments.force.clone(),
        until: arguments.until.clone(),
        budget: budget(arguments, &checked).filter(|_| !aws.is_local()),
        yes: arguments.yes,
    };
    let ended = runner::run(runbook, &mut journal, &aws, &options).await;
    // The write-up is made from the journal, of a failed run too.
    let ended = ended?;
    let is_long = runbook.steps.len() > LONG;
    let formats = if is_long { report::SCREEN } else { report::ALL };
    let written = report::write(runbook, journal.state(), &arguments.output, formats)?;
    let text = arguments.file.format == Format::Text;
    if text {
        if is_long {
            output::say(format_args!(
                "no PDF of {} steps; this makes it: opsml report {}",
                runbook.steps.len(),
                file.display()
            ));
        }
        for (index, path) in written.iter().enumerate() {
            let name = if index == 0 { "write-up:" } else { "" };
            output::say(format_args!("{name:9} {}", path.display()));
        }
    }
    match ended {
        Ended::Done { ran: 0, cached, deleted: 0 } if strays == 0 => {
            if text {
                output::say(format_args!(
                    "nothing to do: {} kept, and no call changed anything",
                    counted(cached, "step")
                ));
            }
            Ok(exit::DONE)
        }
        Ended::Done { ran, cached, .. } => {
            if text {
                output::say(format_args!("done: {} ran, {cached} kept", counted(ran, "step")));
            }
            Ok(exit::DONE)
        }
        Ended::Failed { step, failure } => {
            let stop = Stop::new(failure.kind.exit_code(), session::in_step(runbook, &step, &failure));
            let shown = file.display().to_string();
            let hints = failure.hints.into_iter().map(|hint| hint.replace("RUNBOOK", &shown));
            Err(stop
                .hints(hints.collect())
                .hint(format!("when the cause is repaired, continue with: {}", session::command_line())))
        }
        Ended::Interrupted => {
            let shown = file.display();
            let live = counted(journal.state().resources.live().count(), "live resource");
            let now = jiff::Timestamp::now().as_millisecond();
            let mut lines = vec![format!("interrupted; {live}")];
            lines.extend(costs::billing(&costs::costs(journal.state(), now)?));
            Err(Stop::new(exit::INTERRUPTED, lines.join("\n  "))
                .hint(format!("continue with: {}", session::command_line()))
                .hint(format!("or delete the resources: opsml down {shown}")))
        }
    }
}

pub fn observer(format: Format) -> Box<dyn Observer> {
    match format {
        Format::Text => Box::new(console::Text::default()),
        Format::Json => Box::new(console::Json),
    }
}

/// Returns a flag that the first Ctrl-C, SIGTERM or SIGHUP sets. The second one ends the process at once.
pub fn watch_interrupt() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut hangup)) = signals else { return receiver };
    tokio::spawn(async move {
        let mut signal = async || {
            tokio::select! {
                result = tokio::signal::ctrl_c() => result.is_ok(),
                received = terminate.recv() => received.is_some(),
                received = hangup.recv() => received.is_some(),
            }
        };
        if !signal().await {
            return;
        }
        output::complain("stopping after the current call; Ctrl-C again stops at once");
        sender.send_replace(true);
        if signal().await {
            std::process::exit(i32::from(exit::KILLED));
        }
    });
    receiver
}

/// Returns the most that the stack may cost, in US dollars.
fn budget(arguments: &Run, checked: &Checked) -> Option<f64> {
    let declared = checked.runbook.front.budget.as_deref();
    arguments.budget.or_else(|| declared?.split(' ').next()?.parse().ok())
}

/// Prints, before the first call that costs money, the account, what the run adds at most and what is spent, and asks the user
/// to agree. A server on this machine is not asked about.
fn ask(arguments: &Run, checked: &Checked, journal: &Journal, aws: &Aws) -> Result<(), Stop> {
    let planned = super::plan::planned(checked, journal.state(), &arguments.force)?;
    let (worst, unknown) = super::plan::worst(&planned);
    let now = jiff::Timestamp::now().as_millisecond();
    let (spent, hourly) = costs::sums(&costs::costs(journal.state(), now)?);
    output::complain(format_args!("account {}, region {}, as {}", aws.account, aws.region, aws.principal));
    output::complain(format_args!("this run adds at most {}", super::plan::in_words(worst, &unknown)));
    output::complain(format_args!("spent so far {spent:.2} USD, and {hourly:.3} USD an hour"));
    if let Some(budget) = budget(arguments, checked) {
        if spent + worst > budget {
            let message = format!("that is over the budget of {budget:.2} USD");
            return Err(Stop::new(exit::DECLINED, message).hint(
                "raise `budget` in the front matter or by --budget, or lower `max_run`, `instance_count`, `retry` or `hours`",
            ));
        }
        if !unknown.is_empty() {
            let message =
                format!("the runbook has a budget, and the price of {} is unknown", unknown.join(", "));
            return Err(Stop::new(exit::DECLINED, message)
                .hint("choose an instance type that `opsml plan` has a price for, or remove `budget`"));
        }
    }
    if arguments.yes || aws.is_on_this_machine() {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Stop::new(exit::DECLINED, "nobody is there to agree to the price").hint("--yes agrees"));
    }
    output::ask("continue? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Stop::new(exit::DECLINED, "declined; nothing was created")),
    }
}
