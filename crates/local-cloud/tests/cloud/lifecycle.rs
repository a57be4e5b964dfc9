//! A server in a process of its own. It is found, replaced, killed and stopped.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use local_cloud::folder::{Record, start_time};
use local_cloud::lifecycle::{Error, LOG_FILE, Running, find, serve, start, stop};
use local_cloud::{Settings, iam};
use rustix::process::Signal;

use super::{python, wait_for};

const DIR: &str = "LOCAL_CLOUD_TEST_DIR";
const IDLE_MS: &str = "LOCAL_CLOUD_TEST_IDLE_MS";

/// The tests below start this executable with this test's name. Then it runs the server; otherwise it does nothing.
#[test]
fn server_process() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let mut settings = Settings::new(dir);
    settings.detached = true;
    settings.idle_stop =
        std::env::var(IDLE_MS).ok().map(|ms| std::time::Duration::from_millis(ms.parse().unwrap()));
    serve(settings).unwrap();
}

pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "lifecycle::server_process", "--nocapture"]).env(DIR, dir);
    command
}

fn started(dir: &Path) -> Running {
    start(dir, command(dir)).unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_server_is_started_once_and_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let dir = &folder.path().join("deep/cloud");
    assert!(!stop(dir).unwrap());
    let first = started(dir);
    assert_eq!((mode(dir), mode(&dir.join(iam::KEYS_FILE))), (0o700, 0o600));
    assert_eq!(started(dir), first);
    assert_eq!(find(dir).unwrap().as_ref(), Some(&first));
    assert!(matches!(serve(Settings::new(dir)), Err(Error::Held(_))));
    let role =
        "iam.create_role(RoleName='r', AssumeRolePolicyDocument=trust({'Service': 'x.amazonaws.com'}))";
    python(&first.record.endpoint(), &first.keys, dir, role);

    first.record.signal(Signal::KILL);
    wait_for(|| find(dir).unwrap().is_none().then_some(()));
    assert!(Record::read(dir).is_some(), "a killed server leaves its record behind");
    let second = started(dir);
    assert_ne!(second.record.pid, first.record.pid);
    assert_eq!(second.keys, first.keys);
    python(&second.record.endpoint(), &second.keys, dir, "iam.get_role(RoleName='r')");

    assert!(stop(dir).unwrap());
    assert_eq!((find(dir).unwrap(), Record::read(dir)), (None, None));
    assert!(!stop(dir).unwrap());
}

#[test]
fn many_that_start_at_once_find_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let all: Vec<Running> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| started(dir))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().all(|running| *running == all[0]), "{all:?}");
    assert!(stop(dir).unwrap());
}

#[test]
fn another_build_replaces_the_server_on_the_same_state() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let old = started(dir);
    Record { build: "another".to_owned(), ..old.record.clone() }.write(dir).unwrap();
    let new = started(dir);
    assert_ne!(new.record.pid, old.record.pid);
    assert_eq!(new.keys, old.keys);
    assert!(stop(dir).unwrap());
}

#[test]
fn a_pid_used_again_is_left_alone() {
    let mut innocent = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = innocent.id().cast_signed();
    let record = Record {
        pid,
        pid_start: start_time(pid).map(|start| start - 1),
        port: 1,
        region: "us-east-1".to_owned(),
        build: "b".to_owned(),
    };
    record.signal(Signal::KILL);
    assert!(innocent.try_wait().unwrap().is_none());
    Record { pid_start: start_time(pid), ..record }.signal(Signal::KILL);
    assert!(!innocent.wait().unwrap().success());
}

#[test]
fn an_emptied_idle_server_stops_and_a_used_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let run = |on: &Running, code: &str| python(&on.record.endpoint(), &on.keys, dir, code);
    run(&started(dir), "logs.create_log_group(logGroupName='g')");
    assert!(stop(dir).unwrap());

    let mut idle = command(dir);
    idle.env(IDLE_MS, "10");
    let running = start(dir, idle).unwrap();
    // Python takes longer to start than an empty server waits before it stops.
    run(&running, "logs.delete_log_group(logGroupName='g')");
    wait_for(|| find(dir).unwrap().is_none().then_some(()));
}

#[test]
fn a_state_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    std::fs::write(
        dir.join("state.db"),
        "no database, but long enough to be taken for one by its name".repeat(20),
    )
    .unwrap();
    let message = start(dir, command(dir)).unwrap_err().to_string();
    assert!(message.contains("did not start") && message.contains(LOG_FILE), "{message}");
    assert!(message.contains("file is not a database"), "{message}");
}
