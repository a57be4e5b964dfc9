//! `command` steps and downloads end by Ctrl-C, SIGTERM and their time-out. They leave no process behind, and use
//! little memory.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::env::{Env, wait_for};

/// Writes a runbook of one `command` step, which runs a shell script.
fn with_script(script: &str, common: &str) -> Env {
    let env = Env::new();
    env.write("script.sh", script);
    env.write(
        "c.md",
        format!("```opsml a\ncommand:\n  run: [sh, script.sh]\n{common}```\n\n{{{{ a.stdout | length }}}}\n"),
    );
    env
}

/// Returns the process id that a script wrote into a file.
fn written_id(env: &Env, name: &str) -> u32 {
    wait_for(name, || std::fs::read_to_string(env.path(name)).ok()?.trim().parse().ok())
}

/// Returns () if the process has ended. A zombie, whose exit status nobody has read, has ended too.
fn is_gone(pid: u32) -> Option<()> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    matches!(state, None | Some("Z" | "X")).then_some(())
}

const FAMILY: &str = "sleep 1000 &\necho $! > grandchild\necho $$ > child\nwait\n";

#[test]
fn ctrl_c_and_sigterm_end_a_command_with_all_that_it_started() {
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let env = with_script(FAMILY, "");
        let mut run = env.start(["run", "c.md"], "out");
        let (child, grandchild) = (written_id(&env, "child"), written_id(&env, "grandchild"));
        let pid = rustix::process::Pid::from_raw(run.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        assert_eq!(run.wait(), 3, "{}", run.said());
        for pid in [child, grandchild] {
            wait_for("the end of the command", || is_gone(pid));
        }
    }
}

#[test]
fn a_time_out_ends_a_command_with_all_that_it_started() {
    let env = with_script(FAMILY, "timeout: 2s\n");
    env.opsml(["run", "c.md"]).code(1).complains("was not done after 2 s");
    for name in ["child", "grandchild"] {
        let pid = written_id(&env, name);
        wait_for("the end of the command", || is_gone(pid));
    }
}

#[test]
fn a_command_does_not_outlive_a_killed_run() {
    let env = with_script(FAMILY, "");
    let mut run = env.start(["run", "c.md"], "out");
    let child = written_id(&env, "child");
    run.kill();
    wait_for("the end of the command", || is_gone(child));
    // The process that the script started isn't opsml's child, so the test ends it.
    let grandchild = rustix::process::Pid::from_raw(written_id(&env, "grandchild").cast_signed()).unwrap();
    rustix::process::kill_process(grandchild, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_process_that_a_command_leaves_in_the_background_delays_nothing() {
    let env = with_script("sleep 1000 &\necho $! > left\necho done\n", "");
    let start = Instant::now();
    env.opsml(["run", "c.md"]).code(0).says("done");
    assert!(start.elapsed() < Duration::from_secs(60));
    let left = rustix::process::Pid::from_raw(written_id(&env, "left").cast_signed()).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_line_of_300_mb_is_not_kept_in_memory() {
    let env = with_script("head -c 300000000 /dev/zero | tr '\\0' x\necho\necho last\n", "");
    let ran = env.opsml(["run", "c.md"]).code(0).says("last");
    assert!(ran.stdout.len() < 100_000, "{} bytes", ran.stdout.len());
    env.opsml(["show", "c.md", "a"]).code(0).says("xxxx");
}

/// Starts a server that reads a request, answers with `answer`, and keeps the connection open. Returns its port.
fn silent(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 1024]).and_then(|_| stream.write_all(answer.as_bytes()));
            open.push(stream);
        }
    });
    port
}

#[test]
fn a_download_that_stalls_ends_with_its_time_out_and_with_ctrl_c() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome"] {
        let env = Env::new();
        let url = format!("http://127.0.0.1:{}/images.zip", silent(answer));
        env.write("d.md", format!("```opsml a\ndataset:\n  source: {url}\ntimeout: 2s\n```\n"));
        env.opsml(["run", "d.md"]).code(1).complains("was not done after 2 s");
        env.write("d.md", format!("```opsml a\ndataset:\n  source: {url}\n```\n"));
        let mut run = env.start(["run", "d.md"], "out");
        assert!(run.wait_for("▶ a"));
        run.interrupt();
        assert_eq!(run.wait(), 3, "{}", run.said());
    }
}

#[test]
fn a_pipe_is_refused_wherever_a_file_is_read() {
    let env = Env::new();
    let made = std::process::Command::new("mkfifo").arg(env.path("pipe")).status().unwrap();
    assert!(made.success());
    env.opsml(["check", "pipe"]).code(2).complains("not a regular file");
    for fields in ["dataset:\n  source: pipe\n", "command:\n  run: [echo]\n  reads: [pipe]\n"] {
        env.write("p.md", format!("```opsml a\n{fields}```\n"));
        env.opsml(["run", "p.md"]).code(1).complains("not a regular file");
    }
}
