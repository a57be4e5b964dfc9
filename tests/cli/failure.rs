//! Failures, and what the user is shown: the cause, the place, what to do, and the exit code.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::crash::executable;
use crate::env::{Env, mutating};
use crate::small::{small, small_with, through};

/// Returns a block of a `command` step that runs `sh -c`.
fn command(id: &str, script: &str, more: &str) -> String {
    format!("```opsml {id}\ncommand:\n  run: [sh, -c, '{script}']\n{more}```\n")
}

#[test]
fn a_role_that_may_not_read_the_bucket() {
    let runbook = through("train");
    let start = runbook.find("  allow:\n").unwrap();
    let end = start + runbook[start..].find("```").unwrap();
    let env =
        small_with(&format!("{}  service: sagemaker.amazonaws.com\n{}", &runbook[..start], &runbook[end..]));
    let denied = "is not authorized to perform: s3:ListBucket on resource";
    env.opsml(["run", "small.md"])
        .code(1)
        .says(denied)
        .complains(denied)
        .complains("step `train` (small.md:");
    env.opsml(["status", "small.md"]).code(0).says(denied);
    // Once the role has the permissions, the next run continues where this one stopped.
    env.write("small.md", through("role"));
    env.opsml(["run", "small.md"]).code(0).says("▶ role (role): changed: allow");
}

#[test]
fn expectations() {
    let env = Env::new();
    env.write("a.md", command("a", "echo 3", "expect: [\"stdout == '4'\"]\n"));
    env.opsml(["run", "a.md"]).code(4).complains("`stdout == '4'` does not hold (stdout is \"3\")");
    env.write("a.md", command("a", "exit 3", "expect_error: Command\n") + "{{ a.error.message }}\n");
    env.opsml(["run", "a.md"]).code(0).says("failed as expected");
    env.opsml(["run", "a.md"]).code(0).says("nothing to do");
    env.write("a.md", command("a", "exit 3", "expect_error: AccessDenied\n"));
    env.opsml(["run", "a.md"]).code(4).complains("must fail with AccessDenied, and failed with Command");
    env.write("a.md", command("a", "exit 0", "expect_error: Command\n"));
    env.opsml(["run", "a.md"]).code(4).complains("and it succeeded");
    env.write("a.md", command("a", "test -e there || { touch there; exit 1; }", "retry: 1\n"));
    env.opsml(["run", "a.md"]).code(0).says("retry 1");
    env.write("a.md", command("a", "while [ -e there ]; do sleep 0.02; done", "timeout: 1s\n"));
    env.opsml(["run", "a.md"]).code(1).complains("was not done after 1 s");
}

#[test]
fn a_dataset_that_is_wrong_is_refused_by_name() {
    type Spoil = fn(&Env);
    let cases: [(&str, Spoil); 6] = [
        ("train/dark/1.png is not an image that can be read", |env| {
            drop(env.write("images/train/dark/1.png", "no image"))
        }),
        ("test/bright/0.png is not an image that can be read: it is cut off", |env| {
            let whole = std::fs::read(env.path("images/test/bright/0.png")).unwrap();
            env.write("images/test/bright/0.png", &whole[..whole.len() / 2]);
        }),
        ("the class train/empty has no image", |env| {
            for split in ["train", "valid", "test"] {
                std::fs::create_dir(env.path("images").join(split).join("empty")).unwrap();
            }
        }),
        ("there is no test/", |env| std::fs::remove_dir_all(env.path("images/test")).unwrap()),
        ("the class `dark` is in train/ and not in valid/", |env| {
            std::fs::remove_dir_all(env.path("images/valid/dark")).unwrap()
        }),
        ("link.png: is a link", |env| {
            std::os::unix::fs::symlink("/etc/passwd", env.path("images/train/dark/link.png")).unwrap();
        }),
    ];
    for (message, spoil) in cases {
        let env = small_with(&through("data"));
        spoil(&env);
        env.opsml(["run", "small.md"]).code(1).complains(message);
        let (_, calls) = env.calls(0);
        assert_eq!(mutating(&calls), [""; 0]);
    }
    let env = small_with(&through("data").replace("source: images", "source: ../secret"));
    env.opsml(["run", "small.md"]).code(2).complains("leads out of the runbook's folder");
}

#[test]
fn a_hostile_archive_is_refused_and_leaves_nothing() {
    let plain = SimpleFileOptions::default();
    type Fill = fn(&mut ZipWriter<File>, SimpleFileOptions);
    let cases: [(&str, Fill); 4] = [
        ("the entry `../evil.png` leads out of the archive", |zip, plain| {
            zip.start_file("../evil.png", plain).unwrap()
        }),
        ("the entry `/evil.png` leads out of the archive", |zip, plain| {
            zip.start_file("/evil.png", plain).unwrap()
        }),
        ("the entry `train/a/link` is neither a file nor a folder", |zip, plain| {
            zip.add_symlink("train/a/link", "/etc/passwd", plain).unwrap();
        }),
        ("the entry `train/a/bomb.png` unpacks to more than", |zip, plain| {
            zip.start_file("train/a/bomb.png", plain).unwrap();
            zip.write_all(&vec![0; 64 << 20]).unwrap();
        }),
    ];
    for (message, fill) in cases {
        let env = small_with(&through("data").replace("source: images", "source: images.zip"));
        let mut zip = ZipWriter::new(File::create(env.path("images.zip")).unwrap());
        fill(&mut zip, plain);
        zip.finish().unwrap();
        env.opsml(["run", "small.md"]).code(1).complains(message).complains("images.zip");
        let cache = env.path(".opsml/cache");
        let left: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(
            left.is_empty() && !env.path("evil.png").exists() && !Path::new("/evil.png").exists(),
            "{left:?}"
        );
    }
}

/// Runs the small runbook up to training, with this script as the worker. Returns the output of the run, which fails.
fn with_worker(script: &str) -> (Env, crate::env::Ran) {
    let env = small_with(&through("train"));
    let worker = env.write("worker.sh", format!("#!/bin/sh\n{script}\n"));
    executable(&worker);
    let env = env.with("OPSML_WORKER", worker);
    let ran = env.opsml(["run", "small.md"]).code(1);
    (env, ran)
}

#[test]
fn a_worker_that_dies() {
    let (env, ran) = with_worker("echo out of ideas; exit 3");
    ran.complains("AlgorithmError").complains("out of ideas, exit code: 3");
    env.opsml(["logs", "small.md", "train"]).code(0).says("out of ideas");
    let (_, ran) = with_worker("kill -9 $$");
    ran.complains("killed by SIGKILL").complains("run out of memory").complains("exit code: 137");
    let (_, ran) = with_worker(
        "echo 'opsml-worker: error while loading shared libraries: libtorch_cpu.so: cannot open shared object file' >&2; exit 127",
    );
    ran.complains("libtorch_cpu.so").complains("run `make`, or set LIBTORCH");
    let env = small_with(&through("train")).with("OPSML_WORKER", "/nonexistent/worker");
    env.opsml(["run", "small.md"])
        .code(1)
        .complains("could not start the worker /nonexistent/worker")
        .complains("make");
}

#[test]
fn a_journal_of_a_newer_or_damaged_version() {
    let env = small_with(&command("a", "echo 1", ""));
    env.opsml(["run", "small.md"]).code(0);
    let journal = env.journal("small");
    let change = |sql: &str| Connection::open(&journal).unwrap().execute_batch(sql).unwrap();
    change("PRAGMA user_version = 99");
    for verb in ["run", "plan", "status", "down", "report"] {
        env.opsml([verb, "small.md"]).code(1).complains("written by a newer opsml (format 99");
    }
    change("PRAGMA user_version = 2; UPDATE events SET body = replace(body, 'echo', 'eval') WHERE seq = 3");
    env.opsml(["run", "small.md"]).code(1).complains("is damaged at event 3");
}

/// Unmounts when dropped.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // An error is ignored: the folder is a temporary one.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_the_run_before_its_next_call() {
    let fill = "[ -e full ] || head -c 2000000 /dev/zero > .opsml/fill; touch full; true";
    let env = small_with(
        &(command("fills", fill, "")
            + &command("then", "echo then >> then", "")
            + "```opsml last\nbucket: {}\n```\n"),
    );
    let state = env.path(".opsml");
    std::fs::create_dir(&state).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&state).output().unwrap();
    if !mounted.status.success() {
        eprintln!("SKIPPED: a full disk needs a small tmpfs: {}", String::from_utf8_lossy(&mounted.stderr));
        return;
    }
    let _mounted = Mounted(state);
    env.opsml(["run", "small.md"]).code(1).complains("full").complains("make room");
    assert!(env.path("full").exists() && !env.path("then").exists());
    let (_, calls) = env.calls(0);
    assert_eq!(mutating(&calls), [""; 0]);
    // Nor does a run start whose end couldn't be written to the journal.
    env.opsml(["run", "small.md"]).code(1).complains("make room");
    std::fs::remove_file(env.path(".opsml/fill")).unwrap();
    env.opsml(["run", "small.md"]).code(0).says("▶ fills (command): was interrupted");
    assert_eq!(env.read("then"), "then\n");
    env.opsml(["run", "small.md"]).code(0).says("nothing to do");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let env = small();
    env.python("import boto3; boto3.client('s3').create_bucket(Bucket='taken')");
    env.write("small.md", "```opsml bucket\nbucket:\n  name: taken\n```\n");
    env.opsml(["run", "small.md"]).code(1).complains("bucket taken exists already").complains("existing:");
    env.write("small.md", "```opsml bucket\nbucket:\n  existing: taken\n```\n");
    env.opsml(["run", "small.md"]).code(0).says("s3://taken");
    env.opsml(["down", "small.md"]).code(0);
    assert_eq!(env.account()["buckets"], serde_json::json!(["taken"]));
}
