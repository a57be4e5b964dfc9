//! What a process sees of the machine: [`Sandbox`] wraps a command in namespaces of its own, in which folders are
//! hidden, replaced or read-only. There are two kinds of sandbox, and [`available`] says whether the kernel allows one.
//!
//! A shell mounts everything before the command runs. It prepares each folder that is to be hidden as a file system in
//! memory, puts in what the process may see of it, and then covers the folder with it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::OnceCell;

/// What runs in a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A machine: its first process is root and may mount, and when it ends, the kernel ends all others.
    Machine,
    /// A process of an ordinary user, which can't change what it sees. The command keeps its process id.
    Process,
}

/// A folder or file, and the place at which the process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    from: PathBuf,
    to: PathBuf,
    read_only: bool,
}

/// What covers a hidden folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cover {
    /// A folder, which the process may write into.
    Folder(PathBuf),
    /// A file system in memory that everyone may write into, and its size in MB.
    Memory(u64),
    /// Nothing but places for what is mounted in it.
    Nothing,
}

/// The namespaces of a command.
#[derive(Clone, Debug)]
pub struct Sandbox {
    kind: Kind,
    /// A folder that only this sandbox uses, to prepare what it mounts.
    stage: PathBuf,
    /// The folders that are covered, and what covers them.
    hidden: Vec<(PathBuf, Cover)>,
    mounts: Vec<Mount>,
    read_only_root: bool,
    without_network: bool,
}

impl Sandbox {
    /// Returns a sandbox that changes nothing yet. `stage` is made if it is missing.
    pub fn new(kind: Kind, stage: impl Into<PathBuf>) -> Self {
        Self {
            kind,
            stage: stage.into(),
            hidden: Vec::new(),
            mounts: Vec::new(),
            read_only_root: false,
            without_network: false,
        }
    }

    /// Hides a folder and all that is in it, except what is mounted there. A folder that doesn't exist is no error.
    #[must_use]
    pub fn hide(mut self, folder: impl Into<PathBuf>) -> Self {
        self.hidden.push((folder.into(), Cover::Nothing));
        self
    }

    /// Gives the process a `/tmp` of its own, of this size. It is deleted with the process.
    #[must_use]
    pub fn with_tmp(mut self, mb: u64) -> Self {
        self.hidden.push(("/tmp".into(), Cover::Memory(mb)));
        self
    }

    /// Gives the process a `/tmp` of its own: this folder, which is made if it is missing.
    #[must_use]
    pub fn with_tmp_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.hidden.push(("/tmp".into(), Cover::Folder(folder.into())));
        self
    }

    /// Hides the home of the user who runs the cloud.
    #[must_use]
    pub fn without_home(self) -> Self {
        match std::env::var_os("HOME") {
            Some(home) if Path::new(&home).is_absolute() => self.hide(home),
            _ => self,
        }
    }

    /// Makes the file system of `/` read-only. What is mounted below it stays as it is.
    #[must_use]
    pub fn read_only_root(mut self) -> Self {
        self.read_only_root = true;
        self
    }

    /// Gives the process no network but a loopback interface of its own.
    #[must_use]
    pub fn without_network(mut self) -> Self {
        self.without_network = true;
        self
    }

    /// Lets the process read a folder or file, even if it lies in a hidden folder. Nothing if it doesn't exist.
    #[must_use]
    pub fn read(self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.mount(path.clone(), path, true)
    }

    /// Lets the process write into a folder, even if it lies in a hidden folder.
    #[must_use]
    pub fn write(self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.mount(path.clone(), path, false)
    }

    /// Shows a folder or file at another place, which must exist or lie in a hidden folder.
    #[must_use]
    pub fn place(self, from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        self.mount(from.into(), to.into(), false)
    }

    fn mount(mut self, from: PathBuf, to: PathBuf, read_only: bool) -> Self {
        self.mounts.push(Mount { from, to, read_only });
        self
    }

    /// Returns a command that runs `program` in the sandbox, in the folder `cwd`, with no variables but `env`. The
    /// program is found by its path alone, and not by PATH.
    pub fn command(
        &self,
        program: &Path,
        arguments: &[OsString],
        cwd: &Path,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Command {
        let mut command = Command::new("unshare");
        command.args(match self.kind {
            Kind::Machine => {
                &["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"][..]
            }
            Kind::Process => &["--user", "--map-root-user", "--mount"],
        });
        if self.without_network {
            command.arg("--net");
        }
        // The shell runs with the machine's programs and libraries, whatever the process's variables name.
        let (late, now): (Vec<_>, Vec<_>) = env.into_iter().partition(|(name, _)| is_for_programs(name));
        command.args(["--", "/bin/sh", "-c"]).arg(self.script(cwd)).arg("sandbox").arg("env");
        for (name, value) in late {
            let mut variable = name;
            variable.push("=");
            variable.push(value);
            command.arg(variable);
        }
        command.arg(program).args(arguments).env_clear().envs(now).env("PATH", path()).current_dir("/");
        command
    }

    /// Returns the shell's commands, which mount everything and then run its arguments.
    fn script(&self, cwd: &Path) -> OsString {
        let roots = self.roots();
        let mut script = Script::default();
        script.line(&["set -e"], &[]);
        if self.without_network {
            // Without `ip`, the interface stays down.
            script.line(&["ip link set lo up 2>/dev/null || true"], &[]);
        }
        script.line(&["mkdir -p"], &[&self.stage]);
        script.line(&["mount -t tmpfs -o mode=755 none"], &[&self.stage]);
        for (number, (_, cover)) in roots.iter().enumerate() {
            let staged = self.stage.join(number.to_string());
            script.line(&["mkdir"], &[&staged]);
            match cover {
                Cover::Folder(folder) => {
                    script.line(&["mkdir -p"], &[folder]);
                    script.line(&["mount --bind"], &[folder, &staged]);
                }
                Cover::Memory(mb) => {
                    script
                        .line(&["mount -t tmpfs -o mode=1777,size=", &mb.to_string(), "m none"], &[&staged]);
                }
                Cover::Nothing => script.line(&["mount -t tmpfs -o mode=755,size=1m none"], &[&staged]),
            }
        }
        for mount in self.visible(&roots) {
            let inside = roots.iter().position(|(root, _)| mount.to.starts_with(root));
            let to = match inside.zip(inside.and_then(|it| mount.to.strip_prefix(&roots[it].0).ok())) {
                Some((number, rest)) => {
                    let to = self.stage.join(number.to_string()).join(rest);
                    if mount.from.is_dir() {
                        script.line(&["mkdir -p"], &[&to]);
                    } else {
                        script.line(&["mkdir -p"], &[to.parent().unwrap_or(&to)]);
                        script.line(&[":>>"], &[&to]);
                    }
                    to
                }
                None => mount.to.clone(),
            };
            script.line(&["mount --rbind"], &[&mount.from, &to]);
            if mount.read_only {
                script.line(&["mount -o remount,bind,ro"], &[&to]);
            }
        }
        if self.read_only_root {
            script.line(&["mount -o remount,bind,ro /"], &[]);
        }
        for (number, (root, _)) in roots.iter().enumerate() {
            script.line(&["mount --rbind"], &[&self.stage.join(number.to_string()), root]);
        }
        script.line(&["cd"], &[cwd]);
        match self.kind {
            Kind::Machine => script.line(&["exec \"$@\""], &[]),
            // In a second namespace, the process has no rights over the mounts of the first, and its user is again the
            // one that runs the cloud.
            Kind::Process => {
                let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
                let ids = format!("--map-user={} --map-group={}", user.as_raw(), group.as_raw());
                script.line(&["exec unshare --user ", &ids, " -- \"$@\""], &[]);
            }
        }
        script.0
    }

    /// Returns the hidden folders that exist and lie in no other hidden folder. The one with the stage is the last,
    /// since what is prepared can't be reached any more once it is covered.
    fn roots(&self) -> Vec<(PathBuf, Cover)> {
        let real = |(path, cover): &(PathBuf, Cover)| Some((path.canonicalize().ok()?, cover.clone()));
        let mut all: Vec<_> = self.hidden.iter().filter_map(real).collect();
        all.retain(|(path, _)| path.parent().is_some());
        // Of the covers of one folder, one that can be used comes first.
        all.sort();
        let mut roots: Vec<(PathBuf, Cover)> = Vec::new();
        for (path, cover) in all {
            if !roots.iter().any(|(root, _)| path.starts_with(root)) {
                roots.push((path, cover));
            }
        }
        let stage = self.stage.ancestors().find_map(|path| path.canonicalize().ok()).unwrap_or_default();
        roots.sort_by_key(|(root, _)| stage.starts_with(root));
        roots
    }

    /// Returns what must be mounted, outer folders first: without what doesn't exist, what would show a whole hidden
    /// folder again, and what is visible by another mount.
    fn visible(&self, roots: &[(PathBuf, Cover)]) -> Vec<Mount> {
        let mut all = self.mounts.clone();
        all.sort_by(|a, b| a.to.cmp(&b.to));
        let mut kept: Vec<Mount> = Vec::new();
        for mount in all {
            let is_moved = mount.from != mount.to;
            let is_hidden = roots.iter().any(|(root, _)| mount.to.starts_with(root));
            let shows_all = self.hidden.iter().any(|(hidden, _)| hidden.starts_with(&mount.to));
            let is_seen = kept.iter().any(|outer| {
                !is_moved
                    && outer.from == outer.to
                    && outer.read_only == mount.read_only
                    && mount.to.starts_with(&outer.to)
            });
            if mount.from.exists() && (is_moved || is_hidden) && !shows_all && !is_seen {
                kept.push(mount);
            }
        }
        kept
    }
}

/// Returns whether a variable changes which programs and libraries a process uses.
fn is_for_programs(name: &OsStr) -> bool {
    name == "PATH" || name.as_encoded_bytes().starts_with(b"LD_")
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
}

/// Lines of a shell script.
#[derive(Default)]
struct Script(OsString);

impl Script {
    /// Adds a line: words as they are, and then paths in quotes.
    fn line(&mut self, words: &[&str], paths: &[&Path]) {
        self.0.push(words.concat());
        for path in paths {
            self.0.push(" ");
            self.0.push(quoted(path));
        }
        self.0.push("\n");
    }
}

/// Returns a path in the shell's quotes.
pub fn quoted(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut text = vec![b'\''];
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'\'' => text.extend_from_slice(b"'\\''"),
            byte => text.push(*byte),
        }
    }
    text.push(b'\'');
    OsString::from_vec(text)
}

/// Tests, once, whether the kernel allows a sandbox of a kind here. The error is the reason why not.
///
/// # Errors
/// The kernel doesn't allow it, or `unshare` or `mount` is missing.
pub async fn available(kind: Kind) -> Result<(), String> {
    static MACHINE: OnceCell<Result<(), String>> = OnceCell::const_new();
    static PROCESS: OnceCell<Result<(), String>> = OnceCell::const_new();
    let known = match kind {
        Kind::Machine => &MACHINE,
        Kind::Process => &PROCESS,
    };
    known.get_or_init(|| tried(kind)).await.clone()
}

/// Runs a command that does nothing in a sandbox that does all that a sandbox can.
async fn tried(kind: Kind) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let shown = dir.path().join("shown");
    std::fs::create_dir(&shown).map_err(|error| error.to_string())?;
    let mut sandbox = Sandbox::new(kind, dir.path().join("stage"));
    sandbox = match kind {
        Kind::Machine => sandbox.hide(dir.path()).place(&shown, "/var/log"),
        Kind::Process => sandbox.with_tmp(2).without_home().hide(dir.path()).read_only_root(),
    };
    let mut command = sandbox.read(&shown).command(Path::new("true"), &[], &shown, []);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| format!("unshare: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(said.lines().next().unwrap_or("unshare fails").to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a shell script in a sandbox, and returns what it wrote. None: the kernel allows no sandbox.
    async fn said(sandbox: &Sandbox, cwd: &Path, script: &str) -> Option<String> {
        if let Err(why) = available(sandbox.kind).await {
            eprintln!("not run: {why}");
            return None;
        }
        let arguments = [OsString::from("-c"), format!("exec 2>&1; {script}").into()];
        let env = [("PATH".into(), path()), ("LD_LIBRARY_PATH".into(), "/nowhere".into())];
        let output = sandbox.command(Path::new("/bin/sh"), &arguments, cwd, env).output().await.unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    #[tokio::test]
    async fn a_process_has_a_tmp_of_its_own_and_sees_only_what_is_shown() {
        let dir = tempfile::Builder::new().prefix("it's ").tempdir().unwrap();
        for name in ["code", "keys", "work"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("file"), name).unwrap();
        }
        let (code, work) = (dir.path().join("code"), dir.path().join("work"));
        let sandbox = Sandbox::new(Kind::Process, dir.path().join("stage"))
            .with_tmp(3)
            .hide(dir.path())
            .read(&code)
            .read(code.join("file"))
            .read(dir.path())
            .write(&work);
        let run = async |script: &str| said(&sandbox, &code, script).await;
        let Some(seen) = run("echo *; cat file; ls ..; echo $LD_LIBRARY_PATH; id -u").await else { return };
        let user = rustix::process::geteuid().as_raw();
        assert_eq!(seen, format!("file\ncodecode\nwork\n/nowhere\n{user}"));
        assert!(run("echo x >file").await.unwrap().contains("Read-only file system"));
        assert_eq!(run("echo done >../work/new; echo y >/tmp/mine; cat /tmp/mine").await.unwrap(), "y");
        assert_eq!(std::fs::read_to_string(work.join("new")).unwrap(), "done\n");
        assert_eq!(run("test -e /tmp/mine || echo none").await.unwrap(), "none");
        assert!(run("head -c 4000000 /dev/zero >/tmp/large").await.unwrap().contains("No space left"));
        assert!(!run("umount /tmp; ls /tmp").await.unwrap().contains("keys"));
        let alone = sandbox.clone().without_network();
        let interfaces = said(&alone, &code, "tail -n +3 /proc/net/dev | cut -d: -f1").await.unwrap();
        assert_eq!(interfaces.trim(), "lo");
    }

    #[tokio::test]
    async fn a_machine_is_root_with_processes_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (shown, place) = (dir.path().join("shown"), dir.path().join("hidden/new/place"));
        for folder in [&shown, &dir.path().join("hidden/keys")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(shown.join("file"), "here").unwrap();
        let sandbox = Sandbox::new(Kind::Machine, dir.path().join("stage"))
            .hide(dir.path().join("hidden"))
            .place(&shown, &place);
        let Some(seen) = said(&sandbox, &place, "id -u; echo $$; cat file; ls ../..").await else { return };
        assert_eq!(seen, "0\n1\nherenew");
    }
}
