//! The memory of the execution environments: measured ten times a second, and the limit kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;

use super::locked;
use crate::sagemaker::process;

const EVERY: Duration = Duration::from_millis(100);

/// The processes that run, by the leaders of their groups.
#[derive(Debug, Default)]
pub struct Watched(Mutex<HashMap<u32, Watch>>);

#[derive(Debug)]
struct Watch {
    function: String,
    /// Bytes.
    limit: u64,
    peak: Arc<AtomicU64>,
}

impl Watched {
    /// Watches a group, whose highest use is then told in bytes.
    pub fn add(&self, leader: u32, function: &str, limit: u64) -> Arc<AtomicU64> {
        let peak = Arc::new(AtomicU64::default());
        let watch = Watch { function: function.to_owned(), limit, peak: Arc::clone(&peak) };
        locked(&self.0).insert(leader, watch);
        peak
    }

    pub fn remove(&self, leader: u32) {
        locked(&self.0).remove(&leader);
    }

    /// Kills the processes of a function, or of all.
    pub fn kill(&self, function: Option<&str>) {
        for (leader, watch) in locked(&self.0).iter() {
            if function.is_none_or(|function| function == watch.function) {
                process::signal_group(*leader, Signal::KILL);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        locked(&self.0).is_empty()
    }

    /// Looks at all groups again and again. It never returns.
    pub async fn watch(&self) {
        loop {
            tokio::time::sleep(EVERY).await;
            if self.is_empty() {
                continue;
            }
            let used = process::memory_by_group();
            for (leader, watch) in locked(&self.0).iter() {
                let bytes = used.get(leader).copied().unwrap_or_default();
                watch.peak.fetch_max(bytes, Ordering::Relaxed);
                if bytes > watch.limit {
                    process::signal_group(*leader, Signal::KILL);
                }
            }
        }
    }
}

/// The highest resident memory of one process so far, in bytes.
pub fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() << 10
}
