//! Measures the memory of the execution environments' processes ten times a second, and enforces its limit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::lock::locked;
use crate::support::process;

const INTERVAL: Duration = Duration::from_millis(100);

/// The running process groups, by their leaders.
#[derive(Debug, Default)]
pub struct Watched(Mutex<HashMap<u32, Watch>>);

#[derive(Debug)]
struct Watch {
    function: String,
    /// In bytes.
    limit: u64,
    peak: Arc<AtomicU64>,
}

impl Watched {
    /// Watches a group from now on. Returns a counter with its highest use so far, in bytes.
    pub fn add(&self, leader: u32, function: &str, limit: u64) -> Arc<AtomicU64> {
        let peak = Arc::new(AtomicU64::default());
        let watch = Watch { function: function.to_owned(), limit, peak: Arc::clone(&peak) };
        locked(&self.0).insert(leader, watch);
        peak
    }

    pub fn remove(&self, leader: u32) {
        locked(&self.0).remove(&leader);
    }

    /// Kills the processes of a function. None: those of all functions.
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

    /// Measures all groups at intervals, and kills those that exceed their limits. It never returns.
    pub async fn watch(&self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
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
