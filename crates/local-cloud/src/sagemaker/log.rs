//! Copies a child process's output to CloudWatch Logs, and finds metrics in it by regexes.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, PipeReader, Read as _};
use std::sync::{Arc, Mutex};

use regex::Regex;

use super::meter::JobMetrics;
use crate::logs::LogSink;
use crate::support::clock::now_ms;
use crate::support::lock::locked;

/// The greatest size of an event in CloudWatch Logs. A longer line becomes several events.
const MAX_LINE: u64 = 256 << 10;
/// The number of last lines that are kept, to explain why a child failed.
const TAIL: usize = 100;

/// The last value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub name: String,
    pub value: f64,
    pub time_ms: i64,
}

/// The metrics and last lines that a pump has read so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub metrics: Vec<Metric>,
    /// The last lines, each cut to its first 500 characters.
    pub tail: VecDeque<String>,
}

impl Seen {
    /// Returns the last line. It is empty if there is none.
    pub fn last_line(&self) -> &str {
        self.tail.back().map_or("", String::as_str)
    }
}

/// Reads a pipe until all its writers have closed it. It runs on a thread of its own, since reading blocks.
pub struct Pump {
    pub logs: Arc<dyn LogSink>,
    pub group: String,
    pub stream: String,
    /// Names and regexes. The first group of a regex is the value.
    pub metrics: Vec<(String, Regex)>,
    /// Where each value goes.
    pub values: Option<JobMetrics>,
    pub seen: Arc<Mutex<Seen>>,
}

impl Pump {
    /// Reads to the end.
    ///
    /// # Errors
    /// The pipe's.
    pub fn run(self, pipe: PipeReader) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(64 << 10, pipe);
        let (mut line, mut events) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line)?;
            if read > 0 {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\n', '\r']);
                if !text.is_empty() {
                    let now = now_ms();
                    self.look(text, now);
                    events.push((now, text.to_owned()));
                }
            }
            // Lines that were written together are sent to the log together.
            if !events.is_empty() && (read == 0 || reader.buffer().is_empty() || events.len() >= 500) {
                // An error, as on a full disk, must not block the child.
                let _ = self.logs.append(&self.group, &self.stream, &events);
                events.clear();
            }
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn look(&self, line: &str, time_ms: i64) {
        let mut seen = locked(&self.seen);
        if seen.tail.len() == TAIL {
            seen.tail.pop_front();
        }
        seen.tail.push_back(line.chars().take(500).collect());
        for (name, regex) in &self.metrics {
            let value =
                regex.captures_iter(line).last().and_then(|found| found.get(1)?.as_str().parse::<f64>().ok());
            let Some(value) = value else { continue };
            seen.metrics.retain(|metric| metric.name != *name);
            // JSON has no NaN and no infinity, so such a value is ignored.
            if value.is_finite() {
                if let Some(values) = &self.values {
                    values.put(name, value, time_ms);
                }
                seen.metrics.push(Metric { name: name.clone(), value, time_ms });
            }
        }
    }
}
