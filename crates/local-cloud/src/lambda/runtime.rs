//! The runtimes that the local cloud supports: `provided.*` runs the code's own `bootstrap`. `python3.*` runs the
//! machine's Python with our [`boot.py`](BOOT), or with AWS's `awslambdaric` if that Python has it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::errors::invalid;
use super::host::Host;
use super::record::Version;
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::folder::private_dir;
use crate::support::program::Program;

const BOOT: &str = include_str!("boot.py");
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

/// Returns the program that runs a version whose code is in `root`.
pub async fn program(host: &Host, version: &Version, root: &Path) -> Program {
    let cloud = &host.cloud;
    if !version.settings.runtime.starts_with("python") {
        return Program { path: root.join("bootstrap"), ..Program::default() };
    }
    let arguments: Vec<OsString> = vec!["-u".into(), folder(cloud).join("boot.py").into()];
    // The command may be a script that sets variables and then runs the Python. A function may not see what the script
    // uses, so the Python is run itself.
    match host.python().await {
        Some(python) => python.program.clone().with(arguments),
        None => Program { path: host.python_command(), arguments, ..Program::default() },
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
    match host.python().await.map(|python| &python.version) {
        None => format!("{runtime} (the machine has no Python)"),
        Some(found) if found.starts_with(&format!("{wanted}.")) => format!("python:{found}"),
        Some(found) => format!("python:{found} (the machine's; the function asks for {runtime})"),
    }
}
