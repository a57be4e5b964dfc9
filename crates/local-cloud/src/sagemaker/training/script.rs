//! Script mode: AWS's PyTorch image runs the user's own script. Here a Python with PyTorch runs it, and this file does
//! what the image's training toolkit does before, around and after the script.
//! <https://github.com/aws/sagemaker-training-toolkit>, `entry_point.py` and `process.py`

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use tokio::process::Command;

use super::environment::Parameters;
use super::layout::{INTERFACE, Layout};
use crate::authority::Session;
use crate::child::{child_env, pip_env};
use crate::cloud::Cloud;
use crate::s3::Objects;
use crate::sagemaker::log::Seen;
use crate::sagemaker::platform::Platform;
use crate::sagemaker::transfer::{S3Uri, Shard, copy_files, disk, download};
use crate::support::archive::{files_under, unpack_tar};

/// The image's entry point, which its toolkit calls. The script's environment has its name.
pub const FRAMEWORK: &str = "sagemaker_pytorch_container.training:main";
/// The hyperparameters that request a launcher of several processes on each host.
const LAUNCHERS: [&str; 6] = [
    "sagemaker_mpi_enabled",
    "sagemaker_pytorch_ddp_enabled",
    "sagemaker_torch_distributed_enabled",
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
    "sagemaker_parameter_server_enabled",
];
/// A file that exists while pip runs.
const INSTALLING: &str = "installing";
/// A program that prints PyTorch's version without importing PyTorch, which would take seconds.
const FIND_VERSION: &str = "import importlib.util, os, runpy
spec = importlib.util.find_spec('torch')
if not (spec and spec.origin): raise SystemExit(3)
try: print(runpy.run_path(os.path.join(os.path.dirname(spec.origin), 'version.py'))['__version__'])
except (OSError, KeyError): pass";
/// The greatest number of characters of the script's error message in a FailureReason, which may have 1024.
const MAX_ERROR: usize = 700;

/// Matches the line that the toolkit regards as the first of an error message. The last alternative is pip's.
static ERROR: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(Error|Exception)\b|Invalid requirement|^ERROR: ").ok());

/// The user's script, which runs on every host.
#[derive(Debug)]
pub struct Script {
    python: PathBuf,
    /// PyTorch's version. It is empty if it isn't known.
    version: String,
    /// The script's path in the folder of the code, such as `train.py`.
    pub program: String,
    arguments: Vec<String>,
    job: String,
    region: String,
}

/// Returns the launcher that a job's hyperparameters request.
pub fn launcher(input: &Value) -> Option<&'static str> {
    let parameters = Parameters::of(input);
    LAUNCHERS.into_iter().find(|name| {
        parameters.toolkit(name).is_some_and(|value| !matches!(value.as_str(), "False" | "0" | "None" | ""))
    })
}

impl Script {
    /// Looks at the Python, and copies the user's code into every host's folder.
    ///
    /// # Errors
    /// The FailureReason.
    pub async fn prepare(
        platform: &Platform,
        python: PathBuf,
        session: &Session,
        input: &Value,
        layouts: &[Layout],
    ) -> Result<Self, String> {
        let parameters = Parameters::of(input);
        let program = parameters.toolkit("sagemaker_program").unwrap_or_default();
        check_program(&program)?;
        let directory = parameters.toolkit("sagemaker_submit_directory");
        for layout in layouts {
            fetch(&*platform.objects, session, directory.as_deref(), layout).await?;
            if !layout.code().join(&program).is_file() {
                return Err(format!(
                    "ClientError: The training entry point '{program}' is not in the source directory {}: the local \
                     cloud has no image that could bring it, so name an archive that has it in \
                     sagemaker_submit_directory.",
                    directory.as_deref().unwrap_or("/opt/ml/code")
                ));
            }
        }
        let cloud = &platform.cloud;
        let home = layouts.first().map(Layout::home).unwrap_or_default();
        let version = find_version(&python, cloud, &home, session).await?;
        Ok(Self {
            python,
            version,
            program,
            arguments: parameters.arguments(),
            job: parameters.toolkit("sagemaker_job_name").unwrap_or_default(),
            region: parameters.toolkit("sagemaker_region").unwrap_or_else(|| cloud.region.clone()),
        })
    }

    /// Returns the command that runs the script on one host. The caller adds the container's environment.
    pub fn command(&self, layout: &Layout) -> Command {
        let code = layout.code();
        let packages = code.join("setup.py").is_file();
        let shell = self.program.ends_with(".sh") || !(packages || self.program.ends_with(".py"));
        let mut run: Vec<String> = if shell {
            vec!["/bin/sh".to_owned(), format!("./{}", self.program)]
        } else if packages {
            let module = self.program.strip_suffix(".py").unwrap_or(&self.program);
            vec![self.python(), "-m".to_owned(), module.to_owned()]
        } else {
            vec![self.python(), "--".to_owned(), self.program.clone()]
        };
        run.extend(self.arguments.iter().cloned());
        let mut command;
        if !shell && let Some(install) = Self::install(layout) {
            // pip runs first, in the same process group and log. If the marker file is left, it was pip that failed.
            let first = format!(
                r#"marker=$1; shift; touch "$marker"; "$0" {} || exit; rm "$marker"; exec "$@""#,
                install.join(" ")
            );
            command = Command::new("/bin/sh");
            command.args(["-c", &first, &self.python()]).arg(layout.home().join(INSTALLING)).args(&run);
        } else {
            command = Command::new(&run[0]);
            command.args(&run[1..]);
        }
        command.current_dir(code);
        command
    }

    fn python(&self) -> String {
        self.python.to_string_lossy().into_owned()
    }

    /// Returns pip's arguments. None: the code needs no packages.
    fn install(layout: &Layout) -> Option<Vec<&'static str>> {
        let has = |name: &str| layout.code().join(name).is_file();
        let mut arguments = vec!["-m", "pip", "install"];
        if has("setup.py") {
            arguments.push(".");
        }
        if has("requirements.txt") {
            arguments.extend(["-r", "requirements.txt"]);
        }
        (arguments.len() > 3).then_some(arguments)
    }

    /// Returns the variables that the image's toolkit sets and that don't begin with `SM_`.
    pub fn environment(&self, layout: &Layout) -> Vec<(String, String)> {
        let mut env = vec![
            ("PYTHONPATH".to_owned(), layout.code().to_string_lossy().into_owned()),
            ("PYTHONUNBUFFERED".to_owned(), "1".to_owned()),
            ("CURRENT_HOST".to_owned(), layout.host.clone()),
            ("SAGEMAKER_JOB_NAME".to_owned(), self.job.clone()),
            ("SAGEMAKER_REGION".to_owned(), self.region.clone()),
            ("NCCL_SOCKET_IFNAME".to_owned(), INTERFACE.to_owned()),
            ("NCCL_IB_DISABLE".to_owned(), "1".to_owned()),
            ("NCCL_DEBUG".to_owned(), "WARN".to_owned()),
        ];
        if !self.version.is_empty() {
            env.push(("SM_DLC_TORCH_VERSION".to_owned(), self.version.clone()));
        }
        if Self::install(layout).is_some() {
            // Packages are installed in the container's home, which is removed with the job. The machine's Python stays
            // unchanged.
            env.push(("PIP_USER".to_owned(), "1".to_owned()));
            env.push(("PIP_DISABLE_PIP_VERSION_CHECK".to_owned(), "1".to_owned()));
            env.extend(pip_env());
        }
        env
    }

    /// Returns why the script failed, in the toolkit's words. `code` is Python's return code, which is negative for a
    /// signal.
    pub fn failure(&self, layout: &Layout, code: i32, seen: &Seen) -> String {
        let install = Self::install(layout).filter(|_| layout.home().join(INSTALLING).exists());
        let (error, command) = match install {
            Some(arguments) if arguments.contains(&".") => ("InstallModuleError", arguments.join(" ")),
            Some(arguments) => ("InstallRequirementsError", arguments.join(" ")),
            None => {
                let run = [vec!["--".to_owned(), self.program.clone()], self.arguments.clone()].concat();
                ("ExecuteUserScriptError", run.join(" "))
            }
        };
        let lines =
            seen.tail.iter().skip_while(|line| !ERROR.as_ref().is_some_and(|error| error.is_match(line)));
        let mut different: Vec<&str> = Vec::new();
        for line in lines.map(|line| line.trim_matches([' ', ':'])) {
            if !different.contains(&line) {
                different.push(line);
            }
        }
        let message = different.join("\n ");
        // If the message is too long, its end is kept, since a traceback ends with the error.
        let skip = message.chars().count().saturating_sub(MAX_ERROR);
        let message: String = message.chars().skip(skip).collect();
        format!(
            "{error}:\nExitCode {code}\nErrorMessage \"{message}\"\nCommand \"{} {command}\"",
            self.python()
        )
    }
}

/// Checks a script's name by the toolkit's rule: it must be a relative path inside the folder, and not look like an
/// option.
fn check_program(program: &str) -> Result<(), String> {
    if program.is_empty() {
        return Err("ClientError: The training entry point name is empty. Set the 'sagemaker_program' hyperparameter \
                    to the name of the script to run, relative to your source directory."
            .to_owned());
    }
    let part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
    };
    if program.starts_with(['-', '+']) || !program.split('/').all(part) {
        return Err(format!(
            "ClientError: The training entry point '{program}' cannot be used: it must be a path inside your source \
             directory of letters, digits, '.', '_', '+', '-' and '/', and not start with '-' or '/'."
        ));
    }
    Ok(())
}

/// Copies the code into its folder. It comes from S3, or from a folder or archive in the container.
async fn fetch(
    objects: &dyn Objects,
    session: &Session,
    from: Option<&str>,
    layout: &Layout,
) -> Result<(), String> {
    let Some(from) = from else { return Ok(()) };
    let failed = |why: String| format!("ClientError: the source directory {from} could not be used: {why}");
    let code = layout.code();
    let archive = if from.starts_with("s3://") {
        let uri = S3Uri::parse(from).map_err(|error| failed(error.message))?;
        let folder = layout.home().join("source");
        std::fs::create_dir_all(&folder).map_err(|error| failed(disk(&error).message))?;
        let found = download(objects, &session.caller, &uri, &folder, Shard::ALL).await;
        let found = found.map_err(|error| failed(error.message))?;
        match &files_under(&folder).map_err(|error| failed(disk(&error).message))?[..] {
            [file] if found == 1 => file.clone(),
            _ => return Err(failed(format!("it must be one archive, and {found} objects have that name"))),
        }
    } else {
        let inside = Path::new(from)
            .strip_prefix("/opt/ml")
            .ok()
            .filter(|path| path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
        layout.base.join(inside.ok_or_else(|| failed("it is neither in S3 nor under /opt/ml".to_owned()))?)
    };
    if archive == code {
        return Ok(());
    }
    let placed = tokio::task::spawn_blocking(move || {
        if archive.is_dir() { copy_files(&archive, &code) } else { unpack_tar(&archive, &code) }
    })
    .await;
    placed.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
}

/// Returns the version of a Python's PyTorch. It is empty if it isn't known.
async fn find_version(
    python: &Path,
    cloud: &Cloud,
    home: &Path,
    session: &Session,
) -> Result<String, String> {
    let command = Command::new(python)
        .args(["-c", FIND_VERSION])
        .env_clear()
        .envs(child_env(cloud, home, session))
        .current_dir(home)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let way_out = "set OPSML_PYTORCH to a command that runs a Python with PyTorch before the local cloud starts, or \
                   train with the image opsml-worker, which needs neither";
    let python = python.display();
    let output = command.await.map_err(|error| {
        format!("ClientError: script mode needs Python, and {python} could not be run ({error}): {way_out}.")
    })?;
    if !output.status.success() {
        return Err(format!(
            "ClientError: script mode needs PyTorch, which {python} does not have: install it there, or {way_out}."
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_stay_in_the_code() {
        for good in ["train.py", "bin/train.sh", "_x/+a-b.py", ".hidden"] {
            check_program(good).unwrap();
        }
        for bad in ["", "-c", "/etc/x.py", "../x.py", "a/./x.py", "a//x.py", "a b.py", "x;y.py", "é.py"] {
            assert!(check_program(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_are_worded_as_by_the_toolkit() {
        let script = Script {
            python: "python3".into(),
            version: String::new(),
            program: "x.py".to_owned(),
            arguments: vec!["--lr".to_owned(), "1".to_owned()],
            job: String::new(),
            region: String::new(),
        };
        let layout = Layout { base: "/nowhere".into(), host: "algo-1".to_owned() };
        let tail =
            ["epoch 1", "Traceback:", "  raise ValueError(1)", "    ^^^^", "ValueError: 1", "    ^^^^"];
        let seen = Seen { tail: tail.map(str::to_owned).into(), ..Seen::default() };
        assert_eq!(
            script.failure(&layout, 1, &seen),
            "ExecuteUserScriptError:\nExitCode 1\nErrorMessage \"raise ValueError(1)\n ^^^^\n ValueError: 1\"\n\
             Command \"python3 -- x.py --lr 1\""
        );
    }
}
