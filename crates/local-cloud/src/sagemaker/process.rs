//! Child processes: each in a group of its own, measured, and ended for good.
//!
//! A child is known by the folder in its environment, not by its number alone: so the processes that a dead
//! server left behind are found, even where they left their group, and nobody else's are touched.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The variable that names a child's folder, and so the child.
pub const BASE_DIR: &str = "SAGEMAKER_BASE_DIR";
/// Names that of an EC2 instance or of a function's execution environment, whose processes may set the other for their own.
pub const INSTANCE_DIR: &str = "OPSML_INSTANCE_DIR";

/// Tells OpenMP's idle threads to sleep. They spin otherwise, which is faster for a process that has its cores to
/// itself, and several times slower for two that share them, as instances here do.
pub const WAIT_POLICY: (&str, &str) = ("OMP_WAIT_POLICY", "passive");

/// One look at a child and all in its group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Resident, the sum over the group.
    pub memory_bytes: u64,
    /// CPU time spent so far.
    pub cpu: Duration,
}

/// What the group of `leader` uses now.
pub fn usage(leader: u32) -> Usage {
    let ticks = rustix::param::clock_ticks_per_second();
    let page = rustix::param::page_size() as u64;
    let mut total = Usage::default();
    for pid in processes() {
        let Some(stat) = Stat::read(pid) else { continue };
        if stat.group == leader {
            total.memory_bytes += stat.rss_pages * page;
            total.cpu += Duration::from_millis(stat.ticks * 1000 / ticks.max(1));
        }
    }
    total
}

/// The resident bytes of every group there is.
pub fn memory_by_group() -> HashMap<u32, u64> {
    let page = rustix::param::page_size() as u64;
    let mut groups = HashMap::new();
    for stat in processes().filter_map(Stat::read) {
        *groups.entry(stat.group).or_default() += stat.rss_pages * page;
    }
    groups
}

/// Signals the whole group; one that is gone is as good.
pub fn signal_group(leader: u32, signal: Signal) {
    if let Some(pid) = pid_of(leader) {
        let _ = kill_process_group(pid, signal);
    }
}

/// Kills the group of `leader` and every process that has `folder` for its own, and waits until they are gone,
/// five seconds at most: a process in the kernel's hands cannot be hurried.
pub async fn end(leader: Option<u32>, folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(5);
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

/// The living processes whose environment names the folder.
pub fn owned_by(folder: &Path) -> Vec<u32> {
    let wanted = [BASE_DIR, INSTANCE_DIR].map(|variable| format!("{variable}={}", folder.display()));
    processes()
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| names(&environ, &wanted))
                && Stat::read(*pid).is_some_and(|stat| stat.state != b'Z')
        })
        .collect()
}

fn names(environ: &[u8], wanted: &[String]) -> bool {
    environ.split(|byte| *byte == 0).any(|entry| wanted.iter().any(|wanted| entry == wanted.as_bytes()))
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Of `/proc/PID/stat`: proc(5).
struct Stat {
    state: u8,
    group: u32,
    /// In user and kernel mode, with what its reaped children spent.
    ticks: u64,
    rss_pages: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, so fields are counted from behind it.
        let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            state: *fields.first()?.as_bytes().first()?,
            group: fields.get(2)?.parse().ok()?,
            ticks: number(11)? + number(12)? + number(13)? + number(14)?,
            rss_pages: number(21)?,
        })
    }
}

/// The name of a signal that ends processes.
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
        assert!(usage(child.id()).memory_bytes > 0);
        let id = child.id();
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        end(Some(id), dir.path()).await;
        assert_eq!(owned_by(dir.path()), Vec::<u32>::new());
        assert!(!reaper.join().unwrap().success());
    }
}
