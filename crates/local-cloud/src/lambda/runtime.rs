//! The runtimes that the local cloud supports: `provided.*` runs the code's own `bootstrap`. `python3.*` runs the
//! machine's Python with our [`boot.py`](BOOT), or with AWS's `awslambdaric` if that Python has it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::errors::invalid;
use super::host::Host;
use super::record::Version;
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::folder::private_dir;

const BOOT: &str = include_str!("boot.py");
/// How long a Python may take to print its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// The runtimes that AWS accepts for new functions.
const RUNTIMES: [&str; 20] = [
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "java8.al2",
    "java11",
    "java17",
    "java21",
    "java25",
    "dotnet8",
    "dotnet10",
    "ruby3.3",
    "ruby3.4",
    "provided.al2",
    "provided.al2023",
];

/// Checks that a runtime exists and that the local cloud supports it.
///
/// # Errors
/// There is no such runtime, or the local cloud doesn't support it.
pub fn check(runtime: &str) -> Result<(), AwsError> {
    if !RUNTIMES.contains(&runtime) {
        return Err(invalid(format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be \
             a valid ARN",
            RUNTIMES.join(", ")
        )));
    }
    if runtime.starts_with("python") || runtime.starts_with("provided") {
        return Ok(());
    }
    Err(AwsError::unsupported("Lambda", &format!("the runtime {runtime}")))
}

/// Returns the folder of the runtimes' files, which functions see as LAMBDA_RUNTIME_DIR.
pub fn folder(cloud: &Cloud) -> PathBuf {
    cloud.settings.dir.join("lambda/runtime")
}

/// Writes the runtimes' files. Each start of a server does so, since they may be those of another build.
///
/// # Errors
/// The folder cannot be written.
pub fn prepare(cloud: &Cloud) -> std::io::Result<()> {
    private_dir(&folder(cloud))?;
    std::fs::write(folder(cloud).join("boot.py"), BOOT)
}

fn python(cloud: &Cloud) -> PathBuf {
    cloud.settings.python.clone().unwrap_or_else(|| "python3".into())
}

/// Returns the program that runs a version whose code is in `root`, and its arguments.
pub fn command(cloud: &Cloud, version: &Version, root: &Path) -> (PathBuf, Vec<OsString>) {
    if version.settings.runtime.starts_with("python") {
        (python(cloud), vec!["-u".into(), folder(cloud).join("boot.py").into()])
    } else {
        (root.join("bootstrap"), Vec::new())
    }
}

/// Returns why the program didn't start, in AWS's words. For a machine without Python, AWS has no words.
pub fn not_started(version: &Version, program: &Path, error: &std::io::Error) -> String {
    let runtime = &version.settings.runtime;
    if runtime.starts_with("python") {
        return format!(
            "the local cloud cannot run {runtime}: {}: {error} (OPSML_PYTHON names another Python)",
            program.display()
        );
    }
    let why = match error.kind() {
        std::io::ErrorKind::NotFound if !program.exists() => {
            return "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned();
        }
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        // 8 is ENOEXEC, for which ErrorKind has no variant.
        _ if error.raw_os_error() == Some(8) => "exec format error".to_owned(),
        _ => error.to_string(),
    };
    format!("fork/exec /var/task/bootstrap: {why}")
}

/// Returns the runtime's version for the log. For Python it is the machine's, whichever version the function asks for.
pub async fn version(host: &Host, version: &Version) -> String {
    let runtime = &version.settings.runtime;
    let Some(wanted) = runtime.strip_prefix("python") else {
        return format!("{runtime} (the machine's own system)");
    };
    let found = host.python.get_or_init(|| async {
        let mut command = Command::new(python(&host.cloud));
        command
            .args(["-c", "import platform; print(platform.python_version())"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(VERSION_TIMEOUT, command.output()).await.ok()?.ok()?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (!version.is_empty()).then_some(version)
    });
    match found.await {
        None => format!("{runtime} (the machine has no Python)"),
        Some(found) if found.starts_with(&format!("{wanted}.")) => format!("python:{found}"),
        Some(found) => format!("python:{found} (the machine's; the function asks for {runtime})"),
    }
}
