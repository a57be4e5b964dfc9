//! The machine's Python, which runs functions of all Python runtimes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::cloud::Cloud;

/// How long a Python may take to say where it is.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Says what a Python is and what it uses. It is started without variables, so those that it has were set by the command
/// that names it.
const FIND: &str = r#"
import json, os, platform, sys
ours = {"PATH", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
uses = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.executable, os.path.realpath(sys.executable), *sys.path]
print(json.dumps({"version": platform.python_version(), "program": sys.executable, "uses": [x for x in uses if x],
    "env": {name: value for name, value in os.environ.items() if name not in ours}}))
"#;

/// A Python.
#[derive(Clone, Debug)]
pub struct Python {
    pub version: String,
    pub program: PathBuf,
    /// The folders and files that it uses.
    pub uses: Vec<PathBuf>,
    /// The variables that the command sets which names it.
    pub env: Vec<(OsString, OsString)>,
}

/// Returns the command that names the Python.
pub fn command(cloud: &Cloud) -> PathBuf {
    cloud.settings.python.clone().unwrap_or_else(|| "python3".into())
}

/// Finds the Python. None: there is none.
pub async fn find(cloud: &Cloud) -> Option<Python> {
    let mut command = Command::new(command(cloud));
    command
        .args(["-c", FIND])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(TIMEOUT, command.output()).await.ok()?.ok()?;
    let found: Value = serde_json::from_slice(&output.stdout).ok()?;
    let uses = found["uses"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let env = found["env"].as_object().into_iter().flatten();
    Some(Python {
        version: found["version"].as_str()?.to_owned(),
        program: found["program"].as_str()?.into(),
        uses: uses.map(PathBuf::from).collect(),
        env: env.filter_map(|(name, value)| Some((name.into(), value.as_str()?.into()))).collect(),
    })
}
