//! Child processes. Each runs in a process group of its own, is measured, and is ended together with its descendants.
//!
//! A child is identified by the folder that its environment names, and not only by its process id. So the processes of
//! a dead server are found, even if they have left their group, and no other process is killed.
//!
//! A process may end at any time. One that has ended is skipped.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

use procfs::process::{Process, Stat, all_processes};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The variable that names a child's folder, and so identifies the child.
pub const BASE_DIR: &str = "SAGEMAKER_BASE_DIR";
/// The same for an EC2 instance and for a function's execution environment, whose processes may set [`BASE_DIR`] for
/// children of their own.
pub const INSTANCE_DIR: &str = "OPSML_INSTANCE_DIR";

/// Makes OpenMP's idle threads sleep. By default they spin. That is faster if a process has its cores for itself, and
/// several times slower if processes share them, as instances here do.
pub const WAIT_POLICY: (&str, &str) = ("OMP_WAIT_POLICY", "passive");

/// How often a thread of a training looks for work before it sleeps: for a millisecond, about as long as a kernel of
/// libtorch takes. A thread that sleeps at once must be woken for each of them, a hundred thousand times in an epoch of the
/// sample, which then takes 1.14 times as long.
pub const SPIN_COUNT: (&str, &str) = ("GOMP_SPINCOUNT", "20000");

/// How long [`end`] waits. A process in an uninterruptible system call ends only after the call.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a process group uses at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Resident memory, summed over the group.
    pub memory_bytes: u64,
    /// CPU time spent so far.
    pub cpu: Duration,
}

/// Returns what the group of `leader` uses now.
pub fn usage(leader: u32) -> Usage {
    let mut total = Usage::default();
    for stat in stats().filter(|stat| group(stat) == Some(leader)) {
        total.memory_bytes += memory_bytes(&stat);
        total.cpu += cpu(&stat);
    }
    total
}

/// Returns the resident bytes of every process group.
pub fn memory_by_group() -> HashMap<u32, u64> {
    let mut groups = HashMap::new();
    for stat in stats() {
        if let Some(group) = group(&stat) {
            *groups.entry(group).or_default() += memory_bytes(&stat);
        }
    }
    groups
}

/// Returns the highest resident memory of one process so far, in bytes; 0 if it has ended.
pub fn peak_memory(pid: u32) -> u64 {
    let status = process(pid).and_then(|process| process.status().ok());
    status.and_then(|status| status.vmhwm).unwrap_or_default() << 10
}

/// Returns when a process started, in clock ticks since boot. This distinguishes it from a later process with the same
/// id. None: it has ended.
pub fn start_time(pid: u32) -> Option<u64> {
    Some(process(pid)?.stat().ok()?.starttime)
}

/// Sends a signal to a whole process group. A group that has ended is no error.
pub fn signal_group(leader: u32, signal: Signal) {
    if let Some(pid) = pid_of(leader) {
        let _ = kill_process_group(pid, signal);
    }
}

/// Kills the group of `leader` and every process whose environment names `folder`, and waits at most five seconds until
/// they have ended.
pub async fn end(leader: Option<u32>, folder: &Path) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(leader) = leader {
            signal_group(leader, Signal::KILL);
        }
        let owned = owned_by(folder);
        for pid in owned.iter().filter_map(|pid| pid_of(*pid)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        if owned.is_empty() || Instant::now() > deadline {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Returns the living processes whose environment names `folder`.
pub fn owned_by(folder: &Path) -> Vec<u32> {
    let names_folder = |process: &Process| {
        let variables = process.environ().unwrap_or_default();
        let named = |name: &str| variables.get(OsStr::new(name)).is_some_and(|value| value == folder);
        named(BASE_DIR) || named(INSTANCE_DIR)
    };
    let is_alive = |process: &Process| process.stat().is_ok_and(|stat| stat.state != 'Z');
    let owned = processes().filter(|process| names_folder(process) && is_alive(process));
    owned.filter_map(|process| u32::try_from(process.pid()).ok()).collect()
}

/// Returns the name of a signal that ends processes.
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

fn processes() -> impl Iterator<Item = Process> {
    all_processes().into_iter().flatten().flatten()
}

fn process(pid: u32) -> Option<Process> {
    Process::new(i32::try_from(pid).ok()?).ok()
}

fn stats() -> impl Iterator<Item = Stat> {
    processes().filter_map(|process| process.stat().ok())
}

fn group(stat: &Stat) -> Option<u32> {
    u32::try_from(stat.pgrp).ok()
}

fn memory_bytes(stat: &Stat) -> u64 {
    stat.rss * procfs::page_size()
}

/// Returns the CPU time in user and kernel mode, including that of children that have ended.
fn cpu(stat: &Stat) -> Duration {
    let ended = u64::try_from(stat.cutime + stat.cstime).unwrap_or_default();
    Duration::from_millis((stat.utime + stat.stime + ended) * 1000 / procfs::ticks_per_second())
}

fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn ends_a_process_that_left_its_group() {
        let dir = tempfile::tempdir().unwrap();
        // `setsid` leaves the group, the parent exits at once.
        let mut child = Command::new("sh")
            .args(["-c", "setsid sleep 300 & exec sleep 300"])
            .env(BASE_DIR, dir.path())
            .process_group(0)
            .spawn()
            .unwrap();
        while owned_by(dir.path()).len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let id = child.id();
        assert!(usage(id).memory_bytes > 0);
        assert!(memory_by_group()[&id] > 0);
        assert!(peak_memory(id) > 0);
        assert!(start_time(id) >= start_time(std::process::id()));
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        end(Some(id), dir.path()).await;
        assert_eq!(owned_by(dir.path()), Vec::<u32>::new());
        assert!(!reaper.join().unwrap().success());
    }

    #[test]
    fn a_process_that_has_ended_is_no_error() {
        let mut child = Command::new("true").spawn().unwrap();
        let id = child.id();
        child.wait().unwrap();
        assert_eq!((peak_memory(id), start_time(id), usage(id)), (0, None, Usage::default()));
        signal_group(id, Signal::TERM);
    }
}
