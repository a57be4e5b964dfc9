//! A Python of the machine: where it is, and which folders it uses.

use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::program::Program;

/// How long a Python may take to say where it is.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Says what a Python is and what it uses. It is started without variables, so those that it has were set by the command
/// that names it. Packages may be links into other folders, whose links are followed too.
const FIND: &str = include_str!("python.py");

/// A Python.
#[derive(Clone, Debug)]
pub struct Python {
    pub version: String,
    /// PyTorch's version. None: it has no PyTorch. It is empty if it isn't known.
    pub torch: Option<String>,
    /// Its own program, without the command's other arguments.
    pub program: Program,
}

/// Finds the Python that a command runs.
///
/// # Errors
/// The command can't be run, or runs no Python.
pub async fn find(command: &Path) -> Result<Python> {
    let mut command = Command::new(command);
    command
        .args(["-c", FIND])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(TIMEOUT, command.output()).await.map_err(|_| ErrorKind::TimedOut)??;
    let found: Value = serde_json::from_slice(&output.stdout)?;
    let text = |name: &str| found[name].as_str().map(str::to_owned);
    let texts = |name: &str| found[name].as_array().into_iter().flatten().filter_map(Value::as_str);
    let env = found["env"].as_object().into_iter().flatten();
    Ok(Python {
        version: text("version").unwrap_or_default(),
        torch: text("torch"),
        program: Program {
            path: text("program").unwrap_or_default().into(),
            arguments: texts("warnings").map(|filter| format!("-W{filter}").into()).collect(),
            uses: texts("uses").map(PathBuf::from).collect(),
            env: env.filter_map(|(name, value)| Some((name.into(), value.as_str()?.into()))).collect(),
        },
    })
}
