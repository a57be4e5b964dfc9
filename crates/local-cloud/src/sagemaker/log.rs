//! A child's output on its way to CloudWatch Logs, and the metrics that regexes find in it.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, PipeReader, Read as _};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use regex::Regex;

use crate::cloud::Cloud;

/// CloudWatch Logs takes no longer events; a longer line becomes several.
const MAX_LINE: u64 = 256 << 10;
/// Lines that are kept to tell why a child failed.
const TAIL: usize = 100;

/// The last value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub name: String,
    pub value: f64,
    pub time_ms: i64,
}

/// What the pump has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub metrics: Vec<Metric>,
    /// The last lines, each cut to its first 500 characters.
    pub tail: VecDeque<String>,
}

impl Seen {
    pub fn last_line(&self) -> &str {
        self.tail.back().map_or("", String::as_str)
    }
}

/// Reads a pipe until all who write to it are gone. Runs on a thread of its own: reading blocks.
pub struct Pump {
    pub cloud: Arc<Cloud>,
    pub group: String,
    pub stream: String,
    /// Name and regex, whose first group is the value.
    pub metrics: Vec<(String, Regex)>,
    pub seen: Arc<Mutex<Seen>>,
}

impl Pump {
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
                    let now = Timestamp::now().as_millisecond();
                    self.look(text, now);
                    events.push((now, text.to_owned()));
                }
            }
            // What was written together goes to the log together.
            if !events.is_empty() && (read == 0 || reader.buffer().is_empty() || events.len() >= 500) {
                // A log that cannot be written, on a full disk, must not stop the job's output.
                let _ = self.cloud.logs.append(&self.group, &self.stream, &events);
                events.clear();
            }
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn look(&self, line: &str, time_ms: i64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.tail.len() == TAIL {
            seen.tail.pop_front();
        }
        seen.tail.push_back(line.chars().take(500).collect());
        for (name, regex) in &self.metrics {
            let value =
                regex.captures_iter(line).last().and_then(|found| found.get(1)?.as_str().parse::<f64>().ok());
            let Some(value) = value else { continue };
            seen.metrics.retain(|metric| metric.name != *name);
            // JSON has no NaN, and SageMaker keeps numbers alone: a metric that became none has no value.
            if value.is_finite() {
                seen.metrics.push(Metric { name: name.clone(), value, time_ms });
            }
        }
    }
}
