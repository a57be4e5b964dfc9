//! The log of an execution environment: the output of its process, and Lambda's own lines.
//!
//! Lambda writes it with the permissions of the function's role, so without them there is no log. The tail of an
//! invocation (`LogType: Tail`) needs no permission.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use tokio::net::unix::pipe::Receiver;

use super::host::Host;
use crate::authority::Access;
use crate::call::Caller;
use crate::support::clock::now_ms;
use crate::support::lock::locked;

/// The greatest size of an event in CloudWatch Logs, in bytes. A longer line becomes several events.
const MAX_LINE: usize = 256 << 10;
/// The size of a tail in bytes.
const TAIL: usize = 4096;
/// How many bytes are read at once, so that a process that never stops writing doesn't block others.
const AT_ONCE: usize = 1 << 20;

pub struct Log {
    host: Arc<Host>,
    /// The role's session.
    caller: Caller,
    pub group: String,
    pub stream: String,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    /// The output of the present process.
    pipe: Option<Arc<Receiver>>,
    /// A line that has not ended yet.
    partial: Vec<u8>,
    pending: Vec<(i64, String)>,
    tail: Vec<u8>,
    has_stream: bool,
}

impl Log {
    pub fn new(host: &Arc<Host>, caller: &Caller, group: &str, stream: String) -> Arc<Self> {
        Arc::new(Self {
            host: Arc::clone(host),
            caller: caller.clone(),
            group: group.to_owned(),
            stream,
            written: Mutex::default(),
        })
    }

    /// Reads the output of a process from now on, until the pipe's writing end is closed everywhere.
    ///
    /// # Errors
    /// The pipe can't be set to non-blocking.
    pub fn follow(self: &Arc<Self>, pipe: OwnedFd) -> std::io::Result<()> {
        let pipe = Arc::new(Receiver::from_owned_fd(pipe)?);
        locked(&self.written).pipe = Some(Arc::clone(&pipe));
        let log = Arc::clone(self);
        tokio::spawn(async move {
            while pipe.readable().await.is_ok() {
                let open = locked(&log.written).read(&pipe);
                log.flush();
                if !open {
                    return;
                }
            }
        });
        Ok(())
    }

    /// Adds a line of Lambda's after all that the process has written so far.
    pub fn line(&self, text: &str) {
        let mut written = locked(&self.written);
        written.catch_up();
        written.event(text.to_owned());
    }

    /// Starts the tail of an invocation after all that the process has written so far.
    pub fn begin(&self) {
        let mut written = locked(&self.written);
        written.catch_up();
        written.tail.clear();
    }

    /// Returns the last 4 KB since [`Self::begin`].
    pub fn tail(&self) -> Vec<u8> {
        locked(&self.written).tail.clone()
    }

    /// Writes the pending lines to CloudWatch Logs, if the role may.
    pub fn flush(&self) {
        let (pending, has_stream) = {
            let mut written = locked(&self.written);
            (std::mem::take(&mut written.pending), written.has_stream)
        };
        if pending.is_empty() || !self.may_write(has_stream) {
            return;
        }
        // An error, as on a full disk, must not stop the function.
        let _ = self.host.logs.append(&self.group, &self.stream, &pending);
        locked(&self.written).has_stream = true;
    }

    fn may_write(&self, has_stream: bool) -> bool {
        let may = |action: &str, stream: &str| {
            let arn = self.host.cloud.arn("logs", &format!("log-group:{}:log-stream:{stream}", self.group));
            self.host.iam.authorize(&self.caller, &Access::new(action, arn)).is_ok()
        };
        (self.host.logs.has_group(&self.group).unwrap_or(false) || may("logs:CreateLogGroup", ""))
            && (has_stream || may("logs:CreateLogStream", &self.stream))
            && may("logs:PutLogEvents", &self.stream)
    }
}

impl Written {
    fn catch_up(&mut self) {
        if let Some(pipe) = self.pipe.clone() {
            self.read(&pipe);
        }
        self.end_line();
    }

    /// Reads the available output. Returns false once the output has ended.
    fn read(&mut self, pipe: &Receiver) -> bool {
        let mut buffer = [0; 16 << 10];
        let mut total = 0;
        while total < AT_ONCE {
            match pipe.try_read(&mut buffer) {
                Ok(0) => {
                    self.end_line();
                    return false;
                }
                Ok(n) => {
                    total += n;
                    self.take(&buffer[..n]);
                }
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(part);
            if part.ends_with(b"\n") || self.partial.len() >= MAX_LINE {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        if self.partial.is_empty() {
            return;
        }
        let line = std::mem::take(&mut self.partial);
        // Runtimes separate the lines within one event by carriage returns.
        let text = String::from_utf8_lossy(&line).trim_end().replace('\r', "\n");
        if !text.is_empty() {
            self.event(text);
        }
    }

    fn event(&mut self, text: String) {
        self.tail.extend_from_slice(text.as_bytes());
        self.tail.push(b'\n');
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
        self.pending.push((now_ms(), text));
    }
}
