//! Which program an image name stands for.

use std::path::PathBuf;

use opsml_contract::WORKER_IMAGE;

use crate::cloud::Cloud;

/// What the local cloud can run in place of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// opsml's own worker.
    Worker(PathBuf),
}

impl Image {
    /// # Errors
    /// Why no program stands for the image, and the way out.
    pub fn resolve(cloud: &Cloud, image: &str) -> Result<Self, String> {
        match repository(image) {
            WORKER_IMAGE => match &cloud.settings.worker {
                Some(path) => Ok(Self::Worker(path.clone())),
                None => Err(format!(
                    "the local cloud was started without the worker that the image {WORKER_IMAGE} stands for: build \
                     it with `make`"
                )),
            },
            other => Err(format!(
                "the local cloud cannot run the image {image}: no program stands for the repository {other} here, \
                 only for {WORKER_IMAGE}"
            )),
        }
    }

    /// The program, to be given `train` or `serve`.
    pub fn program(&self) -> &PathBuf {
        match self {
            Self::Worker(path) => path,
        }
    }
}

/// `opsml-worker` of `123456789012.dkr.ecr.us-east-1.amazonaws.com/opsml-worker:1`.
fn repository(image: &str) -> &str {
    let path = match image.split_once('/') {
        Some((registry, path)) if registry.contains(".dkr.ecr.") => path,
        _ => image,
    };
    path.split(['@', ':']).next().unwrap_or(path)
}

/// Why a program did not start, and the way out. 127 is what the loader and the shell answer.
pub fn start_failure(exit: i32, last_line: &str) -> Option<String> {
    let library = last_line.contains("error while loading shared libraries");
    (exit == 127 || library).then(|| {
        format!(
            "the worker could not start: {last_line} (a library such as libtorch was not found: run `make`, or set \
             LIBTORCH to a folder that has it)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories() {
        for image in [
            "opsml-worker",
            "opsml-worker:latest",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/opsml-worker:1",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/opsml-worker@sha256:00",
        ] {
            assert_eq!(repository(image), WORKER_IMAGE, "{image}");
        }
        assert_eq!(repository("evil/opsml-worker"), "evil/opsml-worker");
    }
}
