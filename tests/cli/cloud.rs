//! A local cloud that `opsml cloud start` has started, and the programs that use it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use image::RgbImage;
use serde_json::Value;

/// A server with a folder of its own. It is stopped when this is dropped.
pub struct Cloud {
    pub dir: tempfile::TempDir,
    /// What `opsml cloud env` exports.
    variables: Vec<(String, String)>,
}

impl Cloud {
    pub fn start() -> Self {
        let worker = Path::new(env!("CARGO_BIN_EXE_opsml")).with_file_name("opsml-worker");
        assert!(worker.is_file(), "{} is missing: cargo build --workspace", worker.display());
        let mut cloud = Self { dir: tempfile::tempdir().unwrap(), variables: Vec::new() };
        cloud.read_env();
        cloud
    }

    /// Starts the server if it doesn't run, and reads its address and keys.
    pub fn read_env(&mut self) {
        let exports = text(self.opsml(&["cloud", "env"]));
        let pairs = exports.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        self.variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    }

    pub fn endpoint(&self) -> &str {
        let found = self.variables.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL");
        &found.expect("`opsml cloud env` names the endpoint").1
    }

    pub fn pid(&self) -> i32 {
        let status: Value =
            serde_json::from_str(&text(self.opsml(&["cloud", "status", "--format", "json"]))).unwrap();
        status["running"]["pid"].as_i64().unwrap().try_into().unwrap()
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.dir.path())
            .env("OPSML_CLOUD_DIR", self.dir.path().join("cloud"))
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    pub fn opsml(&self, arguments: &[&str]) -> Output {
        let variables = self.variables.iter().filter(|(name, _)| name != "AWS_ENDPOINT_URL").cloned();
        self.command(env!("CARGO_BIN_EXE_opsml")).envs(variables).args(arguments).output().unwrap()
    }

    /// Returns a Python command with the tests' packages, for which this cloud is AWS.
    pub fn python(&self) -> Command {
        let mut command = self.command("python3");
        command
            .env("PYTHONPATH", &*PYTHONPATH)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(self.variables.iter().cloned());
        command
    }

    /// Starts `script`, and returns the first line that it prints. Its stdin stays open as long as the child lives.
    pub fn python_server(&self, script: &Path, arguments: &[&str]) -> (Child, String) {
        let mut command = self.python();
        let mut child =
            command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "{} has ended", script.display());
        (child, line.trim().to_owned())
    }

    /// Writes images in ImageFolder layout: two classes that can be distinguished, ten images each.
    pub fn images(&self) -> PathBuf {
        let root = self.dir.path().join("images");
        for (split, count) in [("train", 6), ("valid", 2), ("test", 2)] {
            for (class, base) in [("dark", 30), ("light", 200)] {
                let folder = root.join(split).join(class);
                std::fs::create_dir_all(&folder).unwrap();
                for n in 0..count {
                    let pixel = |x: u32, y: u32| image::Rgb([base + n, (base + x as u8) ^ 1, base + y as u8]);
                    RgbImage::from_fn(32, 32, pixel).save(folder.join(format!("{split}-{n}.png"))).unwrap();
                }
            }
        }
        root
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.opsml(&["cloud", "stop"]);
    }
}

/// Returns what a program wrote on stdout. The program must have succeeded.
pub fn text(output: Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{:?}\n{stdout}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}

pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The folder of the pinned boto3. If the environment doesn't name it, it is installed.
static PYTHONPATH: LazyLock<String> = LazyLock::new(|| {
    let print = "env=$(scripts/python-env.sh) && eval \"$env\" && printf %s \"$OPSML_TEST_PYTHONPATH\"";
    std::env::var("OPSML_TEST_PYTHONPATH").unwrap_or_else(|_| {
        text(Command::new("bash").args(["-c", print]).current_dir(repository("")).output().unwrap())
    })
});
