//! The verbs: one file each. They open what they need, hand it on, and turn what comes back into an exit code.

mod aws_cli;
mod check;
mod cloud;
mod doctor;
mod down;
mod logs;
mod new;
mod plan;
mod prices;
mod report;
mod run;
mod schema;
mod session;
mod show;
mod status;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Verb};
use crate::diagnostic::{closest, printable};
use crate::exit;
use crate::failure::Failure;
use crate::journal::JournalError;
use crate::report::redacted;

/// Why a verb ended early: an exit code and what to say.
#[derive(Debug)]
pub struct Stop {
    code: u8,
    message: String,
    hints: Vec<String>,
}

impl Stop {
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hints: Vec::new() }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds what was probably meant, or else what there is.
    pub fn suggest(self, given: &str, known: &[&str]) -> Self {
        match closest(given, known.iter().copied()) {
            Some(close) => self.hint(format!("did you mean `{close}`?")),
            None => self.hint(format!("there is: {}", known.join(", "))),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        // Without credentials nothing can go on, and nothing is lost: it is a pause.
        let paused =
            ["ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"];
        let code = match failure.code.as_str() {
            code if paused.contains(&code) => exit::INTERRUPTED,
            "NoRegion" => exit::USAGE,
            _ => exit::STEP_FAILED,
        };
        Self { code, message: failure.to_string(), hints: failure.hints }
    }
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Locked { .. } => {
                Self::new(exit::LOCKED, error.to_string()).hint("wait for it, or stop it with Ctrl-C")
            }
            JournalError::Storage { .. } => Self::new(exit::STEP_FAILED, error.to_string())
                .hint("what was done is kept: make room or mend the disk, and run again"),
            other => Self::new(exit::STEP_FAILED, other.to_string()),
        }
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::new(exit::STEP_FAILED, error.to_string())
    }
}

/// What a verb comes to: an exit code, or the reason that it ended early.
pub type Verdict = Result<u8, Stop>;

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    // The local cloud survives a request that it cannot take.
    if !matches!(verb, Verb::Cloud(_)) {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            told(panic);
            eprintln!("error: this is a bug in opsml");
            std::process::exit(i32::from(exit::BUG));
        }));
    }
    if matches!(verb, Verb::Check(_) | Verb::Plan(_) | Verb::Status(_) | Verb::Show(_) | Verb::Schema(_)) {
        reset_sigpipe();
    }
    let verdict = match verb {
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Plan(arguments) => plan::run(&arguments),
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Status(arguments) => status::run(&arguments),
        Verb::Show(arguments) => show::run(&arguments),
        Verb::Logs(arguments) => logs::run(&arguments),
        Verb::Report(arguments) => report::run(&arguments),
        Verb::Down(arguments) => down::run(&arguments),
        Verb::New(arguments) => new::run(&arguments),
        Verb::Schema(arguments) => schema::run(&arguments),
        Verb::Completions(arguments) => {
            clap_complete::generate(arguments.shell, &mut Cli::command(), "opsml", &mut std::io::stdout());
            Ok(exit::DONE)
        }
        Verb::Doctor(arguments) => doctor::run(&arguments),
        Verb::Cloud(arguments) => cloud::run(&arguments),
    };
    match verdict {
        Ok(code) => ExitCode::from(code),
        Err(stop) => {
            eprintln!("error: {}", printable(&redacted(&stop.message)));
            for hint in &stop.hints {
                eprintln!("  hint: {}", printable(&redacted(hint)));
            }
            ExitCode::from(stop.code)
        }
    }
}

/// Lets a reader that closes the pipe early, as `head` does, end us as it ends any other program. Only for verbs
/// that open no socket: there, a peer that is gone must be an error and not the end.
fn reset_sigpipe() {
    // Safe: called once, before any thread is started, with the system's own default handler.
    #[cfg(unix)]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}
