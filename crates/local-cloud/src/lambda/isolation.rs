//! What an execution environment sees of the machine: a `/tmp` of its own with the size that its function asks for, its
//! code, which is read-only, and neither the user's home nor the cloud's folder with its keys.

use std::ffi::OsString;
use std::io::Result;
use std::path::Path;

use tokio::process::Command;

use super::code;
use super::record::Version;
use super::runtime;
use crate::cloud::Cloud;
use crate::support::program::{Program, startable};
use crate::support::sandbox::{self, Kind, Sandbox};

/// Tests whether the kernel allows this. The error is the reason why not.
///
/// # Errors
/// As [`sandbox::available`].
pub async fn available() -> std::result::Result<(), String> {
    sandbox::available(Kind::Process).await
}

/// Returns what doesn't hold if the kernel doesn't allow it.
pub fn warning(why: &str) -> String {
    format!(
        "The kernel gives functions no namespaces of their own here ({why}): they share the machine's /tmp, TMPDIR names a \
         folder of their own, their code may be writable for root, and they can read the home of the user who runs the \
         local cloud"
    )
}

/// Returns what of this doesn't hold on this machine. None: it holds.
pub async fn missing() -> Option<String> {
    available().await.err().map(|why| warning(&why))
}

/// Returns the command that runs a program for an environment whose folder is `folder`.
///
/// # Errors
/// The program can't be started.
pub async fn command(
    cloud: &Cloud,
    version: &Version,
    folder: &Path,
    program: &Program,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Command> {
    let root = code::folder(cloud, &version.code.folder);
    if available().await.is_err() {
        let mut command = Command::new(&program.path);
        command.args(&program.arguments).env_clear().envs(env).current_dir(root);
        return Ok(command);
    }
    // What can't be started fails here, since the sandbox's own programs would say so in the function's log only.
    let path = startable(&program.path, &std::env::var_os("PATH").unwrap_or_default())?;
    let mut sandbox = Sandbox::new(Kind::Process, folder.join("stage"))
        .with_tmp(version.settings.storage)
        .without_home()
        .hide(&cloud.settings.dir)
        .read_only_root()
        .read(&root)
        .read(runtime::folder(cloud));
    for used in &program.uses {
        sandbox = sandbox.read(used);
    }
    Ok(sandbox.command(&path, &program.arguments, &root, env))
}
