//! Script mode: AWS's PyTorch image runs the user's own script. Here a Python with PyTorch runs it, and this file does
//! what the image's training toolkit does before, around and after the script.
//! <https://github.com/aws/sagemaker-training-toolkit>, `entry_point.py` and `process.py`

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::environment::Parameters;
use super::layout::{INTERFACE, Layout};
use crate::authority::Session;
use crate::child::pip_env;
use crate::s3::Objects;
use crate::sagemaker::log::Seen;
use crate::sagemaker::platform::Platform;
use crate::sagemaker::transfer::{S3Uri, Shard, copy_files, disk, download};
use crate::support::archive::{files_under, unpack_tar};
use crate::support::program::Program;
use crate::support::python::Python;

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
/// The greatest number of characters of the script's error message in a FailureReason, which may have 1024.
const MAX_ERROR: usize = 700;

/// Matches the line that the toolkit regards as the first of an error message. The last alternative is pip's.
static ERROR: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(Error|Exception)\b|Invalid requirement|^ERROR: ").ok());

/// The user's script, which runs on every host.
#[derive(Debug)]
pub struct Script {
    python: Python,
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
    /// Copies the user's code into every host's folder.
    ///
    /// # Errors
    /// The FailureReason.
    pub async fn prepare(
        platform: &Platform,
        python: Python,
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
        Ok(Self {
            python,
            program,
            arguments: parameters.arguments(),
            job: parameters.toolkit("sagemaker_job_name").unwrap_or_default(),
            region: parameters.toolkit("sagemaker_region").unwrap_or_else(|| platform.cloud.region.clone()),
        })
    }

    /// Returns what runs the script on one host, in the folder of the code.
    pub fn command(&self, layout: &Layout) -> Program {
        let packages = layout.code().join("setup.py").is_file();
        let shell = self.program.ends_with(".sh") || !(packages || self.program.ends_with(".py"));
        let python = &self.python.program;
        let of_shell = Program { path: "/bin/sh".into(), arguments: Vec::new(), ..python.clone() };
        let run = if shell {
            of_shell.clone().with([format!("./{}", self.program)])
        } else if packages {
            let module = self.program.strip_suffix(".py").unwrap_or(&self.program);
            python.clone().with(["-m", module])
        } else {
            python.clone().with(["--", &self.program])
        };
        let run = run.with(&self.arguments);
        let Some(install) = Self::install(layout).filter(|_| !shell) else { return run };
        // pip runs first, in the same process group and log. If the marker file is left, it was pip that failed.
        let first = format!(
            r#"marker=$1; shift; touch "$marker"; "$0" {} || exit; rm "$marker"; exec "$@""#,
            install.join(" ")
        );
        let marker = layout.home.join(INSTALLING);
        let first = of_shell.with(["-c".into(), first.into(), python.path.clone().into_os_string()]);
        first.with([marker, run.path]).with(run.arguments)
    }

    fn python(&self) -> String {
        self.python.program.path.to_string_lossy().into_owned()
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
    /// `seen` has the folders as the container sees them.
    pub fn environment(&self, layout: &Layout, seen: &Layout) -> Vec<(String, String)> {
        let own = self.python.program.env.iter().find(|(name, _)| name == "PYTHONPATH");
        let own = own.map(|(_, path)| format!(":{}", path.to_string_lossy())).unwrap_or_default();
        let mut env = vec![
            ("PYTHONPATH".to_owned(), format!("{}{own}", seen.code().to_string_lossy())),
            ("PYTHONUNBUFFERED".to_owned(), "1".to_owned()),
            ("CURRENT_HOST".to_owned(), layout.host.clone()),
            ("SAGEMAKER_JOB_NAME".to_owned(), self.job.clone()),
            ("SAGEMAKER_REGION".to_owned(), self.region.clone()),
            ("NCCL_SOCKET_IFNAME".to_owned(), INTERFACE.to_owned()),
            ("NCCL_IB_DISABLE".to_owned(), "1".to_owned()),
            ("NCCL_DEBUG".to_owned(), "WARN".to_owned()),
        ];
        if let Some(version) = self.python.torch.clone().filter(|version| !version.is_empty()) {
            env.push(("SM_DLC_TORCH_VERSION".to_owned(), version));
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
        let install = Self::install(layout).filter(|_| layout.home.join(INSTALLING).exists());
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
        let folder = layout.home.join("source");
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
        let program = Program { path: "python3".into(), ..Program::default() };
        let script = Script {
            python: Python { version: String::new(), torch: None, program },
            program: "x.py".to_owned(),
            arguments: vec!["--lr".to_owned(), "1".to_owned()],
            job: String::new(),
            region: String::new(),
        };
        let layout = Layout { base: "/nowhere".into(), home: "/nowhere".into(), host: "algo-1".to_owned() };
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
