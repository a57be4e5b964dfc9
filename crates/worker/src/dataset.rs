//! A dataset in ImageFolder layout: `train`, `valid` and `test`, each with a folder of images for each class.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{AtPath, Error, Result};

const LAYOUT: &str =
    "the training channel needs train/, valid/ and test/, each with one folder of images for each class";

/// An image file and the index of its class.
#[derive(Clone, Debug)]
pub struct Sample {
    pub path: PathBuf,
    pub label: usize,
}

/// The files of a dataset, which are not decoded yet.
#[derive(Debug)]
pub struct Dataset {
    /// Sorted by name, as torchvision numbers them.
    pub classes: Vec<String>,
    pub train: Vec<Sample>,
    pub valid: Vec<Sample>,
    pub test: Vec<Sample>,
    /// SHA-256 (hex) over every file's split, class, name and content.
    pub digest: String,
}

impl Dataset {
    /// Lists a dataset. Ignores names that begin with a dot. Every other file counts as an image, whatever its name.
    ///
    /// # Errors
    /// A split is missing, the splits have different classes, or a class has no image.
    pub fn open(root: &Path) -> Result<Self> {
        let classes = class_names(&root.join("train"))?;
        let mut digest = Sha256::new();
        let [train, valid, test] = ["train", "valid", "test"].map(|split| {
            let folder = root.join(split);
            let found = class_names(&folder)?;
            if let Some(class) = classes.iter().find(|class| !found.contains(class)) {
                return Err(Error::new(format!("{split}/ has no folder for class {class:?}, which train/ has: add it, or remove it from train/")));
            }
            if let Some(class) = found.iter().find(|class| !classes.contains(class)) {
                return Err(Error::new(format!("{split}/ has a class {class:?} that train/ lacks: add it to train/, or remove it from {split}/")));
            }
            let mut samples = Vec::new();
            for (label, class) in classes.iter().enumerate() {
                let mut files = Vec::new();
                list_files(&folder.join(class), &mut files)?;
                if files.is_empty() {
                    return Err(Error::new(format!("class {class:?} has no image in {split}/: add images to {split}/{class}/, or remove the class from every split")));
                }
                for name in files {
                    let path = folder.join(class).join(&name);
                    let content = Sha256::digest(fs::read(&path).at("read", &path)?);
                    digest.update(format!("{split}\0{class}\0{}\0{}\n", name.display(), hex::encode(content)));
                    samples.push(Sample { path, label });
                }
            }
            Ok(samples)
        });
        let (train, valid, test) = (train?, valid?, test?);
        Ok(Self { classes, train, valid, test, digest: hex::encode(digest.finalize()) })
    }
}

fn class_names(split: &Path) -> Result<Vec<String>> {
    if !split.is_dir() {
        return Err(Error::new(format!("{} is missing: {LAYOUT}", split.display())));
    }
    let mut names = Vec::new();
    for (name, path) in visible_entries(split)? {
        if path.is_dir() {
            names.push(name);
        }
    }
    match names.is_empty() {
        true => Err(Error::new(format!("{} has no class folder: {LAYOUT}", split.display()))),
        false => Ok(names),
    }
}

/// Returns the files under a class's folder in torchvision's order, as relative paths.
fn list_files(class: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut pending = vec![class.to_owned()];
    while let Some(folder) = pending.pop() {
        for (_, path) in visible_entries(&folder)? {
            let metadata = fs::symlink_metadata(&path).at("read", &path)?;
            // A link could lead out of the channel or to one of its own parents, so links to folders aren't followed.
            if metadata.is_dir() {
                pending.push(path);
            } else {
                files.push(path.strip_prefix(class).unwrap_or(&path).to_owned());
            }
        }
    }
    files.sort();
    Ok(())
}

/// Returns the entries of a folder whose names don't begin with a dot, sorted by name.
fn visible_entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).at("read", folder)? {
        let path = entry.at("read", folder)?.path();
        let name = path.file_name().unwrap_or_default().to_str().ok_or_else(|| {
            Error::new(format!("{} has a name that isn't UTF-8: rename it", path.display()))
        })?;
        if !name.starts_with('.') {
            entries.push((name.to_owned(), path));
        }
    }
    entries.sort();
    Ok(entries)
}
