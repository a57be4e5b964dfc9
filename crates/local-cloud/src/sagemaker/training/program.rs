//! What every host of a job runs: opsml's worker, or AWS's PyTorch image, whose toolkit runs the user's script, or which
//! runs the command that the job names as its entry point.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::layout::Layout;
use super::script::Script;
use crate::authority::Session;
use crate::sagemaker::image::Image;
use crate::sagemaker::platform::Platform;
use crate::support::program::Program;
use crate::support::python::{self, Python};

/// The program of a job.
#[derive(Debug)]
pub enum Main {
    Worker(Program),
    Script(Script),
    /// ContainerEntrypoint with ContainerArguments, and the image's Python.
    Entrypoint(Vec<String>, Python),
}

impl Main {
    /// Finds what a job's image and input name, and copies the user's code into every host's folder.
    ///
    /// # Errors
    /// The FailureReason.
    pub async fn prepare(
        image: Image,
        platform: &Platform,
        session: &Session,
        input: &Value,
        layouts: &[Layout],
    ) -> Result<Self, String> {
        let python = match image {
            Image::Worker(path) => return Ok(Self::Worker(Program::linked(&path).await.with(["train"]))),
            Image::PyTorch(python) => pytorch(&python).await?,
        };
        for layout in layouts {
            write_commands(&layout.home, &python).map_err(|error| format!("InternalServerError: {error}"))?;
        }
        match entrypoint(input) {
            Some(command) => Ok(Self::Entrypoint(command, python)),
            None => Script::prepare(platform, python, session, input, layouts).await.map(Self::Script),
        }
    }

    /// Returns the script that AWS's toolkit runs. None: no toolkit runs.
    pub fn script(&self) -> Option<&Script> {
        match self {
            Self::Script(script) => Some(script),
            Self::Worker(_) | Self::Entrypoint(..) => None,
        }
    }

    /// Returns what runs on one host, and its working folder. `seen` has the folders as the container sees them.
    pub fn command(&self, layout: &Layout, seen: &Layout) -> (Program, PathBuf) {
        match self {
            Self::Worker(program) => (program.clone(), seen.base.clone()),
            Self::Script(script) => (script.command(layout), seen.code()),
            Self::Entrypoint(command, python) => {
                let (first, rest) =
                    command.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
                let program = Program { path: first.into(), arguments: Vec::new(), ..python.program.clone() };
                (program.with(rest), seen.base.clone())
            }
        }
    }

    /// Returns the folder with the image's own commands, which come before the machine's. None: it has none.
    pub fn commands(&self, layout: &Layout) -> Option<PathBuf> {
        (!matches!(self, Self::Worker(_))).then(|| layout.home.join(COMMANDS))
    }

    /// Returns, for messages, which program couldn't be started, and what to do.
    pub fn missing(&self) -> String {
        match self {
            Self::Worker(program) => format!("the worker {} (build it with `make`)", program.path.display()),
            Self::Script(script) => format!("the script {}", script.program),
            Self::Entrypoint(command, _) => {
                format!("the entry point {}", command.first().map_or("", String::as_str))
            }
        }
    }
}

/// The folder, in a container's home, of the commands that the image has.
const COMMANDS: &str = "bin";

/// Writes the commands of the image's Python, by which a script of the user's runs it.
fn write_commands(home: &Path, python: &Python) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = home.join(COMMANDS);
    std::fs::create_dir_all(&folder)?;
    for (names, more) in [(["python", "python3"], ""), (["pip", "pip3"], " -m pip")] {
        let mut text = OsString::from("#!/bin/sh\nexec ");
        text.push(crate::support::sandbox::quoted(&python.program.path));
        for argument in &python.program.arguments {
            text.push(" ");
            text.push(crate::support::sandbox::quoted(Path::new(argument)));
        }
        text.push(more);
        text.push(" \"$@\"\n");
        for name in names {
            let file = folder.join(name);
            std::fs::write(&file, text.as_encoded_bytes())?;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

/// Returns ContainerEntrypoint with ContainerArguments. None: the image's own entry point runs.
pub fn entrypoint(input: &Value) -> Option<Vec<String>> {
    let algorithm = &input["AlgorithmSpecification"];
    let words = |name: &str| {
        let list = algorithm[name].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let command = words("ContainerEntrypoint");
    (!command.is_empty()).then(|| [command, words("ContainerArguments")].concat())
}

/// Returns the Python with PyTorch that a command runs.
///
/// # Errors
/// There is none, and what to do.
async fn pytorch(command: &Path) -> Result<Python, String> {
    let way_out = "set OPSML_PYTORCH to a command that runs a Python with PyTorch before the local cloud starts, or \
                   train with the image opsml-worker, which needs neither";
    let shown = command.display();
    let python = python::find(command).await.map_err(|error| {
        format!("ClientError: script mode needs Python, and {shown} could not be run ({error}): {way_out}.")
    })?;
    if python.torch.is_none() {
        return Err(format!(
            "ClientError: script mode needs PyTorch, which {shown} does not have: install it there, or {way_out}."
        ));
    }
    Ok(python)
}
