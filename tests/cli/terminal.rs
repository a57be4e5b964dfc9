//! A run on a terminal: a live line for each step that runs, and above them what has happened.

use std::process::Command;

use crate::beside::RUNBOOK;
use crate::cloud::repository;
use crate::env::ran;
use crate::transitions::holding_of;

#[test]
fn each_step_that_runs_has_a_live_line_and_the_last_line_says_what_bills() {
    let (env, hold) = holding_of("beside.md", RUNBOOK);
    let mut python = Command::new("python3");
    env.environment(&mut python);
    // The endpoints become ready once both were seen on the terminal.
    let (_, hold) = hold.keep().unwrap();
    python
        .current_dir(env.work())
        .env("TERM", "xterm")
        .arg(repository("tests/cli/terminal/terminal.py"))
        .arg(hold);
    python.args(["one endpoint beside-one", "two endpoint beside-two", "--", env!("CARGO_BIN_EXE_opsml")]);
    let run = ran(python.args(["run", "beside.md", "--jobs", "2"])).code(0);
    let screen = run.stdout;
    for text in ["▶ one (deploy): new", "✓ two: ", ": Creating", "run 1: ", "0.230 USD an hour on AWS"] {
        assert!(screen.contains(text), "no {text} in {screen:?}");
    }
    // The cursor goes up to draw the live lines again.
    assert!(screen.contains("\u{1b}[1A") || screen.contains("\u{1b}[2A"), "{screen:?}");
    let end = screen.rfind("done: 6 steps ran").unwrap();
    assert!(!screen[end..].contains("Creating"), "no live line is left: {screen:?}");
}
