//! A server in a process of its own. It is found, replaced, killed and stopped.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use local_cloud::folder::{Record, start_time};
use local_cloud::lifecycle::{Error, LOG_FILE, Running, find, serve, start, stop};
use local_cloud::{Settings, iam};
use rustix::process::Signal;

use super::{python, wait_for};

const DIR: &str = "LOCAL_CLOUD_TEST_DIR";
const IDLE_MS: &str = "LOCAL_CLOUD_TEST_IDLE_MS";
const PORT: &str = "LOCAL_CLOUD_TEST_PORT";

/// The tests below start this executable with this test's name. Then it runs the server; otherwise it does nothing.
#[test]
fn server_process() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let mut settings = Settings::new(dir);
    settings.detached = true;
    settings.port = std::env::var(PORT).ok().map(|port| port.parse().unwrap());
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
    start(dir, None, command(dir)).unwrap()
}

fn started_at(dir: &Path, port: u16) -> Result<Running, Error> {
    let mut command = command(dir);
    command.env(PORT, port.to_string());
    start(dir, Some(port), command)
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
    let refused = serve(Settings::new(dir)).unwrap_err();
    assert!(matches!(refused, Error::Held { .. }), "{refused}");
    let holder = format!("process {} already serves", first.record.pid);
    assert!(refused.to_string().contains(&holder), "{refused}");
    let role =
        "iam.create_role(RoleName='r', AssumeRolePolicyDocument=trust({'Service': 'x.amazonaws.com'}))";
    python(&first.record.endpoint(), &first.keys, dir, role);

    first.record.signal(Signal::KILL);
    wait_for(|| find(dir).unwrap().is_none().then_some(()));
    assert!(Record::read(dir).is_some(), "a killed server leaves its record behind");
    let second = started(dir);
    assert_ne!(second.record.pid, first.record.pid);
    assert_eq!(second.keys, first.keys);
    assert_eq!((second.record.port, second.kept_port), (first.record.port, Some(first.record.port)));
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
fn a_port_is_kept_until_another_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let port = started(dir).record.port;
    assert!(stop(dir).unwrap());

    let other = wait_for(|| TcpListener::bind(("127.0.0.1", port)).ok());
    let elsewhere = started(dir);
    assert_ne!(elsewhere.record.port, port);
    assert_eq!(elsewhere.kept_port, Some(port));
    python(&elsewhere.record.endpoint(), &elsewhere.keys, dir, "iam.list_users()");
    assert!(stop(dir).unwrap());
    let refused = started_at(dir, port).unwrap_err().to_string();
    // This server's log has errors in their debug form.
    assert!(refused.contains(&format!("PortTaken({port})")), "{refused}");

    drop(other);
    assert_eq!(started(dir).record.port, port);
    let wanted = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let refused = started_at(dir, wanted).unwrap_err();
    assert!(matches!(refused, Error::OtherPort { port: running, .. } if running == port), "{refused}");
    assert!(stop(dir).unwrap());
    for running in [started_at(dir, wanted).unwrap(), started_at(dir, wanted).unwrap(), started(dir)] {
        assert_eq!((running.record.port, running.kept_port), (wanted, Some(wanted)));
    }
    assert!(stop(dir).unwrap());
    assert_eq!(started(dir).record.port, wanted);
    assert!(stop(dir).unwrap());
}

/// The lock is the operating system's. A process id means another process there, or none.
#[test]
fn a_server_in_another_pid_namespace_is_neither_replaced_nor_killed() {
    let inside = |command: &Command| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        unshare.arg(command.get_program()).args(command.get_args());
        unshare.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        unshare
    };
    let probe = inside(&Command::new("true")).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: no PID namespaces here: {probe:?}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    // A server inside, and clients outside.
    let mut server = inside(&command(dir)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let running = wait_for(|| find(dir).unwrap());
    assert_eq!(started(dir), running);
    let refused = serve(Settings::new(dir)).unwrap_err();
    assert!(matches!(refused, Error::Held { .. }), "{refused}");
    assert!(refused.to_string().contains("of another PID namespace"), "{refused}");
    Record { build: "another".to_owned(), ..running.record.clone() }.write(dir).unwrap();
    for refused in [start(dir, None, command(dir)).unwrap_err(), stop(dir).unwrap_err()] {
        assert!(matches!(refused, Error::Elsewhere { .. }), "{refused}");
        assert!(refused.way_out().unwrap().contains("stop it there"), "{refused}");
    }
    assert!(server.try_wait().unwrap().is_none());
    server.kill().unwrap();
    server.wait().unwrap();
    wait_for(|| find(dir).unwrap().is_none().then_some(()));

    // A server outside, and one that would take its place inside.
    let running = started(dir);
    let output = inside(&command(dir)).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("Held"), "{said}");
    assert_eq!(find(dir).unwrap(), Some(running));
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
    let running = start(dir, None, idle).unwrap();
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
    let message = start(dir, None, command(dir)).unwrap_err().to_string();
    assert!(message.contains("did not start") && message.contains(LOG_FILE), "{message}");
    assert!(message.contains("file is not a database"), "{message}");
}
