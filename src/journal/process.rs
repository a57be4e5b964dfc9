//! Telling a process from another that was given the same number later.

use rustix::process::{Pid, test_kill_process};

/// When a process started, in clock ticks since boot; `None` where the system doesn't tell.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the fields that follow it don't. This is field 22 of proc(5).
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Whether the process that had this number and start time still runs.
pub fn is_alive(pid: u32, started: Option<u64>) -> bool {
    let exists = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)));
    exists && (started.is_none() || start_time(pid) == started)
}
