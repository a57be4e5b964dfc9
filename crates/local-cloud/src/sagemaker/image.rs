//! Finds the program that the local cloud runs in place of an image.

use std::path::PathBuf;

use opsml_contract::WORKER_IMAGE;

use crate::cloud::Settings;

/// A program that runs in place of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// opsml's own worker.
    Worker(PathBuf),
    /// AWS's image for training or serving with PyTorch: a Python that runs the user's script.
    PyTorch(PathBuf),
}

/// The accounts whose registries have AWS's deep learning containers. Regions have different accounts.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg-ecr-paths/sagemaker-algo-docker-registry-paths.html>
const AWS_ACCOUNTS: [&str; 27] = [
    "763104351884",
    "057415533634",
    "094389454867",
    "204538143572",
    "217643126080",
    "364406365360",
    "380420809688",
    "442386744353",
    "446045086412",
    "457447274322",
    "503227376785",
    "550225433462",
    "590183813437",
    "626614931356",
    "633930458069",
    "637423239942",
    "692866216735",
    "727897471807",
    "772153158452",
    "780543022126",
    "871362719292",
    "886529160074",
    "907027046896",
    "914824155844",
    "975050140332",
    "303241398832",
    "454834333376",
];

impl Image {
    /// Returns the program that trains in place of an image.
    ///
    /// # Errors
    /// Why there is no program for the image, and what to do.
    pub fn to_train(settings: &Settings, image: &str) -> Result<Self, String> {
        Self::of(settings, image, "pytorch-training")
    }

    /// Returns the program that serves in place of an image.
    ///
    /// # Errors
    /// As [`Image::to_train`].
    pub fn to_serve(settings: &Settings, image: &str) -> Result<Self, String> {
        Self::of(settings, image, "pytorch-inference")
    }

    fn of(settings: &Settings, image: &str, pytorch: &str) -> Result<Self, String> {
        match repository(image) {
            name if name == pytorch && is_of_aws(image) => {
                Ok(Self::PyTorch(settings.pytorch.clone().unwrap_or_else(|| "python3".into())))
            }
            WORKER_IMAGE => settings.worker.clone().map(Self::Worker).ok_or_else(|| {
                format!(
                    "the local cloud was started without the worker that the image {WORKER_IMAGE} stands for: build \
                     it with `make`"
                )
            }),
            other => Err(format!(
                "the local cloud cannot run the image {image}: no program stands for the repository {other} here, \
                 only for {WORKER_IMAGE}, and for AWS's {pytorch}"
            )),
        }
    }
}

/// Returns whether an image is in a registry of AWS: `763104351884.dkr.ecr.us-east-1.amazonaws.com/…`.
fn is_of_aws(image: &str) -> bool {
    image.split_once(".dkr.ecr").is_some_and(|(account, _)| AWS_ACCOUNTS.contains(&account))
}

/// Returns an image's repository: `opsml-worker` for `123456789012.dkr.ecr.us-east-1.amazonaws.com/opsml-worker:1`.
fn repository(image: &str) -> &str {
    let path = match image.split_once('/') {
        Some((registry, path)) if registry.contains(".dkr.ecr.") => path,
        _ => image,
    };
    path.split(['@', ':']).next().unwrap_or(path)
}

/// Returns why a program didn't start, and what to do. None: it did start. The loader and the shell exit with 127.
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
        assert!(is_of_aws("763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.3.0-cpu-py311"));
        assert!(!is_of_aws("123456789012.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2"));
        assert!(!is_of_aws("pytorch-training:2"));
    }
}
