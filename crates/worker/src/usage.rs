//! Records what a training job uses: CPU and memory of this process, from `/proc`, as [`ResourceSample`]s.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use opsml_contract::ResourceSample;

use crate::container::create_folder;
use crate::error::{AtPath, Result};

const INTERVAL: Duration = Duration::from_secs(1);

/// Writes samples until it is dropped.
pub struct Recorder {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts a new file at `path`. On a system without `/proc` it stays empty.
    pub fn start(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            create_folder(folder)?;
        }
        let mut file = File::create(path).at("create", path)?;
        let (end, ended) = channel();
        let thread = thread::spawn(move || {
            let start = Instant::now();
            let mut last = (start, Usage::now());
            loop {
                let over = ended.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout);
                let now = (Instant::now(), Usage::now());
                if let ((then, Some(before)), (at, Some(usage))) = (last, now) {
                    let busy = usage.cpu.saturating_sub(before.cpu).as_secs_f64();
                    let sample = ResourceSample {
                        seconds: tenths((at - start).as_secs_f64()),
                        cpu_percent: tenths(100.0 * busy / (at - then).as_secs_f64()),
                        memory_bytes: usage.memory_bytes,
                    };
                    // If it fails, as on a full disk, the job continues.
                    let _ = serde_json::to_string(&sample)
                        .map(|line| file.write_all(format!("{line}\n").as_bytes()));
                }
                if over {
                    return;
                }
                last = now;
            }
        });
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end.take();
        // If the thread panicked, the panic was logged.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[derive(Clone, Copy)]
struct Usage {
    /// The CPU time of all threads, ended ones included, in user and kernel mode.
    cpu: Duration,
    memory_bytes: u64,
}

impl Usage {
    fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The program's name, in parentheses, may contain spaces. After it come state (3), …, utime (14), stime (15).
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks = times.next()?.ok()? + times.next()?.ok()?;
        let statm = fs::read_to_string("/proc/self/statm").ok()?;
        let resident: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
        Some(Self {
            cpu: Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64),
            memory_bytes: resident * rustix::param::page_size() as u64,
        })
    }
}
