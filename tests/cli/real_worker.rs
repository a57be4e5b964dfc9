//! boto3 makes the calls that the engine makes, with the real worker. The server is killed in between.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cloud::{Cloud, text};

fn python(cloud: &Cloud, call: &str) -> String {
    let code = format!("{}\n{call}", include_str!("real_worker.py"));
    text(cloud.python().args(["-c", &code]).output().unwrap())
}

/// Returns the processes whose working folder lies below `folder`.
fn processes_below(folder: &Path) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let below = all.filter(|entry| {
        let variables = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let mut named =
            variables.split(|byte| *byte == 0).filter_map(|each| each.strip_prefix(b"OPSML_INSTANCE_DIR="));
        named.any(|dir| Path::new(OsStr::from_bytes(dir)).starts_with(folder))
    });
    below.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn boto3_trains_serves_and_outlives_a_killed_server() {
    let mut cloud = Cloud::start();
    cloud.images();
    python(&cloud, "trains_and_serves()");

    python(&cloud, "starts_a_long_job()");
    let jobs = cloud.dir.path().join("cloud/training-jobs");
    let endpoints = cloud.dir.path().join("cloud/endpoints");
    let (trains, serves) = (processes_below(&jobs), processes_below(&endpoints));
    assert!(!trains.is_empty() && !serves.is_empty(), "{trains:?} {serves:?}");
    let pid = cloud.pid();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    wait_for("the server is gone", || !Path::new(&format!("/proc/{pid}/cwd")).exists());

    cloud.read_env();
    assert_ne!(cloud.pid(), pid);
    python(&cloud, "finds_the_job_failed_and_the_endpoint_in_service()");
    let left = processes_below(cloud.dir.path());
    assert!(!left.iter().any(|pid| trains.contains(pid) || serves.contains(pid)), "{left:?}");

    python(&cloud, "deletes_it_all()");
    wait_for("all workers have ended", || {
        processes_below(&jobs).is_empty() && processes_below(&endpoints).is_empty()
    });
}
