//! What serves on every instance of a fleet: opsml's worker, or AWS's PyTorch image, in whose place our
//! [`serve.py`](SERVE) runs the user's script.

use std::path::Path;

use crate::sagemaker::image::Image;
use crate::support::program::Program;
use crate::support::python;

const SERVE: &str = include_str!("serve.py");

/// The program of a fleet.
#[derive(Clone, Debug)]
pub struct Served {
    pub program: Program,
    /// Whether a script of the user's may bring packages to install.
    pub installs: bool,
    /// For messages: the program, and what to do if it can't be started.
    pub what: String,
    pub way_out: &'static str,
}

impl Served {
    /// Returns what serves in place of an image. `folder` is the fleet's.
    ///
    /// # Errors
    /// Why it can't serve.
    pub async fn prepare(image: Image, folder: &Path) -> Result<Self, String> {
        let command = match image {
            Image::Worker(path) => {
                return Ok(Self {
                    program: Program::linked(&path).await.with(["serve"]),
                    installs: false,
                    what: format!("the worker {}", path.display()),
                    way_out: "build it with `make`",
                });
            }
            Image::PyTorch(command) => command,
        };
        let (what, way_out) = (
            format!("the Python that stands for the image, {},", command.display()),
            "OPSML_PYTORCH names another",
        );
        let failed = |error: std::io::Error| format!("{what} could not be started: {error} ({way_out})");
        let mut program = python::find(&command).await.map_err(failed)?.program;
        let serve = folder.join("serve.py");
        std::fs::write(&serve, SERVE).map_err(failed)?;
        program.uses.push(serve.clone());
        Ok(Self { program: program.with(["-u".into(), serve]), installs: true, what, way_out })
    }
}
