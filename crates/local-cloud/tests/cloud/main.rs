//! Tests of the local cloud by boto3 and by its own clients. Each test starts a server of its own.

mod access;
mod boto3;
mod doors;
mod ec2;
mod ec2_api;
mod iam_audit;
mod lambda;
mod lambda_limits;
mod lambda_url;
mod lifecycle;
mod notebook;
mod proxy;
mod s3;
mod s3_policy;
mod sagemaker;
mod scaling;
mod script;
mod tuning;
mod walk;

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use local_cloud::Settings;
use local_cloud::folder::Record;
use local_cloud::iam::AccessKey;
use local_cloud::lifecycle::serve_until;
use tokio::sync::oneshot;

/// A server in this process, stopped when dropped.
pub struct Server {
    pub dir: tempfile::TempDir,
    pub endpoint: String,
    pub keys: AccessKey,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    pub fn start_in(dir: tempfile::TempDir) -> Self {
        Self::start_with(dir, |_| {})
    }

    pub fn start_with(dir: tempfile::TempDir, set: impl FnOnce(&mut Settings)) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let mut settings = Settings::new(dir.path());
        set(&mut settings);
        settings.worker = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloud/worker.py"));
        settings.tools = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloud/tools.sh"));
        let (listens, listening) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            let stopped = async {
                let _ = stopped.await;
            };
            let announce = |record: &Record| listens.send(record.endpoint()).unwrap();
            runtime.block_on(serve_until(settings, stopped, announce)).unwrap();
        });
        let endpoint = listening.recv().expect("the server has ended");
        let keys = AccessKey::read(dir.path()).unwrap();
        Self { endpoint, keys, dir, stop: Some(stop), thread: Some(thread) }
    }

    /// Stops the server, and starts one with the same state.
    pub fn restart(self) -> Self {
        self.restart_with(Self::start_in)
    }

    pub fn restart_with(mut self, start: impl FnOnce(tempfile::TempDir) -> Self) -> Self {
        self.end();
        start(std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap()))
    }

    fn end(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Runs Python code, which has the boto3 clients `iam`, `sts` and `logs` and must succeed, and returns its output.
    pub fn python(&self, code: &str) -> String {
        self.python_with(code, &[])
    }

    pub fn python_with(&self, code: &str, arguments: &[&str]) -> String {
        python_with(&self.endpoint, &self.keys, self.dir.path(), code, arguments)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

pub fn wait_for<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The folder of the pinned boto3.
static PYTHONPATH: LazyLock<String> =
    LazyLock::new(|| made("OPSML_TEST_PYTHONPATH", "scripts/python-env.sh"));

/// Returns the value of an environment variable. Where it isn't set, one of our scripts is run, which prints its
/// `export`.
pub fn made(variable: &str, script: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let print = format!("env=$({script}) && eval \"$env\" && printf %s \"${variable}\"");
    std::env::var(variable).unwrap_or_else(|_| {
        let output = Command::new("bash").args(["-c", &print]).current_dir(root).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    })
}

pub fn python(endpoint: &str, keys: &AccessKey, home: &Path, code: &str) -> String {
    python_with(endpoint, keys, home, code, &[])
}

/// Runs Python code with `arguments` as its `sys.argv[1:]`, and returns its output.
pub fn python_with(endpoint: &str, keys: &AccessKey, home: &Path, code: &str, arguments: &[&str]) -> String {
    let prelude = include_str!("prelude.py");
    let output = Command::new("python3")
        .args(["-c", &format!("{prelude}\n{code}")])
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("PYTHONPATH", &*PYTHONPATH)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", &keys.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &keys.secret_access_key)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}
