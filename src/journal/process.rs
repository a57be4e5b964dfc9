//! Whether a process still runs. Linux reuses process ids, so a process is known by its id and its start time.

use rustix::process::{Pid, test_kill_process};

/// Returns the fields of `/proc/PID/stat` from the third on, the process's state. See proc(5).
fn fields(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name in parentheses, may itself hold spaces and parentheses.
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// Returns when a process started, in clock ticks since boot.
pub fn start_time(pid: u32) -> Option<u64> {
    fields(pid)?.get(19)?.parse().ok()
}

/// Whether a process has ended, though its parent has not waited for it yet.
fn is_zombie(pid: u32) -> bool {
    fields(pid)
        .is_some_and(|fields| ["Z", "X"].iter().any(|dead| fields.first().is_some_and(|state| state == dead)))
}

/// Whether the process with this id and start time still runs.
pub fn is_alive(pid: u32, started: Option<u64>) -> bool {
    let exists = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)));
    exists && !is_zombie(pid) && (started.is_none() || start_time(pid) == started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_is_not_alive() {
        let own = std::process::id();
        assert!(is_alive(own, start_time(own)));
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let (pid, started) = (child.id(), start_time(child.id()));
        assert!(is_alive(pid, started));
        drop(child.stdin.take());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while is_alive(pid, started) {
            assert!(std::time::Instant::now() < deadline, "a zombie is taken for alive");
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
