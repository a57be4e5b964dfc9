//! `opsml run`: runs a runbook, or continues it, and renders the write-up.

use std::io::{IsTerminal, Write};
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::session::{self, Checked};
use super::stop::{Stop, Verdict};
use super::{prices, report, runtime};
use crate::aws::{Aws, Target};
use crate::cli::{Format, Run};
use crate::console;
use crate::diagnostic::counted;
use crate::exit;
use crate::journal::{Journal, Observer};
use crate::runner::{self, Ended, Options};

/// Prints a line. If the output is closed, the run continues.
macro_rules! say {
    ($($words:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{}\n", format_args!($($words)*)));
    }};
}

pub fn run(arguments: &Run) -> Verdict {
    let checked = session::checked(&arguments.file.file, &arguments.file.params)?;
    for step in arguments.until.iter().chain(&arguments.force) {
        if checked.runbook.step(step).is_none() {
            let known: Vec<&str> = checked.runbook.steps.iter().map(|step| step.id.as_str()).collect();
            let stop = Stop::usage(format!("the runbook has no step `{step}`"));
            return Err(stop.suggest(step, &known));
        }
    }
    runtime::block_on(run_checked(arguments, checked))
}

async fn run_checked(arguments: &Run, checked: Checked) -> Verdict {
    let runbook = &checked.runbook;
    let file: &Path = &arguments.file.file;
    let interrupted = watch_interrupt();
    let aws = session::connect(&arguments.target).await?;
    let mut journal = session::open(file, &arguments.target, &aws)?;
    if aws.target == Target::Aws {
        prices::refresh(&checked, file, &aws).await;
        ask(arguments, &checked, &journal, &aws)?;
    }
    journal.observe(observer(arguments.file.format));
    let options = Options {
        params: checked.params.clone(),
        paths: session::paths(runbook, &checked.given),
        force: arguments.force.clone(),
        until: arguments.until.clone(),
        yes: arguments.yes,
        interrupted,
    };
    let ended = runner::run(runbook, &mut journal, &aws, &options).await;
    // The write-up is made from the journal, of a failed run too.
    let ended = ended?;
    let written = report::write(runbook, journal.state(), arguments.report.as_deref())?;
    let text = arguments.file.format == Format::Text;
    if text {
        say!("write-up: {}", written.markdown.display());
        say!("          {}", written.html.display());
    }
    match ended {
        Ended::Done { ran: 0, cached } => {
            if text {
                say!("nothing to do: {} kept, and no call changed anything", counted(cached, "step"));
            }
            Ok(exit::DONE)
        }
        Ended::Done { ran, cached } => {
            if text {
                say!("done: {} ran, {cached} kept", counted(ran, "step"));
            }
            Ok(exit::DONE)
        }
        Ended::Failed { step, failure } => {
            let stop = Stop::new(failure.kind.exit_code(), session::in_step(runbook, &step, &failure));
            Err(stop
                .hints(failure.hints)
                .hint(format!("when the cause is repaired, continue with: {}", session::command_line())))
        }
        Ended::Interrupted => {
            let live = journal.state().resources.live().count();
            let shown = file.display();
            let live = counted(live, "live resource");
            Err(Stop::new(exit::INTERRUPTED, format!("interrupted; on AWS, {live} may bill"))
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

/// Returns a flag that the first Ctrl-C or SIGTERM sets. The second one ends the process at once.
pub fn watch_interrupt() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return receiver };
    tokio::spawn(async move {
        let mut signal = async || {
            tokio::select! {
                result = tokio::signal::ctrl_c() => result.is_ok(),
                received = terminate.recv() => received.is_some(),
            }
        };
        if !signal().await {
            return;
        }
        eprintln!("stopping after the current call; Ctrl-C again stops at once");
        sender.send_replace(true);
        if signal().await {
            std::process::exit(i32::from(exit::KILLED));
        }
    });
    receiver
}

/// Prints, before the first call on AWS that costs money, the account and the highest price, and asks the user to agree.
fn ask(arguments: &Run, checked: &Checked, journal: &Journal, aws: &Aws) -> Result<(), Stop> {
    let planned = super::plan::planned(checked, journal.state(), &arguments.force)?;
    let (worst, unknown) = super::plan::worst(&planned);
    eprintln!("account {}, region {}, as {}", aws.account, aws.region, aws.principal);
    eprintln!("at worst {}", super::plan::in_words(worst, &unknown));
    let budget = checked.runbook.front.budget.as_deref();
    if let Some(budget) = budget.and_then(|text| text.split(' ').next()?.parse::<f64>().ok()) {
        if worst > budget {
            let message = format!("that is over the runbook's budget of {budget:.2} USD");
            return Err(Stop::new(exit::DECLINED, message).hint(
                "raise `budget` in the front matter, or lower `max_run`, `instance_count`, `retry` or `hours`",
            ));
        }
        if !unknown.is_empty() {
            let message =
                format!("the runbook has a budget, and the price of {} is unknown", unknown.join(", "));
            return Err(Stop::new(exit::DECLINED, message)
                .hint("choose an instance type that `opsml plan` has a price for, or remove `budget`"));
        }
    }
    if arguments.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Stop::new(exit::DECLINED, "nobody is there to agree to the price").hint("--yes agrees"));
    }
    eprint!("continue? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Stop::new(exit::DECLINED, "declined; nothing was created")),
    }
}
