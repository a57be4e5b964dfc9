//! The verbs. Each has a file with a function that takes its arguments and returns its exit code.

mod aws_cli;
mod check;
mod chosen;
mod ci;
mod cloud;
mod costs;
mod diff;
mod doctor;
mod down;
mod export;
mod help;
mod history;
mod import;
mod interrupt;
mod kept_plan;
mod local_files;
mod logs;
mod lsp;
mod new;
mod output;
mod plan;
mod prices;
mod recover;
mod report;
mod run;
mod runtime;
mod schema;
mod session;
mod show;
mod status;
mod stop;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Verb};
use crate::exit;
use crate::secret;

/// Reads the command line and runs its verb.
pub fn main() -> ExitCode {
    secret::know_environment(
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    );
    let verb = Cli::parse().verb;
    // The local cloud and the language server outlive a request that panics.
    if !matches!(verb, Verb::Cloud(_) | Verb::Lsp(_)) {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            report(panic);
            output::complain("error: this is a bug in opsml; please report it");
            std::process::exit(i32::from(exit::BUG));
        }));
    }
    if matches!(
        verb,
        Verb::Check(_)
            | Verb::Plan(_)
            | Verb::Status(_)
            | Verb::Show(_)
            | Verb::History(_)
            | Verb::Diff(_)
            | Verb::Help(_)
            | Verb::Explain(_)
            | Verb::Schema(_)
            | Verb::Completions(_)
    ) {
        reset_sigpipe();
    }
    let verdict = match verb {
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Plan(arguments) => plan::run(&arguments),
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Status(arguments) => status::run(&arguments),
        Verb::Show(arguments) => show::run(&arguments),
        Verb::History(arguments) => history::run(&arguments),
        Verb::Diff(arguments) => diff::run(&arguments),
        Verb::Logs(arguments) => logs::run(&arguments),
        Verb::Watch(arguments) => watch::run(&arguments),
        Verb::Report(arguments) => report::run(&arguments),
        Verb::Export(arguments) => export::run(&arguments),
        Verb::Down(arguments) => down::run(&arguments),
        Verb::Costs(arguments) => costs::run(&arguments),
        Verb::Recover(arguments) => recover::run(&arguments),
        Verb::New(arguments) => new::run(&arguments),
        Verb::Import(arguments) => import::run(&arguments),
        Verb::Help(arguments) => help::run(&arguments),
        Verb::Explain(arguments) => help::explain(&arguments),
        Verb::Schema(arguments) => schema::run(&arguments),
        Verb::Lsp(target) => lsp::run(&target),
        Verb::Completions(arguments) => {
            clap_complete::generate(arguments.shell, &mut Cli::command(), "opsml", &mut std::io::stdout());
            Ok(exit::DONE)
        }
        Verb::Doctor(arguments) => doctor::run(&arguments),
        Verb::Cloud(arguments) => cloud::run(&arguments),
    };
    match verdict {
        Ok(code) => ExitCode::from(code),
        Err(stop) => ExitCode::from(stop.print()),
    }
}

/// Ends the process when the reader of its output closes the pipe, as `head` does. Not for verbs that open sockets: a
/// peer that closes one must cause an error.
fn reset_sigpipe() {
    // Safety: no thread has started yet, and the default handler runs no code of this process.
    #[cfg(unix)]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}
