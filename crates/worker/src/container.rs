//! The folder tree that SageMaker gives a container (`/opt/ml`), and atomic writes into it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use opsml_contract::{Hyperparameters, METRICS_FILE, RESOURCES_FILE, TESTED_FILE, worded};
use serde::Deserialize;

use crate::error::{AtPath, Error, Result};

/// The tree under `$SAGEMAKER_BASE_DIR`, by default `/opt/ml`.
#[derive(Clone, Debug)]
pub struct Container {
    base: PathBuf,
}

/// The instances of a training job, as SageMaker lists them for each (`resourceconfig.json`).
#[derive(Clone, Debug, Deserialize)]
pub struct Resources {
    #[serde(default)]
    pub current_host: String,
    /// Sorted, and the same on every instance.
    pub hosts: Vec<String>,
    #[serde(default)]
    pub network_interface_name: String,
}

impl Container {
    pub fn new(base: impl Into<PathBuf>) -> Self {
        Self { base: base.into() }
    }

    pub fn from_env() -> Self {
        Self::new(std::env::var_os("SAGEMAKER_BASE_DIR").unwrap_or_else(|| "/opt/ml".into()))
    }

    /// Returns the folder of the model, which a training job writes and an endpoint reads.
    pub fn model(&self) -> PathBuf {
        self.base.join("model")
    }

    pub fn checkpoints(&self) -> PathBuf {
        self.base.join("checkpoints")
    }

    pub fn metrics(&self) -> PathBuf {
        self.base.join("output/data").join(METRICS_FILE)
    }

    /// See [`opsml_contract::Tested`].
    pub fn tested(&self) -> PathBuf {
        self.base.join("output/data").join(TESTED_FILE)
    }

    /// See [`opsml_contract::ResourceSample`].
    pub fn usage(&self) -> PathBuf {
        self.base.join("output/data").join(RESOURCES_FILE)
    }

    /// Returns the file whose text becomes the job's FailureReason.
    pub fn failure(&self) -> PathBuf {
        self.base.join("output/failure")
    }

    pub fn hyperparameters(&self) -> Result<Hyperparameters> {
        let map: BTreeMap<String, String> = self.config("hyperparameters.json")?.unwrap_or_default();
        Hyperparameters::from_strings(&map).map_err(|error| Error::new(error.to_string()))
    }

    /// Returns the folder of a channel, if the job has that channel.
    pub fn channel(&self, name: &str) -> Result<Option<PathBuf>> {
        let channels: Option<BTreeMap<String, serde_json::Value>> = self.config("inputdataconfig.json")?;
        let folder = self.base.join("input/data").join(name);
        // There is no file if the worker does not run in SageMaker: then every existing folder is a channel.
        let given = channels.map_or_else(|| folder.is_dir(), |channels| channels.contains_key(name));
        Ok(given.then_some(folder))
    }

    /// Returns the job's instances, or `None` if the worker does not run in SageMaker.
    pub fn resources(&self) -> Result<Option<Resources>> {
        self.config("resourceconfig.json")
    }

    fn config<T: serde::de::DeserializeOwned>(&self, file: &str) -> Result<Option<T>> {
        let path = self.base.join("input/config").join(file);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|error| worded(&error)).at("read", &path)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).at("read", &path),
        }
    }
}

pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).at("create", path)
}

/// Writes a file atomically: if the process dies, the file is complete or absent.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let partial = path.with_added_extension("partial");
    let mut file = BufWriter::new(File::create(&partial).at("create", &partial)?);
    write(&mut file)?;
    let file = file.into_inner().map_err(|error| error.into_error()).at("write", &partial)?;
    file.sync_all().at("write", &partial)?;
    fs::rename(&partial, path).at("write", path)?;
    // The rename is durable only when the folder is synced too.
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).at("write", path)
}

pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, |file| file.write_all(bytes).at("write", path))
}
