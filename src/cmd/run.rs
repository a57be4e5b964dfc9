//! `opsml run`: runs a runbook, or continues it, and renders the write-up.

use std::io::IsTerminal;
use std::path::Path;
use std::thread::JoinHandle;

use super::chosen::Chosen;
use super::ci::Ci;
use super::kept_plan::KeptPlan;
use super::session::{self, Checked};
use super::stop::{Stop, Verdict};
use super::watch::{self as page, Watched};
use super::{interrupt, output, prices, report, runtime};
use crate::account;
use crate::aws::{Aws, Target};
use crate::cli::{Format, Run, RunFormat};
use crate::console;
use crate::costs;
use crate::diagnostic::counted;
use crate::exit;
use crate::journal::{Journal, Observer, SharedJournal};
use crate::runner::{self, Ended, Options};

/// A runbook of more steps than this is typeset for too long to do it at the end of each run.
const LONG: usize = 500;

pub fn run(arguments: &Run) -> Verdict {
    let kept = KeptPlan::read(&arguments.file.file)?;
    let by_plan = kept.as_ref().map(|kept| kept.in_place_of(arguments)).transpose()?;
    let arguments = by_plan.as_ref().unwrap_or(arguments);
    let mut ci = Ci::new(arguments.format, &arguments.file.file);
    let verdict = run_told(arguments, kept, &mut ci);
    ci.tell(&verdict);
    verdict
}

fn run_told(arguments: &Run, kept: Option<KeptPlan>, ci: &mut Ci) -> Verdict {
    // A long journal takes as long to read as its runbook takes to check. An error in it comes up when it is opened.
    let (file, target) = (arguments.file.file.clone(), arguments.target.clone());
    let journal = std::thread::spawn(move || session::read(&file, &target).ok().flatten());
    let checked = session::checked(&arguments.file.file, &arguments.file.params)?;
    ci.knows(&checked.runbook);
    let chosen = Chosen::of(&checked.runbook, &arguments.steps)?;
    runtime::block_on(run_checked(arguments, checked, (chosen, kept), journal, ci))
}

async fn run_checked(
    arguments: &Run,
    checked: Checked,
    (chosen, kept): (Chosen, Option<KeptPlan>),
    read: JoinHandle<Option<Journal>>,
    ci: &mut Ci,
) -> Verdict {
    let runbook = &checked.runbook;
    let file: &Path = &arguments.file.file;
    let aws = session::connect(&arguments.target, interrupt::watch()).await?;
    let read = read.join().ok().flatten();
    let mut journal = session::open(file, &arguments.target, &aws, read, arguments.take_over)?;
    let planned = match &kept {
        Some(kept) => {
            let state = session::state_as_moved(runbook, Some(&journal))?;
            let planned = super::plan::planned(&checked, &state, &chosen)?;
            kept.must_hold(&checked, &state, &planned)?;
            Some(kept.untouched())
        }
        None => None,
    };
    session::apply_moves(runbook, &mut journal)?;
    chosen.must_be_runnable(runbook, journal.state())?;
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
        ask(arguments, &checked, &chosen, &journal, &aws)?;
    }
    let shown: Box<dyn Observer> = match arguments.format {
        RunFormat::Text => observer(Format::Text),
        RunFormat::Json => observer(Format::Json),
        RunFormat::Junit => Box::new(console::Text::beside_a_document()),
    };
    journal.observe(ci.observer(shown));
    if arguments.watch {
        let (target, output) = (arguments.target.clone(), arguments.output.clone());
        let address = page::serve(Watched { file: file.to_owned(), target, output }).await?;
        match arguments.format {
            RunFormat::Text => output::say(format_args!("watch: {address}")),
            // Standard output is for programs.
            RunFormat::Json | RunFormat::Junit => output::complain(format_args!("watch: {address}")),
        }
        if arguments.open {
            report::open(address.as_ref())?;
        }
    }
    let options = Options {
        params: checked.params.clone(),
        paths: session::paths(runbook, &checked.given),
        force: chosen.force,
        selection: chosen.selection,
        jobs: usize::from(arguments.jobs),
        untouched: planned,
        budget: budget(arguments, &checked).filter(|_| !aws.is_local()),
        yes: arguments.yes,
    };
    let journal = SharedJournal::new(journal);
    let ended = runner::run(runbook, &journal, &aws, &options).await;
    let journal = journal.into_inner();
    ci.spent(journal.state(), aws.is_local());
    // The write-up is made from the journal, of a failed run too.
    let ended = ended?;
    let is_long = runbook.steps.len() > LONG;
    let formats = if is_long { report::SCREEN } else { report::ALL };
    let written = report::write(runbook, journal.state(), &arguments.output, formats)?;
    let text = arguments.format == RunFormat::Text;
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
    if arguments.open
        && !arguments.watch
        && let Some(path) = written.last()
    {
        report::open(path)?;
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
        Ended::Done { ran, cached, deleted } => {
            if text {
                let left_out = match options.selection.passed_over() {
                    0 => String::new(),
                    count => format!(", {count} left out"),
                };
                let deleted = match deleted + strays {
                    0 => String::new(),
                    some => format!(", {} deleted", counted(some, "resource")),
                };
                output::say(format_args!(
                    "done: {} ran, {cached} kept{left_out}{deleted}",
                    counted(ran, "step")
                ));
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
        Format::Text => Box::new(console::Text::new()),
        Format::Json => Box::new(console::Json),
    }
}

/// Returns the most that the stack may cost, in US dollars.
fn budget(arguments: &Run, checked: &Checked) -> Option<f64> {
    let declared = checked.runbook.front.budget.as_deref();
    arguments.budget.or_else(|| declared?.split(' ').next()?.parse().ok())
}

/// Prints, before the first call that costs money, the account, what the run adds at most and what is spent, and asks the user
/// to agree. A server on this machine is not asked about.
fn ask(
    arguments: &Run,
    checked: &Checked,
    chosen: &Chosen,
    journal: &Journal,
    aws: &Aws,
) -> Result<(), Stop> {
    let planned = super::plan::planned(checked, journal.state(), chosen)?;
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
