//! `command`: a local command, for what no other kind does. It is as trusted as a Makefile.

use std::collections::BTreeMap;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::context::{Context, Done};
use super::kind::{Kind, Local, LocalForm, Problem, Reads};
use crate::failure::{Failure, Outcome};
use crate::secret::Lines;

/// The most bytes to keep of each stream, and to show of a line.
const MAX_OUTPUT: usize = 1 << 20;
const MAX_LINE: usize = 4096;
/// How long output is still read after the command has ended.
const LINGER: Duration = Duration::from_secs(1);
/// How long a command may take to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments. They do not pass through a shell.
    #[schemars(length(min = 1), extend("x-hint" = "the program and its arguments are a list: [echo, hello], or through a shell: [sh, -c, \"echo hello | wc\"]"))]
    pub run: Vec<String>,
    /// Environment variables, in addition to those of opsml.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files that the command reads. When their content changes, the command runs again.
    #[serde(default)]
    pub reads: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// What it wrote, without the last line break.
    pub stdout: String,
    /// What it wrote to standard error, without the last line break.
    pub stderr: String,
    /// The exit code: 0, because any other fails the step.
    pub exit_code: i32,
}

impl Kind for Command {
    const NAME: &'static str = "command";
    const ABOUT: &'static str = "runs a local command, in the runbook's folder";
    const OWNS: bool = false;
    const ROWS: &'static [&'static str] = &["stdout", "exit_code"];
    const READS: Reads = Reads::Results;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        match self.run.first() {
            Some(program) if !program.is_empty() => Vec::new(),
            _ => vec![Problem::at("run", "`run` names no program")],
        }
    }

    fn locals(fields: &Value) -> Vec<Local> {
        let count = fields["reads"].as_array().map_or(0, Vec::len);
        (0..count).filter_map(|at| Local::of(fields, &format!("reads.{at}"), LocalForm::Either)).collect()
    }

    fn files(&self) -> Vec<String> {
        self.reads.clone()
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let (program, arguments) =
            self.run.split_first().ok_or_else(|| Failure::new("Command", "`run` names no program"))?;
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).envs(&self.env).current_dir(&context.paths.base);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // The command gets its own process group, so that its child processes can be ended too.
        command.process_group(0);
        // Safety: prctl(2) is a system call, which is allowed between fork and exec.
        #[cfg(target_os = "linux")]
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let mut child = command.spawn().map_err(|error| {
            Failure::new("Command", format!("`{program}` cannot be started: {error}"))
                .hint("no shell stands between: for a pipeline, run: [sh, -c, \"…\"]")
        })?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let failed = |error: std::io::Error| Failure::new("Command", format!("`{program}`: {error}"));
        let mut interrupted = context.aws().interrupted();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (mut out, mut err) = (Output::default(), Output::default());
        let mut said = |line: &str| context.progress(line.to_owned(), None);
        let ended = {
            let mut reading = pin!(async {
                tokio::try_join!(out.read(stdout, Some(&mut said)), err.read(stderr, None)).map(|_| ())
            });
            tokio::select! {
                read = &mut reading => match read {
                    Ok(()) => End::Read,
                    Err(error) => return Err(failed(error)),
                },
                status = child.wait() => {
                    // A background process may keep the output open.
                    let _ = tokio::time::timeout(LINGER, &mut reading).await;
                    End::Exited(status.map_err(failed)?)
                }
                Ok(_) = interrupted.wait_for(|stop| *stop) => End::Interrupted,
            }
        };
        let status = match ended {
            End::Exited(status) => Some(status),
            // Its output is closed, but it may still run.
            End::Read => tokio::select! {
                status = child.wait() => Some(status.map_err(failed)?),
                Ok(_) = interrupted.wait_for(|stop| *stop) => None,
            },
            End::Interrupted => None,
        };
        let broken_off = || Failure::interrupted(format!("`{program}` was stopped by Ctrl-C"));
        let Some(status) = status else {
            group.signal(Signal::TERM);
            // If it does not end, it is killed with its group.
            let _ = tokio::time::timeout(PATIENCE, child.wait()).await;
            return Err(broken_off());
        };
        if !status.success() {
            if *interrupted.borrow() {
                return Err(broken_off());
            }
            let last = [&err.last, &out.last].into_iter().find(|line| !line.is_empty());
            let last = last.map_or("it wrote nothing", String::as_str);
            return Err(Failure::new("Command", format!("`{program}` ended with {status}: {last}")));
        }
        // Its background processes continue to run.
        group.leave();
        let exit_code = status.code().unwrap_or(-1);
        Ok(Done::new(Outputs { stdout: out.text(), stderr: err.text(), exit_code }, out.last))
    }
}

/// Why reading the output ended.
enum End {
    Read,
    Exited(ExitStatus),
    Interrupted,
}

/// The process group of a command. Dropping it, as the step's timeout does, kills its processes.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It fails if the group has ended.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// The part of a stream that is kept.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    /// The last line that is not empty, as it is shown.
    last: String,
    lines: Lines,
}

impl Output {
    /// Reads a stream to its end. What exceeds the limit is read and dropped, so that the command does not block.
    async fn read(
        &mut self,
        stream: Option<impl AsyncRead + Unpin>,
        mut line_seen: Option<&mut (dyn FnMut(&str) + Send)>,
    ) -> std::io::Result<()> {
        let Some(mut stream) = stream else { return Ok(()) };
        let (mut buffer, mut line) = (vec![0; 1 << 16], Vec::new());
        loop {
            let read = stream.read(&mut buffer).await?;
            let chunk = &buffer[..read];
            self.bytes.extend_from_slice(&chunk[..read.min(MAX_OUTPUT - self.bytes.len())]);
            // The last line may have no line break.
            let lines = if read == 0 { &b"\n"[..] } else { chunk };
            for part in lines.split_inclusive(|byte| *byte == b'\n') {
                let text = part.strip_suffix(b"\n").unwrap_or(part);
                line.extend_from_slice(&text[..text.len().min(MAX_LINE - line.len())]);
                if part.len() == text.len() || (read == 0 && line.is_empty()) {
                    continue;
                }
                let whole = self.lines.shown(&String::from_utf8_lossy(&line));
                if let Some(seen) = &mut line_seen {
                    seen(&whole);
                }
                if !whole.trim().is_empty() {
                    self.last = whole;
                }
                line.clear();
            }
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).trim_end().to_owned()
    }
}
