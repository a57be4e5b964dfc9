//! `command`: a local command, the way out where no kind serves. `run` is as trusted as `make`.

use std::collections::BTreeMap;
use std::process::Stdio;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::{Context, Done, Kind, Problem};
use crate::failure::{Failure, Outcome};

/// Bytes of output that are kept of each stream.
const MAX_OUTPUT: usize = 1 << 20;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments; no shell stands between.
    #[schemars(length(min = 1))]
    pub run: Vec<String>,
    /// Environment variables beside opsml's own.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files whose content the command reads: a change makes it run again.
    #[serde(default)]
    pub reads: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// What it wrote, without the last line break.
    pub stdout: String,
    pub stderr: String,
    pub exit_code: i32,
}

impl Kind for Command {
    const NAME: &'static str = "command";
    const ABOUT: &'static str = "runs a local command, in the runbook's folder";
    const OWNS: bool = false;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        match self.run.first() {
            Some(program) if !program.is_empty() => Vec::new(),
            _ => vec![Problem::at("run", "`run` names no program")],
        }
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
        let mut child = command.spawn().map_err(|error| {
            Failure::new("Command", format!("`{program}` cannot be started: {error}"))
                .hint("no shell stands between: for a pipeline, run: [sh, -c, \"…\"]")
        })?;
        let failed = |error: std::io::Error| Failure::new("Command", format!("`{program}`: {error}"));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut said = |line: &str| context.progress(line.to_owned(), None);
        let (stdout, stderr) =
            tokio::try_join!(collect(stdout, Some(&mut said)), collect(stderr, None)).map_err(failed)?;
        let status = child.wait().await.map_err(failed)?;
        let exit_code = status.code().unwrap_or(-1);
        if !status.success() {
            let last = stderr.lines().last().or(stdout.lines().last()).unwrap_or("it wrote nothing");
            return Err(Failure::new("Command", format!("`{program}` ended with {status}: {last}")));
        }
        let summary = stdout.lines().last().unwrap_or_default().to_owned();
        Ok(Done::new(Outputs { stdout, stderr, exit_code }, summary))
    }
}

/// Reads a stream to its end; what is beyond the limit is read and dropped, so that the command doesn't block.
async fn collect(
    stream: Option<impl AsyncRead + Unpin>,
    mut line_seen: Option<&mut (dyn FnMut(&str) + Send)>,
) -> std::io::Result<String> {
    let mut text = String::new();
    let Some(stream) = stream else { return Ok(text) };
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Some(line) = lines.next_segment().await? {
        let line = String::from_utf8_lossy(&line);
        if let Some(seen) = &mut line_seen {
            seen(&line);
        }
        if text.len() + line.len() < MAX_OUTPUT {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    Ok(text)
}
