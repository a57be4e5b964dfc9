//! Checkpoints: after each epoch, everything that the rest of the job depends on, in one file that is written atomically.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use opsml_contract::{FineTune, Hyperparameters, MetricLine};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::container::{create_folder, write_bytes};
use crate::dataset::Dataset;
use crate::error::{AtPath, Error, Result};
use crate::optimizer::Optimizer;
use crate::resnet::ResNet;
use crate::state_dict::{self, StateDict};

/// How many checkpoints are kept. The second newest is for the case that the newest cannot be read.
const KEPT: usize = 2;

/// The key in a checkpoint's safetensors header whose value is a [`Header`] as JSON.
const HEADER: &str = "opsml";

#[derive(Serialize, Deserialize)]
struct Header {
    job: Job,
    epoch: u32,
    metrics: Vec<MetricLine>,
}

/// What must be equal in a checkpoint and in the job that resumes from it, and on all instances of a job.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    hyperparameters: Hyperparameters,
    classes: Vec<String>,
    /// [`Dataset::digest`].
    dataset: String,
    /// SHA-256 (hex) of the initial weights.
    weights: Option<String>,
    /// The number of instances that share the images, which determines the steps of an epoch.
    #[serde(default = "one")]
    instances: usize,
}

/// The folder of a job's checkpoints.
pub struct Checkpoints {
    folder: PathBuf,
    job: Job,
}

/// The number of instances of checkpoints that do not have it.
fn one() -> usize {
    1
}

impl Job {
    pub fn new(
        hyperparameters: &Hyperparameters,
        dataset: &Dataset,
        weights: Option<String>,
        instances: usize,
    ) -> Self {
        Self {
            // Where features come from changes nothing.
            hyperparameters: Hyperparameters { features: None, ..hyperparameters.clone() },
            classes: dataset.classes.clone(),
            dataset: dataset.digest.clone(),
            weights,
            instances,
        }
    }

    /// Whether the backbone stays what the weights were that the job was given, and so need not be in a checkpoint.
    fn keeps_backbone(&self) -> bool {
        self.hyperparameters.fine_tune == FineTune::Head && self.weights.is_some()
    }

    /// Returns the SHA-256 over all of it.
    pub fn digest(&self) -> Result<[u8; 32]> {
        let text = serde_json::to_vec(self).map_err(|error| Error::new(error.to_string()))?;
        Ok(Sha256::digest(text).into())
    }
}

impl Checkpoints {
    pub fn open(folder: PathBuf, job: Job) -> Result<Self> {
        create_folder(&folder)?;
        Ok(Self { folder, job })
    }

    pub fn save(
        &self,
        epoch: u32,
        model: &ResNet,
        optimizer: &Optimizer,
        metrics: &[MetricLine],
    ) -> Result<()> {
        let mut tensors = StateDict::new();
        let kept = if self.job.keeps_backbone() { model.head_state()? } else { model.state_dict()? };
        tensors.extend(kept.into_iter().map(|(name, array)| (format!("model.{name}"), array)));
        tensors.extend(
            optimizer.state_dict()?.into_iter().map(|(name, array)| (format!("optimizer.{name}"), array)),
        );
        let header = Header { job: self.job.clone(), epoch, metrics: metrics.to_vec() };
        let path = self.folder.join(format!("epoch-{epoch:06}.safetensors"));
        let header = serde_json::to_string(&header).at("write", &path)?;
        let bytes = state_dict::to_safetensors(&tensors, Some(HashMap::from([(HEADER.to_owned(), header)])))?;
        write_bytes(&path, &bytes)?;
        // What is of a later epoch is of another job, and would be taken for the newest.
        let files = self.files()?;
        let (later, own): (Vec<_>, Vec<_>) = files.iter().partition(|file| **file > path);
        for old in later.into_iter().chain(own.into_iter().rev().skip(KEPT)) {
            fs::remove_file(old).at("remove", old)?;
        }
        Ok(())
    }

    /// Loads the newest checkpoint of this job, and returns its epoch and the metrics up to it. Returns 0 and no metrics if
    /// there is none. `say` logs why a checkpoint isn't used.
    pub fn resume(
        &self,
        model: &ResNet,
        optimizer: &mut Optimizer,
        say: impl Fn(&str),
    ) -> Result<(u32, Vec<MetricLine>)> {
        for path in self.files()?.iter().rev() {
            let (header, tensors) = match read(path) {
                Ok(read) => read,
                Err(error) => {
                    say(&format!("checkpoint {} can't be read ({error}), so it isn't used", path.display()));
                    continue;
                }
            };
            if header.job != self.job {
                say(&format!(
                    "checkpoint {} was made with other hyperparameters, classes, images, weights or number of instances, so it isn't used",
                    path.display()
                ));
                continue;
            }
            let part = |prefix: &str| -> StateDict {
                let strip = |(name, array): &(String, _)| {
                    Some((name.strip_prefix(prefix)?.to_owned(), Clone::clone(array)))
                };
                tensors.iter().filter_map(strip).collect()
            };
            let mut state = part("model.");
            if self.job.keeps_backbone() {
                let missing = |(name, _): &(String, _)| state.iter().all(|(other, _)| other != name);
                let own: StateDict = model.state_dict()?.into_iter().filter(missing).collect();
                state.extend(own);
            }
            model.load(&state, false)?;
            optimizer.load(&part("optimizer."))?;
            return Ok((header.epoch, header.metrics));
        }
        Ok((0, Vec::new()))
    }

    /// Returns the checkpoint files, oldest first.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).at("read", &self.folder)? {
            let path = entry.at("read", &self.folder)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("epoch-") && name.ends_with(".safetensors") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

fn read(path: &Path) -> Result<(Header, StateDict)> {
    let bytes = state_dict::read_capped(path)?;
    let metadata = state_dict::safetensors_metadata(&bytes).map_err(Error::Failed)?;
    let header = metadata.get(HEADER).ok_or_else(|| Error::new("it has no header of this worker"))?;
    let header = serde_json::from_str(header).map_err(|error| Error::new(error.to_string()))?;
    Ok((header, state_dict::from_safetensors(&bytes).map_err(Error::Failed)?))
}
