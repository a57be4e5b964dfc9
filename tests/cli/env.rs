//! A separate environment for each test: a home, a local cloud, runbooks and images. Nothing in it belongs to the user.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use rusqlite::{Connection, OpenFlags};

/// Credentials that no call may use. They lie where the SDKs look first.
pub const CANARY: &str = "AKIACANARYCANARYCANA";

/// Training takes every core: tests that train do so one after the other.
static CORES: Mutex<()> = Mutex::new(());

/// Waits until no other test trains. The next one waits until the result is dropped.
pub fn cores() -> MutexGuard<'static, ()> {
    CORES.lock().unwrap_or_else(PoisonError::into_inner)
}

pub struct Env {
    root: tempfile::TempDir,
    /// Environment variables in addition to the fixed ones.
    vars: Vec<(String, String)>,
}

/// The exit code and output of a command.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Panics, with the whole output, unless the exit code is this one.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Panics unless standard output has this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "no `{text}` in\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Panics unless standard error has this text.
    #[track_caller]
    pub fn complains(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "no `{text}` in\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Env {
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("opsml-test-").tempdir().unwrap();
        let aws = root.path().join("home/.aws");
        std::fs::create_dir_all(&aws).unwrap();
        let keys = format!("[default]\naws_access_key_id = {CANARY}\naws_secret_access_key = canary\n");
        std::fs::write(aws.join("credentials"), keys).unwrap();
        std::fs::write(
            aws.join("config"),
            "[default]\nregion = eu-north-1\nendpoint_url = http://127.0.0.1:9\n",
        )
        .unwrap();
        std::fs::create_dir(root.path().join("work")).unwrap();
        Self { root, vars: Vec::new() }
    }

    /// Sets a variable for every command that follows.
    pub fn with(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        self.vars.push((name.to_owned(), value.as_ref().display().to_string()));
        self
    }

    /// Returns the folder in which commands run, and to which the paths below are relative.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.work().join(name)
    }

    pub fn cloud(&self) -> PathBuf {
        self.root.path().join("cloud")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let program = env!("CARGO_BIN_EXE_opsml");
        let worker = Path::new(program).with_file_name("opsml-worker");
        assert!(
            worker.is_file(),
            "{} is not built: `make test` builds it, or cargo build --workspace",
            worker.display()
        );
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.work()).stdin(Stdio::null());
        self.environment(&mut command);
        command
    }

    /// Sets a command's variables to those of this environment.
    pub fn environment(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
            .env("HOME", self.root.path().join("home"))
            .env("TMPDIR", self.root.path())
            .env("OPSML_CLOUD_DIR", self.cloud())
            .env("NO_COLOR", "1")
            .envs(self.vars.iter().map(|(name, value)| (name, value)));
    }

    pub fn opsml<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        ran(&mut self.command(arguments))
    }

    /// Starts a command whose output goes to a file of this name.
    pub fn start<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>, output: &str) -> Started {
        let path = self.path(output);
        let file = std::fs::File::create(&path).unwrap();
        let child = self.command(arguments).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Started { child, output: path }
    }

    /// Writes images of two classes that are easy to distinguish: dark ones and bright ones, 32×32, `count` of each
    /// class in each split.
    pub fn images(&self, folder: &str, classes: [&str; 2], count: u32) {
        for split in ["train", "valid", "test"] {
            for (class, light) in classes.iter().zip([40u8, 200]) {
                let folder = self.path(folder).join(split).join(class);
                std::fs::create_dir_all(&folder).unwrap();
                for number in 0..count {
                    let image = RgbImage::from_fn(32, 32, |x, y| {
                        // Each image has a pattern of its own. Only the brightness depends on the class.
                        let shade = light + ((x * 7 + y * 3 + number * 11) % 16) as u8;
                        Rgb([shade, shade, light])
                    });
                    image.save(folder.join(format!("{number}.png"))).unwrap();
                }
            }
        }
    }

    /// Runs Python code, for which this cloud is AWS and which must succeed, and returns its output.
    pub fn python(&self, code: &str) -> String {
        let mut command = Command::new("python3");
        self.environment(&mut command);
        for line in self.opsml(["cloud", "env"]).code(0).stdout.lines() {
            let (name, value) = line.trim_start_matches("export ").split_once('=').unwrap();
            command.env(name, value);
        }
        if let Some(path) = std::env::var_os("OPSML_TEST_PYTHONPATH") {
            command.env("PYTHONPATH", path);
        }
        let output = command.args(["-c", code]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Returns what is in the account, by kind.
    pub fn account(&self) -> serde_json::Value {
        serde_json::from_str(&self.python(include_str!("account.py"))).unwrap()
    }

    /// Returns the number of the last decision and opsml's calls after decision `after`, as `action resource`. They are
    /// read from the local cloud's record of its decisions, not from opsml's journal.
    pub fn calls(&self, after: i64) -> (i64, Vec<String>) {
        let state = self.cloud().join("state.db");
        let connection = Connection::open_with_flags(state, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut query = connection
            .prepare("SELECT id, action, resource FROM decision WHERE id > ? AND principal LIKE '%:user/opsml' ORDER BY id")
            .unwrap();
        let rows = query.query_map([after], |row| {
            Ok((row.get(0)?, format!("{} {}", row.get::<_, String>(1)?, row.get::<_, String>(2)?)))
        });
        let rows: Vec<(i64, String)> = rows.unwrap().map(Result::unwrap).collect();
        let last = rows.last().map_or(after, |(id, _)| *id);
        (last, rows.into_iter().map(|(_, call)| call).collect())
    }

    /// Returns how many events a runbook's journal on the local cloud has.
    pub fn events(&self, stem: &str) -> i64 {
        let journal =
            Connection::open_with_flags(self.journal(stem), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        journal.query_row("SELECT max(seq) FROM events", [], |row| row.get(0)).unwrap()
    }

    /// Returns the path of a runbook's journal on the local cloud.
    pub fn journal(&self, stem: &str) -> PathBuf {
        self.path(&format!(".opsml/{stem}/local-123456789012-us-east-1.db"))
    }
}

/// Returns the calls that can change something.
pub fn mutating(calls: &[String]) -> Vec<&String> {
    let reads = |call: &str| {
        let operation = call.split(' ').next().unwrap_or_default().split(':').nth(1).unwrap_or_default();
        ["Get", "List", "Describe", "Head"].iter().any(|verb| operation.starts_with(verb))
    };
    calls.iter().filter(|call| !reads(call)).collect()
}

impl Drop for Env {
    fn drop(&mut self) {
        if self.cloud().exists() {
            // An error here is ignored: where the test failed, its own message matters more.
            let _ = self.command(["cloud", "stop"]).output();
        }
    }
}

/// A running command. It is killed when this is dropped.
pub struct Started {
    child: Child,
    output: PathBuf,
}

impl Started {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap()).into_owned()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        // An error is ignored: a process that has ended can't be killed.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub fn interrupt(&self) {
        self.signal(rustix::process::Signal::INT);
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub fn wait(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Waits until the command has printed `text`. Returns false if it ended without.
    pub fn wait_for(&mut self, text: &str) -> bool {
        wait_for(&format!("`{text}`"), || {
            if self.said().contains(text) {
                return Some(true);
            }
            self.ended().map(|_| self.said().contains(text))
        })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Calls `answer` until it returns something, for two minutes at most.
pub fn wait_for<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
