//! What a container sees of the machine: its own folders at `/opt/ml`, a home and a `/tmp` of its own, and neither the
//! user's home nor the cloud's folder with its keys. The rest is read-only.

use std::ffi::OsString;
use std::io::Result;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio::process::Command;

use crate::cloud::Cloud;
use crate::support::program::{Program, startable};
use crate::support::sandbox::{self, Kind, Sandbox};

/// The folder that a container has on AWS.
pub const ML: &str = "/opt/ml";
/// The folder in which [`ML`] is shown.
const OPT: &str = "/opt";
/// How deep [`changed_since`] looks: `/opt/ml/output/data/file`.
const DEPTH: usize = 3;

/// Tests whether the kernel allows this. The error is the reason why not.
///
/// # Errors
/// As [`sandbox::available`]; the machine has no folder in which `/opt/ml` could be shown.
pub async fn available() -> std::result::Result<(), String> {
    if !Path::new(OPT).is_dir() {
        return Err(format!("there is no folder {OPT}"));
    }
    sandbox::available(Kind::Process).await
}

/// Returns what doesn't hold if the kernel doesn't allow it.
pub fn warning(why: &str) -> String {
    format!(
        "The kernel gives training jobs and endpoints no namespaces of their own here ({why}): they have no {ML}, so scripts \
         must use the folders that SM_MODEL_DIR and its like name, and they can read the home of the user who runs the \
         local cloud"
    )
}

/// Returns what of this doesn't hold on this machine. None: it holds.
pub async fn missing() -> Option<String> {
    available().await.err().map(|why| warning(&why))
}

/// What a container has of its own.
#[derive(Clone, Debug)]
pub struct Own {
    pub home: PathBuf,
    /// What only this container uses: its `/tmp`, for example.
    pub scratch: PathBuf,
    /// Whether the container has no network.
    pub is_offline: bool,
    /// Folders, and where the container sees them, below [`ML`] or as [`ML`].
    pub shown: Vec<(PathBuf, PathBuf)>,
}

/// Returns the command that runs a container's program in the folder `cwd`. If `isolated` is false, the container sees the
/// whole machine, and its folders where they are.
///
/// # Errors
/// The program can't be started.
pub fn command(
    cloud: &Cloud,
    isolated: bool,
    own: &Own,
    program: &Program,
    cwd: &Path,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Command> {
    if !isolated {
        let mut command = Command::new(&program.path);
        command.args(&program.arguments).env_clear().envs(env).current_dir(cwd);
        return Ok(command);
    }
    // What can't be started fails here, since the sandbox's own programs would say so in the container's log only.
    let env: Vec<_> = env.into_iter().collect();
    let search = env.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
    let path = startable(&program.path, &search.unwrap_or_default())?;
    let mut sandbox = Sandbox::new(Kind::Process, own.scratch.join("stage"))
        .with_tmp_in(own.scratch.join("tmp"))
        .without_home()
        .hide(&cloud.settings.dir)
        .hide(OPT)
        .read_only_root()
        .write(&own.home);
    if own.is_offline {
        sandbox = sandbox.without_network();
    }
    for entry in std::fs::read_dir(OPT)?.flatten().filter(|entry| entry.path() != Path::new(ML)) {
        sandbox = sandbox.read(entry.path());
    }
    for (from, to) in &own.shown {
        sandbox = sandbox.place(from, to);
    }
    for used in &program.uses {
        sandbox = sandbox.read(used);
    }
    Ok(sandbox.command(&path, &program.arguments, cwd, env))
}

/// Returns a file or folder in `folder` that was changed at `since` or later. A container that isn't isolated and writes
/// to `/opt/ml` writes into the machine's, where no job finds it.
pub fn changed_since(folder: &Path, since: SystemTime) -> Option<PathBuf> {
    changed(folder, since, DEPTH)
}

fn changed(path: &Path, since: SystemTime, depth: usize) -> Option<PathBuf> {
    let entries = || std::fs::read_dir(path).into_iter().flatten().flatten();
    let inside = match depth {
        0 => None,
        _ => entries().find_map(|entry| changed(&entry.path(), since, depth - 1)),
    };
    let is_new = || path.symlink_metadata().and_then(|about| about.modified()).is_ok_and(|at| at >= since);
    inside.or_else(|| is_new().then(|| path.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_script_writes_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let ml = dir.path().join("ml");
        let before = SystemTime::now() - Duration::from_secs(1);
        let later = SystemTime::now() + Duration::from_secs(60);
        assert_eq!(changed_since(&ml, before), None);
        std::fs::create_dir_all(ml.join("model")).unwrap();
        std::fs::write(ml.join("model/weights"), "").unwrap();
        assert_eq!(changed_since(&ml, before), Some(ml.join("model/weights")));
        assert_eq!(changed_since(&ml, later), None);
    }
}
