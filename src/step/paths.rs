//! The paths that a runbook may name.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use opsml_contract::{HANDLER, WORKER_IMAGE};

use crate::failure::{Failure, Outcome};
use crate::files;

/// The local folders and programs that the steps of a run use.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The runbook's folder. The paths in the runbook are relative to it.
    pub base: PathBuf,
    /// The folder for files that can be recreated, relative to `base`.
    pub cache: PathBuf,
    /// The paths that the user gave on the command line, which may be anywhere.
    pub allowed: Vec<PathBuf>,
    /// The worker, to send it to EC2 instances.
    pub worker: Option<PathBuf>,
    /// The Lambda handler that is part of opsml.
    pub handler: Option<PathBuf>,
}

impl Paths {
    /// The code of the failure of a path that leads out of the runbook's folder.
    pub const OUTSIDE: &str = "OutsidePath";

    /// Returns the path of a file that a field names. It must be below the runbook's folder, or equal to or below a path
    /// that the user gave on the command line.
    pub fn resolve(&self, path: &str) -> Outcome<PathBuf> {
        for allowed in &self.allowed {
            if Path::new(path) == allowed {
                return Ok(PathBuf::from(path));
            }
            // The real paths are compared too: a link must not lead out of the folder.
            let real = Path::new(path).canonicalize().ok().zip(allowed.canonicalize().ok());
            if Path::new(path).starts_with(allowed) && real.is_some_and(|(real, root)| real.starts_with(root))
            {
                return Ok(PathBuf::from(path));
            }
        }
        inside(&self.base, path)
    }
}

impl Paths {
    /// Returns the digest of a file or folder that a step reads: one that a field names, or a program that is part of opsml.
    pub fn digest(&self, name: &str) -> Outcome<String> {
        let program = match name {
            HANDLER => &self.handler,
            WORKER_IMAGE => &self.worker,
            path => return files::digest(&self.resolve(path)?),
        };
        // The step itself says that a program is missing.
        program.as_deref().map_or_else(|| Ok(String::new()), files::digest)
    }
}

fn missing(path: &Path) -> Failure {
    Failure::file(path, "there is no such file or folder")
}

/// Returns the path of a file below the runbook's folder. Refuses a path that leads out of it.
fn inside(base: &Path, path: &str) -> Outcome<PathBuf> {
    let outside = || {
        Failure::new(Paths::OUTSIDE, format!("`{path}` leads out of the runbook's folder"))
            .hint("a path in a runbook is below the runbook's folder; -p NAME=PATH on the command line may give any path")
    };
    let relative = Path::new(path);
    // What the command line gives may lie anywhere, but must be there.
    if relative.is_absolute() && !relative.exists() {
        return Err(missing(relative));
    }
    if relative.is_absolute() || relative.components().any(|part| part == Component::ParentDir) {
        return Err(outside());
    }
    let joined = base.join(relative);
    // A link could lead out of it too.
    let (real, root) = match (joined.canonicalize(), base.canonicalize()) {
        (Ok(real), Ok(root)) => (real, root),
        (Err(error), _) if error.kind() == ErrorKind::NotFound => {
            return Err(missing(&joined).hint(
                "a path in a runbook is relative to its folder; a parameter takes another: -p NAME=PATH",
            ));
        }
        (Err(error), _) => return Err(Failure::file(&joined, error)),
        (_, Err(error)) => return Err(Failure::file(base, error)),
    };
    if real.starts_with(&root) { Ok(joined) } else { Err(outside()) }
}
