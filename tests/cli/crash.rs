//! A run is ended by SIGKILL or Ctrl-C at any moment. The next run continues, and creates nothing twice.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;

use crate::env::{Env, cores, wait_for};
use crate::small::{small, small_with, through};

/// Asserts that the finished small run has left one resource of each kind.
#[track_caller]
fn one_of_each(env: &Env) {
    let account = env.account();
    for kind in ["buckets", "roles", "jobs", "live_jobs", "models", "configs", "endpoints"] {
        assert_eq!(account[kind].as_array().unwrap().len(), 1, "{kind}: {account}");
    }
}

#[test]
fn killed_at_any_moment_it_goes_on() {
    const KILLS: u32 = 6;
    let _cores = cores();
    let env = small();
    env.opsml(["cloud", "start"]).code(0);
    let start = Instant::now();
    env.opsml(["run", "small.md"]).code(0);
    let whole = start.elapsed();
    // One moment in each sixth of a run, so that no part is left out.
    let mut random = StdRng::seed_from_u64(11);
    for part in 0..KILLS {
        env.opsml(["down", "small.md"]).code(0);
        let moment = whole.mul_f64((f64::from(part) + random.random::<f64>()) / f64::from(KILLS));
        let start = Instant::now();
        let mut run = env.start(["run", "small.md"], "killed.txt");
        wait_for("the moment", || (start.elapsed() >= moment || run.ended().is_some()).then_some(()));
        run.kill();
        let said = env.opsml(["run", "small.md"]);
        assert_eq!(
            said.code,
            0,
            "killed at {moment:?} after\n{}\nthen\n{}\n{}",
            run.said(),
            said.stdout,
            said.stderr
        );
        one_of_each(&env);
    }
    env.opsml(["run", "small.md"]).code(0).says("nothing to do");
}

/// Each run is killed as soon as it has created one more resource.
#[test]
fn killed_after_each_thing_it_made() {
    let _cores = cores();
    let env = small();
    for made in ["bucket", "role", "training job", "model", "endpoint config", "endpoint"] {
        // The run before may have created it before the signal arrived. An intent alone doesn't count.
        let is_made =
            |line: &str| line.starts_with(&format!("{made} small-")) && !line.contains(": Intended ");
        let made_already = ["bucket", "role", "train", "deploy"]
            .iter()
            .any(|step| env.opsml(["show", "small.md", step]).stdout.lines().any(is_made));
        if !made_already {
            let mut run = env.start(["run", "small.md"], "killed.txt");
            // It is adopted if the run before was killed after creating it and before recording that.
            let is_printed = |said: &str| {
                ["created", "adopted"].iter().any(|did| said.contains(&format!("{did} {made} small-")))
            };
            wait_for(made, || (is_printed(&run.said()) || run.ended().is_some()).then_some(()));
            assert!(is_printed(&run.said()), "{made}:\n{}", run.said());
            run.kill();
        }
        // The journal has what was printed, so no later run creates it again.
        env.opsml(["status", "small.md"]).code(0).says(&format!("{made} small-"));
    }
    let ran = env.opsml(["run", "small.md"]).code(0);
    assert!(!ran.stdout.contains("created "), "{}", ran.stdout);
    one_of_each(&env);
}

/// Returns an environment whose worker trains as long as the file `hold` exists, and the path of that file.
fn holding() -> (Env, std::path::PathBuf) {
    let env = small_with(
        &through("train").replace("expect:\n  - metrics.test_accuracy >= 0\n  - classes | length == 2\n", ""),
    );
    let hold = env.write("hold", "");
    let script = format!("#!/bin/sh\necho holding\nwhile [ -e {} ]; do sleep 0.02; done\n", hold.display());
    let worker = env.write("worker.sh", script);
    executable(&worker);
    (env.with("OPSML_WORKER", &worker), hold)
}

pub fn executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn ctrl_c_leaves_the_job_running_and_the_next_run_waits_for_it() {
    let (env, hold) = holding();
    let mut run = env.start(["run", "small.md"], "interrupted.txt");
    assert!(run.wait_for("created training job"), "{}", run.said());
    run.interrupt();
    assert_eq!(run.wait(), 3, "{}", run.said());
    assert!(run.said().contains("continue with: opsml run small.md"), "{}", run.said());
    let before = env.account();
    assert_eq!(before["live_jobs"].as_array().unwrap().len(), 1);

    std::fs::remove_file(hold).unwrap();
    let again = env.opsml(["run", "small.md"]).code(0).says("▶ train (train): was interrupted");
    assert!(!again.stdout.contains("created training job"), "{}", again.stdout);
    assert_eq!(env.account()["jobs"], before["jobs"]);
}

#[test]
fn two_runs_at_once() {
    let (env, hold) = holding();
    let mut run = env.start(["run", "small.md"], "first.txt");
    assert!(run.wait_for("created training job"), "{}", run.said());
    for verb in ["run", "down"] {
        env.opsml([verb, "small.md"]).code(7).complains(&format!("process {}", run.id()));
    }
    env.opsml(["status", "small.md"]).code(0).says("training job");
    std::fs::remove_file(hold).unwrap();
    assert_eq!(run.wait(), 0, "{}", run.said());
    assert_eq!(env.account()["jobs"].as_array().unwrap().len(), 1);
}

/// The owner is stopped, loses the journal, and is fenced at its next commit.
#[test]
fn an_owner_that_was_taken_over_commits_nothing_more() {
    let (env, hold) = holding();
    let mut owner = env.start(["run", "small.md"], "owner.txt");
    assert!(owner.wait_for("created training job"), "{}", owner.said());
    owner.signal(Signal::STOP);
    let mut second = env.start(["run", "small.md", "--take-over"], "second.txt");
    assert!(second.wait_for("▶ train (train): was interrupted"), "{}", second.said());
    std::fs::remove_file(hold).unwrap();
    assert_eq!(second.wait(), 0, "{}", second.said());
    let before = env.calls(0).0;
    let events = env.events("small");
    owner.signal(Signal::CONT);
    assert_eq!(owner.wait(), 7, "{}", owner.said());
    assert!(owner.said().contains("another process has taken over this runbook"), "{}", owner.said());
    assert_eq!(env.events("small"), events);
    let (_, calls) = env.calls(before);
    assert_eq!(crate::env::mutating(&calls), [] as [&String; 0]);
    assert_eq!(env.account()["jobs"].as_array().unwrap().len(), 1);
}

/// A failed job can be read until a new one has succeeded. Then it is deleted.
#[test]
fn the_cloud_dies_under_a_job() {
    let (env, hold) = holding();
    let mut run = env.start(["run", "small.md"], "first.txt");
    assert!(run.wait_for("created training job"), "{}", run.said());
    env.opsml(["cloud", "stop"]).code(0);
    let start = Instant::now();
    assert_ne!(run.wait(), 0, "{}", run.said());
    assert!(start.elapsed() < Duration::from_secs(100), "{}", run.said());
    std::fs::remove_file(hold).unwrap();
    env.opsml(["run", "small.md"]).code(0);
    let account = env.account();
    assert_eq!(account["jobs"].as_array().unwrap().len(), 1, "{account}");
}
