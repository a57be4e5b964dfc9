//! A dataset in ImageFolder layout: `train`, `valid` and `test`, each with a folder of images for each class.

use std::path::{Path, PathBuf};

use opsml_pictures::{ImageFolder, read_file};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// An image file and the index of its class.
#[derive(Clone, Debug)]
pub struct Sample {
    pub path: PathBuf,
    pub label: usize,
    /// Its split, class and name, and the SHA-256 of its content, as a line of text.
    pub identity: String,
}

/// The files of a dataset, which are not decoded yet.
#[derive(Debug)]
pub struct Dataset {
    /// Sorted by name, as torchvision numbers them.
    pub classes: Vec<String>,
    pub train: Vec<Sample>,
    pub valid: Vec<Sample>,
    pub test: Vec<Sample>,
    /// What is no image, in words, if there is something.
    pub passed_over: Option<String>,
    /// SHA-256 (hex) over every image's split, class, name and content.
    pub digest: String,
}

impl Dataset {
    /// Lists the dataset of a channel.
    ///
    /// # Errors
    /// Those of [`ImageFolder::open`], and of reading its files.
    pub fn open(root: &Path) -> Result<Self> {
        let found = ImageFolder::open(root).map_err(|wrong| {
            Error::new(format!("the dataset {} can't be used: {}", root.display(), wrong.join("; ")))
        })?;
        let mut digest = Sha256::new();
        let mut samples = |images: Vec<opsml_pictures::Image>| -> Result<Vec<Sample>> {
            let sample = |image: opsml_pictures::Image| {
                let content =
                    Sha256::digest(read_file(&image.path).map_err(|why| unusable(&image.path, &why))?);
                // A checkpoint has the digest of these lines.
                let named = image.key.splitn(3, '/').collect::<Vec<_>>().join("\0");
                let identity = format!("{named}\0{}\n", hex::encode(content));
                digest.update(&identity);
                Ok(Sample { path: image.path, label: image.label, identity })
            };
            images.into_iter().map(sample).collect()
        };
        let [train, valid, test] = found.splits;
        let [train, valid, test] = [samples(train)?, samples(valid)?, samples(test)?];
        Ok(Self {
            classes: found.classes,
            train,
            valid,
            test,
            passed_over: opsml_pictures::passed_over(&found.passed_over),
            digest: hex::encode(digest.finalize()),
        })
    }
}

/// Says why an image can't be used, and the way out.
pub fn unusable(image: &Path, why: &str) -> Error {
    Error::new(format!(
        "image {} can't be used: {why}. Mend it, or remove it from the dataset",
        image.display()
    ))
}
