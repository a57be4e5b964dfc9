//! What the machine does to a run: a disk that fails, a power loss, a clock that is wrong, a worker that is killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::env::Env;
use super::everything::nothing_is_stale;
use super::{Proxy, duplicates, record, with_keys};

/// Where Debian's package faketime has its library.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Returns whether a program is there, and says what is not run if it is not.
fn has(program: &str, what: &str) -> bool {
    let there = Path::new(program).is_absolute() && Path::new(program).exists()
        || Command::new(program).arg("--version").output().is_ok();
    if !there {
        println!("{what}: NOT RUN, since {program} is not installed");
    }
    there
}

/// Runs opsml under strace with these options.
fn traced(env: &Env, options: &[&str], arguments: &[&str]) -> Output {
    let opsml = env.command(arguments);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-ttt", "-o"]).arg(env.path("trace")).args(options);
    strace.arg(opsml.get_program()).args(opsml.get_args()).current_dir(env.work()).env_clear();
    strace.envs(opsml.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace.output().unwrap()
}

/// The disk fails at the nth sync: the next run goes on. If the sync was the journal's, no call that changes something
/// follows. If it was another file's, as of an EC2 key, the step fails, and its clean-up may follow.
#[test]
fn a_sync_fails() {
    if !has("strace", "EIO") {
        return;
    }
    let (mut failed, mut harmless, mut followed) = (0, 0, 0);
    for nth in (3..).step_by(5) {
        let env = with_keys();
        let proxy = Proxy::start(&env, "none");
        let run = ["run", "whole.md", "--target", &proxy.url];
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={nth}");
        let output = traced(&env, &["-y", "-e", "trace=fsync,fdatasync", "-e", &inject], &run);
        let trace = env.read("trace");
        let Some(line) = trace.lines().find(|line| line.contains("INJECTED")) else { break };
        let at: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        let is_journal = !line.contains("/keys") && !line.contains("/pictures");
        let calls = record(&env);
        let after: Vec<&Value> = calls.iter().filter(|call| call["time"].as_f64().unwrap() > at).collect();
        match output.status.code() {
            Some(1) => failed += 1,
            // SQLite needs no sync of its folder, nor of what it does when the journal is closed.
            Some(0) => harmless += 1,
            _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        }
        if output.status.code() == Some(1) && is_journal && !after.is_empty() {
            println!("EIO at sync {nth}: {line}\n{after:?}\n{}", String::from_utf8_lossy(&output.stderr));
            followed += after.len();
        }
        env.opsml(run).code(0);
        assert_eq!(duplicates(&env), 0, "EIO at sync {nth}");
        nothing_is_stale(&env, &run[2..], "EIO");
    }
    println!(
        "EIO: at {failed} syncs the run stopped, at {harmless} it needed none: {followed} calls after it, 0 duplicates"
    );
    assert_eq!(followed, 0);
    assert!(failed > 10, "{failed}");
}

/// Each state of the disk that a power loss may leave is rebuilt from the journal's writes and syncs.
#[test]
fn the_power_fails() {
    const STEPS: usize = 12;
    if !has("strace", "power loss") {
        return;
    }
    let env = Env::new();
    let step = |n| format!("```opsml s{n}\ncommand: {{run: [echo, '{n}']}}\n```\n");
    env.write("power.md", (0..STEPS).map(step).collect::<String>());
    env.opsml(["cloud", "start"]).code(0);
    let calls = "trace=openat,pwrite64,write,ftruncate,fsync,fdatasync,rename,unlink";
    let output = traced(&env, &["-y", "-xx", "-s", "100000", "-e", calls], &["run", "power.md"]);
    assert!(output.status.success());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture/power.py");
    let opsml = env.command(["status", "power.md", "--format", "json"]);
    let mut power = Command::new("python3");
    power.arg(script).arg(env.path("trace")).arg(env.path(".opsml/power"));
    power.arg(opsml.get_program()).args(opsml.get_args()).current_dir(env.work());
    power.envs(opsml.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = power.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    println!(
        "power loss: {} states after {} writes and syncs, {} steps acknowledged: {} lost, {} not opened",
        figures["states"], figures["calls"], figures["acknowledged"], figures["lost"], figures["unopened"]
    );
    assert!(figures["states"].as_u64().unwrap() > 100 && figures["acknowledged"] == STEPS, "{figures}");
    assert_eq!((&figures["lost"], &figures["unopened"]), (&Value::from(0), &Value::from(0)));
}

/// This machine's clock is a day off, or jumps by a day while a step runs.
#[test]
fn the_clock_is_wrong() {
    if !has(FAKETIME, "clock") {
        return;
    }
    for (first, then) in [("+1d", "+1d"), ("-1d", "-1d"), ("+0", "+1d"), ("+0", "-1d")] {
        let env = with_keys();
        let clock = env.write("clock", first);
        let off = |arguments: &[&str]| {
            let mut command = env.command(arguments);
            command.env("LD_PRELOAD", FAKETIME).env("FAKETIME_TIMESTAMP_FILE", &clock);
            command.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1");
            command
        };
        let output = std::fs::File::create(env.path("said.txt")).unwrap();
        let mut run = off(&["run", "whole.md"]);
        let mut run = run.stderr(output.try_clone().unwrap()).stdout(output).spawn().unwrap();
        super::env::wait_for("the training job", || {
            env.read("said.txt").contains("created training job").then_some(())
        });
        // Written beside and renamed, so that it is never empty.
        std::fs::rename(env.write("clock.new", then), &clock).unwrap();
        assert!(run.wait().unwrap().success(), "{first} {then}\n{}", env.read("said.txt"));
        let again = off(&["run", "whole.md"]).output().unwrap();
        assert!(String::from_utf8_lossy(&again.stdout).contains("nothing to do"), "{first} {then}");
        nothing_is_stale(&env, &[], "clock");
        let duplicates = duplicates(&env);
        let down = off(&["down", "whole.md"]).output().unwrap();
        assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
        println!(
            "clock {first}, then {then}: done, {duplicates} duplicates, {} left after down",
            super::left(&env)
        );
        assert_eq!((duplicates, super::left(&env)), (0, 0));
    }
}

/// The worker is killed after its second epoch: the job fails with its reason, and the next one does not learn those again.
#[test]
fn the_worker_is_killed() {
    let env = real("checkpoint_s3_uri: \"{{ bucket.uri }}/checkpoints\"");
    let worker = worker();
    let killer = format!(
        "#!/bin/sh\nkept=$SAGEMAKER_BASE_DIR/checkpoints/epoch-000002.safetensors\n\
         [ \"$1\" = train ] && [ ! -e \"$kept\" ] || exec {worker} \"$@\"\n\
         {worker} \"$@\" & until [ -e \"$kept\" ]; do sleep 0.01; done\n\
         kill -9 $!; wait $!; exit 137\n",
        worker = worker.display(),
    );
    let env = with_worker(env, &killer);
    env.opsml(["run", "real.md"]).code(1).complains("AlgorithmError");
    env.opsml(["run", "real.md"]).code(0);
    let log = env.opsml(["logs", "real.md", "train"]).code(0).stdout;
    let epochs =
        log.split("resumed_epochs=").last().and_then(|rest| rest.split(';').next()?.parse::<u32>().ok());
    println!("worker killed after epoch 2: the next job resumed after {epochs:?}");
    assert!(epochs >= Some(2), "{log}");
}

/// The worker may have less memory than it needs.
#[test]
fn the_worker_runs_out_of_memory() {
    let limited = format!("#!/bin/sh\nulimit -v 400000\nexec {} \"$@\"\n", worker().display());
    let env = with_worker(real(""), &limited);
    let failed = env.opsml(["run", "real.md"]).code(1).complains("AlgorithmError");
    let reason = failed.stderr.lines().find(|line| line.contains("AlgorithmError")).unwrap_or_default();
    println!("worker without memory: {}", reason.chars().take(150).collect::<String>());
    write_worker(&env, &format!("#!/bin/sh\nexec {} \"$@\"\n", worker().display()));
    env.opsml(["run", "real.md"]).code(0);
}

fn worker() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_opsml")).with_file_name("opsml-worker")
}

fn with_worker(env: Env, script: &str) -> Env {
    let path = write_worker(&env, script);
    env.with("OPSML_WORKER", path)
}

fn write_worker(env: &Env, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = env.write("worker.sh", script);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Returns an environment with a runbook that trains four epochs on tiny images, with one more line in its step.
fn real(line: &str) -> Env {
    let env = Env::new();
    env.images("images", ["bright", "dark"], 4);
    env.write("real.md", include_str!("real.md").replace("LINE", line));
    env
}
