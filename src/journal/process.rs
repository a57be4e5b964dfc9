//! Whether a process still runs. Linux reuses process ids, so a process is known by its id and its start time.

use procfs::process::{ProcState, Process, Stat};
use rustix::process::{Pid, test_kill_process};

fn stat(pid: u32) -> Option<Stat> {
    Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()
}

/// Returns when a process started, in clock ticks since boot.
pub fn start_time(pid: u32) -> Option<u64> {
    Some(stat(pid)?.starttime)
}

/// Whether a process has ended, though its parent has not waited for it yet.
fn is_zombie(pid: u32) -> bool {
    let state = stat(pid).and_then(|stat| stat.state().ok());
    matches!(state, Some(ProcState::Zombie | ProcState::Dead))
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
