//! What takes too long for `make test`: each fault at each call that changes something, over a runbook with nearly every kind
//! of step. Each test prints a line with its figures. `make torture` runs them, one after the other.
//!
//! A sweep is one long life of a stack: the fault strikes at the first call that may change something, the run is repeated, the
//! fault strikes at the next such call, and so on until a run is done. So each fault also strikes what resumes after the others.

#[path = "../cli/env.rs"]
#[allow(dead_code)]
mod env;
#[path = "../cli/everything.rs"]
mod everything;
mod machine;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use env::Env;
use everything::{nothing_is_stale, whole};

/// A proxy in front of the local cloud of an environment.
struct Proxy {
    child: Child,
    url: String,
}

impl Proxy {
    fn start(env: &Env, fault: &str) -> Self {
        let exports = env.opsml(["cloud", "env"]).code(0).stdout;
        let to = exports.lines().find_map(|line| line.strip_prefix("export AWS_ENDPOINT_URL=")).unwrap();
        env.write("pids", "");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture/proxy.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args(["--to", to, "--fault", fault, "--pids"])
            .arg(env.path("pids"))
            .arg("--record")
            .arg(env.path("record"))
            .env("PYTHONPATH", std::env::var_os("OPSML_TEST_PYTHONPATH").expect("`make torture` sets it"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns an environment whose commands have the keys of its local cloud.
fn with_keys() -> Env {
    let mut env = whole();
    let exports = env.opsml(["cloud", "env"]).code(0).stdout;
    for line in exports.lines() {
        let (name, value) = line.trim_start_matches("export ").split_once('=').unwrap();
        if name != "AWS_ENDPOINT_URL" {
            env = env.with(name, value);
        }
    }
    env
}

/// How many of each kind a stack has: no more were made, and none is left from an attempt.
fn duplicates(env: &Env) -> usize {
    let account = env.account();
    let expected = BTreeMap::from([
        ("buckets", 1),
        ("roles", 3),
        ("tuning_jobs", 1),
        ("models", 1),
        ("configs", 1),
        ("endpoints", 1),
        ("instances", 0),
        ("key_pairs", 0),
        ("security_groups", 0),
    ]);
    let count = |kind: &str| account[kind].as_array().unwrap().len();
    let more = expected.iter().map(|(kind, number)| count(kind).abs_diff(*number)).sum::<usize>();
    let trained = account["live_jobs"].as_array().unwrap().iter();
    let trained = trained.filter(|name| name.as_str().unwrap().starts_with("whole-train-")).count();
    if more + trained != 1 {
        println!("{account:#}");
    }
    more + trained.abs_diff(1)
}

fn left(env: &Env) -> usize {
    let account = env.account();
    let left: usize = account.as_object().unwrap().values().map(|kind| kind.as_array().unwrap().len()).sum();
    if left > 0 {
        println!("{account:#}");
    }
    left
}

/// Returns what the proxy has recorded.
fn record(env: &Env) -> Vec<Value> {
    env.read("record").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns how often a flipped bit was not noticed: the call succeeded, or the object was not read again.
fn undetected(calls: &[Value]) -> usize {
    let accepted = calls.iter().filter(|call| call["fault"] == "undetected").count();
    let objects = calls.iter().enumerate().filter(|(_, call)| call["fault"] == "corrupt-object");
    let kept =
        objects.filter(|(at, call)| !calls[at + 1..].iter().any(|later| later["path"] == call["path"]));
    accepted + kept.count()
}

/// Waits until the calls that the proxy has held back have arrived.
fn until_all_have_arrived(env: &Env) {
    env::wait_for("what arrives late", || {
        let record = env.read("record");
        let count = |fault: &str| record.lines().filter(|line| line.contains(fault)).count();
        (count("\"fault\": \"late\"") <= count("\"fault\": \"arrived\"")).then_some(())
    });
}

/// Runs the runbook until it is done, and tears it down; a fault strikes at each new call.
fn sweep(fault: &str) {
    const RUNS: usize = 400;
    let env = with_keys();
    let proxy = Proxy::start(&env, fault);
    let target = ["--target", proxy.url.as_str()];
    let start = Instant::now();
    let repeat = |verb: &str, done: &dyn Fn(i32) -> bool| {
        for runs in 1..=RUNS {
            env.write("pids", "");
            let mut run = env.start([&[verb, "whole.md"], &target[..]].concat(), "said.txt");
            env.write("pids", run.id().to_string());
            if done(run.wait()) {
                return runs;
            }
        }
        panic!("{fault}: {verb} was not done after {RUNS} runs\n{}", env.read("said.txt"));
    };
    // Whoever's credentials have expired is told so, by the code for what another run continues.
    let paused = |code| fault != "expired" || code == 3 || panic!("{code}: {}", env.read("said.txt"));
    let runs = repeat("run", &|code| code == 0 || !paused(code));
    let took = start.elapsed().as_secs();
    until_all_have_arrived(&env);
    // What arrived after the last run is cleared away by the next.
    let again = [&["run", "whole.md"], &target[..]].concat();
    if fault == "late" {
        env.opsml(&again).code(0);
    }
    env.opsml(&again).code(0).says("nothing to do");
    let duplicates = duplicates(&env);
    nothing_is_stale(&env, &target, fault);
    let downs = repeat("down", &|code| code == 0);
    let calls = record(&env);
    let struck = calls.iter().filter(|call| call["fault"] == fault).count();
    until_all_have_arrived(&env);
    let (left, undetected) = (left(&env), undetected(&calls));
    println!(
        "{fault}: at {struck} calls, {runs} runs and {downs} downs in {took} s: {duplicates} duplicates, {left} left after \
         down, 0 stuck, 0 stale, {undetected} undetected"
    );
    assert_eq!((duplicates, left, undetected), (0, 0, 0), "{fault}");
    // A run reads few objects.
    let least = if fault == "corrupt-object" { 0 } else { 50 };
    assert!(struck > least, "{fault} struck at {struck} calls alone");
}

macro_rules! sweeps {
    ($($name:ident: $fault:literal),* $(,)?) => {$(
        #[test]
        fn $name() {
            sweep($fault);
        }
    )*};
}

sweeps!(
    killed_before_each_call: "kill-before",
    killed_after_each_call: "kill-after",
    each_reply_is_lost: "lost-reply",
    no_call_arrives_at_first: "not-sent",
    each_call_arrives_late: "late",
    each_call_arrives_twice: "twice",
    each_reply_is_of_another_protocol: "html",
    each_reply_is_cut: "cut",
    each_call_is_throttled: "throttle",
    the_credentials_expire_at_each_call: "expired",
    each_call_is_corrupted: "corrupt",
    each_object_is_corrupted: "corrupt-object",
);

/// A role can be assumed 30 seconds after it was made, and an endpoint config is seen after five.
#[test]
fn what_was_made_is_not_seen_at_once() {
    let env = with_keys();
    let proxy = Proxy::start(&env, "unseen");
    let target = ["--target", proxy.url.as_str()];
    env.opsml([&["run", "whole.md"], &target[..]].concat()).code(0);
    let calls = record(&env);
    let of = |fault: &str| calls.iter().filter(|call| call["fault"] == fault).collect::<Vec<_>>();
    let past = of("seen").iter().filter_map(|call| call["seconds"].as_f64()).fold(0.0, f64::max);
    let (refused, duplicates) = (of("refused").len(), duplicates(&env));
    println!(
        "unseen: {refused} calls refused, done at most {past} s past readiness, {duplicates} duplicates"
    );
    assert!(refused > 5 && duplicates == 0);
    nothing_is_stale(&env, &target, "unseen");
}

/// After Ctrl-C, no call that creates follows the one under way.
#[test]
fn interrupted_at_each_call() {
    let env = with_keys();
    let proxy = Proxy::start(&env, "interrupt");
    let target = ["--target", proxy.url.as_str()];
    let (mut runs, mut followed) = (0, 0);
    loop {
        runs += 1;
        assert!(runs < 400, "stuck\n{}", env.read("said.txt"));
        env.write("pids", "");
        let before = std::fs::read_to_string(env.path("record")).unwrap_or_default().lines().count();
        let mut run = env.start([&["run", "whole.md"], &target[..]].concat(), "said.txt");
        env.write("pids", run.id().to_string());
        let code = run.wait();
        let calls = record(&env).split_off(before);
        let after = calls.iter().skip_while(|call| call["fault"] != "interrupt").skip(1);
        let ends = ["Delete", "Terminate", "Stop", "Detach", "Deregister", "Remove"];
        let creating: Vec<&Value> = after
            .filter(|call| !ends.iter().any(|verb| call["operation"].as_str().unwrap().starts_with(verb)))
            .collect();
        // Uploads run in parallel: those that have left already arrive.
        let parallel = creating.iter().filter(|call| call["operation"] == "PutObject").count();
        followed += creating.len() - parallel;
        if creating.len() > parallel {
            println!("{creating:?}");
        }
        if code == 0 {
            break;
        }
        assert_eq!(code, 3, "{}", env.read("said.txt"));
    }
    println!(
        "interrupt: {runs} runs, {followed} creating calls after Ctrl-C, {} duplicates",
        duplicates(&env)
    );
    nothing_is_stale(&env, &target, "interrupt");
    assert_eq!((followed, duplicates(&env)), (0, 0));
}

/// Of two runs at once, one wins; the other says who, and ends with 7. A reader never finds a damaged journal.
#[test]
fn two_runs_at_once() {
    const PAIRS: usize = 1000;
    let env = Env::new();
    env.write("two.md", "---\nparams: {n: {default: \"0\"}}\n---\n```opsml a\ncommand: {run: [sleep, \"0.4\"], env: {N: \"{{ params.n }}\"}}\n```\n");
    env.opsml(["cloud", "start"]).code(0);
    let (mut lost, mut wrong) = (0, 0);
    for pair in 1..=PAIRS {
        let n = format!("n={pair}");
        let start = |output: &str| env.start(["run", "two.md", "-p", &n], output);
        let (mut first, mut second) = (start("first.txt"), start("second.txt"));
        let status = env.opsml(["status", "two.md"]);
        wrong += usize::from(status.stderr.contains("damaged") || status.stderr.contains("locked"));
        let codes = [first.wait(), second.wait()];
        let names = |loser: &env::Started, winner: u32| loser.said().contains(&format!("process {winner}"));
        match codes {
            [0, 7] if names(&second, first.id()) => lost += 1,
            [7, 0] if names(&first, second.id()) => lost += 1,
            _ => {
                wrong += 1;
                println!("{codes:?}\n{}\n{}", first.said(), second.said());
            }
        }
    }
    println!(
        "two runs at once: {PAIRS} pairs, {lost} losers with 7 and the winner's name, {wrong} wrong words"
    );
    assert_eq!((lost, wrong), (PAIRS, 0));
}

/// A run in another PID namespace cannot take the lock, though it sees no process of that id.
#[test]
fn a_run_in_another_namespace_loses() {
    let env = Env::new();
    env.write("two.md", "```opsml a\ncommand: {run: [sleep, \"5\"]}\n```\n");
    env.opsml(["cloud", "start"]).code(0);
    let mut first = env.start(["run", "two.md"], "first.txt");
    assert!(first.wait_for("▶ a"), "{}", first.said());
    let run = env.command(["run", "two.md"]);
    let mut elsewhere = Command::new("unshare");
    elsewhere.args(["--pid", "--fork"]).arg(run.get_program()).args(run.get_args());
    elsewhere.current_dir(env.work());
    elsewhere.env_clear().envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = elsewhere.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("unshare failed") {
        println!("SKIPPED: this kernel allows no PID namespace");
        return;
    }
    assert_eq!(output.status.code(), Some(7), "{said}");
    println!("a run in another PID namespace: loses with 7");
    assert_eq!(first.wait(), 0, "{}", first.said());
}

/// The local cloud is killed at each call and started again: the runbook goes on.
#[test]
fn the_cloud_is_killed_at_each_call() {
    let env = with_keys();
    let proxy = Proxy::start(&env, "kill-after");
    let target = ["--target", proxy.url.as_str()];
    let cloud = || -> String {
        let status = env.opsml(["cloud", "start"]).code(0);
        drop(status);
        let status = env.opsml(["cloud", "status", "--format", "json"]).code(0).stdout;
        serde_json::from_str::<Value>(&status).unwrap()["running"]["pid"].to_string()
    };
    let start = Instant::now();
    let mut runs = 0;
    loop {
        runs += 1;
        assert!(runs < 400, "stuck\n{}", env.read("said.txt"));
        env.write("pids", cloud());
        let mut run = env.start([&["run", "whole.md"], &target[..]].concat(), "said.txt");
        if run.wait() == 0 {
            break;
        }
    }
    nothing_is_stale(&env, &target, "the cloud was killed");
    let duplicates = duplicates(&env);
    println!(
        "cloud killed: {runs} runs in {} s, {duplicates} duplicates, 0 stuck, 0 stale",
        start.elapsed().as_secs()
    );
    assert_eq!(duplicates, 0);
}
