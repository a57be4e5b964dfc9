//! `opsml run`: runs a runbook, or goes on with it, and renders the write-up.

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
use crate::exit;
use crate::journal::{Journal, Observer};
use crate::runner::{self, Ended, Options};

/// Prints a line; a reader that has gone away is no reason to end a run.
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
    // A run that failed has a write-up too. One that lost its journal has nothing to write it from.
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
                say!("nothing to do: {cached} steps are done, and no call changed anything");
            }
            Ok(exit::DONE)
        }
        Ended::Done { ran, cached } => {
            if text {
                say!("done: {ran} steps ran, {cached} were done before");
            }
            Ok(exit::DONE)
        }
        Ended::Failed { step, failure } => {
            let stop = Stop::new(failure.kind.exit_code(), session::in_step(runbook, &step, &failure));
            Err(stop
                .hints(failure.hints)
                .hint(format!("when it is mended, go on with: {}", session::command_line())))
        }
        Ended::Interrupted => {
            let live = journal.state().resources.live().count();
            let shown = file.display();
            Err(Stop::new(exit::INTERRUPTED, format!("interrupted; {live} resources live, and bill on AWS"))
                .hint(format!("go on with: {}", session::command_line()))
                .hint(format!("or delete them: opsml down {shown}")))
        }
    }
}

pub fn observer(format: Format) -> Box<dyn Observer> {
    match format {
        Format::Text => Box::new(console::Text::default()),
        Format::Json => Box::new(console::Json),
    }
}

/// The first Ctrl-C or SIGTERM asks to stop; a second one stops at once.
pub fn watch_interrupt() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return receiver };
    tokio::spawn(async move {
        let mut asked = async || {
            tokio::select! {
                asked = tokio::signal::ctrl_c() => asked.is_ok(),
                asked = terminate.recv() => asked.is_some(),
            }
        };
        if !asked().await {
            return;
        }
        eprintln!("stopping after the call under way; Ctrl-C again stops at once");
        sender.send_replace(true);
        if asked().await {
            std::process::exit(i32::from(exit::KILLED));
        }
    });
    receiver
}

/// Before the first paid call on AWS: who pays, how much at worst, and whether that is wanted.
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
                format!("the runbook has a budget, and the price of {} is not known", unknown.join(", "));
            return Err(Stop::new(exit::DECLINED, message)
                .hint("choose an instance type that `opsml plan` has a price for, or take `budget` out"));
        }
    }
    if arguments.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Stop::new(exit::DECLINED, "nobody is there to agree to the price").hint("--yes agrees"));
    }
    eprint!("go on? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Stop::new(exit::DECLINED, "declined; nothing was made")),
    }
}
