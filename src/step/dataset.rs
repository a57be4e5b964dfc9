//! `dataset`: images in ImageFolder layout from a folder, a zip or a URL, every one of them verified.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Context, Done, Kind, Paths, Problem, images};
use crate::archive;
use crate::failure::{Failure, Outcome};
use crate::files::{digest, hex};

/// Bytes that are fetched from a URL at most.
const MAX_DOWNLOAD: u64 = 16 << 30;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// A folder, a zip, or the URL of a zip, with train/, valid/ and test/ in it.
    pub source: String,
    /// SHA-256 (hex) that the file at a URL must have.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"), extend("x-rule" = "64 hexadecimal digits"))]
    pub sha256: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The folder that holds train/, valid/ and test/.
    pub path: String,
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    /// Images in the training split.
    pub train: u64,
    /// Images in the validation split.
    pub valid: u64,
    /// Images in the test split.
    pub test: u64,
    /// Of all images together.
    pub bytes: u64,
    /// Files that are no images by their names.
    pub ignored: u64,
    /// Digest of the content.
    pub digest: String,
    /// A test image of each class, by class.
    pub samples: BTreeMap<String, String>,
}

impl Kind for Dataset {
    const NAME: &'static str = "dataset";
    const ABOUT: &'static str = "takes images in ImageFolder layout and verifies every one of them";
    const OWNS: bool = false;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        if self.source.is_empty() {
            return vec![Problem::at("source", "`source` is empty")];
        }
        if is_url(&self.source).is_none() && self.source.contains("://") {
            return vec![Problem::at("source", "only http and https URLs are fetched")];
        }
        if self.sha256.is_some() && is_url(&self.source).is_none() {
            return vec![Problem::at(
                "sha256",
                "`sha256` goes with a URL; a file's changes are seen without it",
            )];
        }
        Vec::new()
    }

    fn files(&self) -> Vec<String> {
        if is_url(&self.source).is_some() { Vec::new() } else { vec![self.source.clone()] }
    }

    fn missing(outputs: &Value, paths: &Paths) -> Option<String> {
        let path = outputs.get("path")?.as_str()?;
        match paths.resolve(path) {
            Ok(folder) if folder.is_dir() => None,
            _ => Some(format!("the folder {path} is gone")),
        }
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        tokio::task::block_in_place(|| self.look(context))
    }
}

fn is_url(source: &str) -> Option<&str> {
    ["http://", "https://"].iter().any(|scheme| source.starts_with(scheme)).then_some(source)
}

impl Dataset {
    fn look(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let paths = context.paths;
        let source = match is_url(&self.source) {
            Some(url) => self.fetch(url, &paths.base.join(&paths.cache), context)?,
            None => paths.resolve(&self.source)?,
        };
        let shown = match source.is_dir() {
            true => self.source.clone(),
            false => {
                let name = format!("dataset-{}", &digest(&source)?[..16]);
                let folder = paths.base.join(&paths.cache).join(&name);
                if !folder.is_dir() {
                    archive::unpack(&source, &folder, &mut |done, total| {
                        context.progress("unpacking", Some((done, total)));
                    })?;
                }
                paths.cache.join(name).display().to_string()
            }
        };
        let folder = paths.resolve(&shown)?;
        let found = images::inspect(&folder, &mut |done, total| {
            context.progress("verifying images", Some((done, total)));
        })?;
        let below = found.root.strip_prefix(&folder).unwrap_or(Path::new(""));
        let path = match below.as_os_str().is_empty() {
            true => shown,
            false => Path::new(&shown).join(below).display().to_string(),
        };
        let digest = digest(&found.root)?;
        let count = |split| found.images.get(split).copied().unwrap_or_default();
        let outputs = Outputs {
            train: count("train"),
            valid: count("valid"),
            test: count("test"),
            samples: found
                .samples
                .iter()
                .map(|(class, image)| (class.clone(), format!("{path}/{image}")))
                .collect(),
            classes: found.classes,
            bytes: found.bytes,
            ignored: found.ignored,
            digest,
            path,
        };
        let summary = format!(
            "{} classes; {} images to train, {} to validate, {} to test",
            outputs.classes.len(),
            outputs.train,
            outputs.valid,
            outputs.test
        );
        Ok(Done::new(outputs, summary))
    }

    /// Downloads into the cache, under the name of its content.
    fn fetch(&self, url: &str, cache: &Path, context: &mut Context<'_>) -> Outcome<PathBuf> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new("Download", format!("{url}: {error}"))
                .hint("check the address and the network, and run again")
        };
        std::fs::create_dir_all(cache).map_err(|error| Failure::file(cache, error))?;
        let mut answer = ureq::get(url).call().map_err(|error| failed(&error))?;
        let total = answer.body().content_length();
        let mut reader = answer.body_mut().with_config().limit(MAX_DOWNLOAD).reader();
        let mut file = tempfile::NamedTempFile::new_in(cache).map_err(|error| Failure::file(cache, error))?;
        let (mut hash, mut done, mut buffer) = (Sha256::new(), 0u64, vec![0; 1 << 16]);
        loop {
            let read = reader.read(&mut buffer).map_err(|error| failed(&error))?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            file.write_all(&buffer[..read]).map_err(|error| Failure::file(file.path(), error))?;
            done += read as u64;
            context.progress(format!("downloading {url}"), total.map(|total| (done, total)));
        }
        let found = hex(&hash.finalize());
        if let Some(expected) = &self.sha256
            && !expected.eq_ignore_ascii_case(&found)
        {
            return Err(Failure::new(
                "Checksum",
                format!("{url} has the SHA-256 {found}, and the runbook says {expected}"),
            ));
        }
        let path = cache.join(format!("download-{}.zip", &found[..16]));
        file.persist(&path).map_err(|error| Failure::file(&path, error))?;
        Ok(path)
    }
}
