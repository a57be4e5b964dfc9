//! Files of weights: the pretrained weights of a job, and the model folder that it writes.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;

use flate2::read::GzDecoder;
use opsml_contract::{MODEL_MANIFEST, MODEL_PTH, MODEL_SAFETENSORS, ModelManifest, worded};
use sha2::{Digest, Sha256};
use tch::Device;

use crate::container::{create_folder, write_bytes, write_whole};
use crate::error::{AtPath, Error, Result};
use crate::pth;
use crate::resnet::ResNet;
use crate::state_dict::{self, MAX_FILE, StateDict};

/// Pretrained weights, and the SHA-256 (hex) of their file.
pub struct Pretrained {
    pub path: PathBuf,
    pub sha256: String,
    pub state: StateDict,
}

/// Reads the one file of the `weights` channel: `.safetensors`, `.pth`/`.pt`, or a `model.tar.gz` of this worker's.
pub fn read_channel(folder: &Path, sha256: Option<&str>) -> Result<Pretrained> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).at("read", folder)? {
        let path = entry.at("read", folder)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    let [path] = <[PathBuf; 1]>::try_from(files).map_err(|files| {
        let count = files.len();
        Error::new(format!("the weights channel {} has {count} files: give it exactly one .safetensors, .pth or model.tar.gz", folder.display()))
    })?;
    let bytes = state_dict::read_capped(&path)?;
    let digest = hex::encode(Sha256::digest(&bytes));
    if let Some(wanted) = sha256
        && !wanted.eq_ignore_ascii_case(&digest)
    {
        return Err(Error::new(format!(
            "{} has SHA-256 {digest}, and weights_sha256 says {wanted}: it isn't the file that was meant",
            path.display()
        )));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let state = if name.ends_with(".safetensors") {
        state_dict::from_safetensors(&bytes)
    } else if name.ends_with(".pth") || name.ends_with(".pt") {
        pth::read(&bytes)
    } else if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
        safetensors_in_archive(&bytes).and_then(|bytes| state_dict::from_safetensors(&bytes))
    } else {
        Err("its name must end in .safetensors, .pth or .tar.gz".to_owned())
    };
    Ok(Pretrained { state: state.at("read", &path)?, path, sha256: digest })
}

/// Returns the bytes of `model.safetensors` in a `model.tar.gz`, without unpacking it to disk.
fn safetensors_in_archive(bytes: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let mut archive = tar::Archive::new(GzDecoder::new(bytes).take(2 * MAX_FILE));
    for entry in archive.entries().map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let path = entry.path().map_err(|error| error.to_string())?;
        if entry.header().entry_type().is_file()
            && path.strip_prefix(".").unwrap_or(&path) == Path::new(MODEL_SAFETENSORS)
        {
            let mut found = Vec::new();
            entry.take(MAX_FILE).read_to_end(&mut found).map_err(|error| error.to_string())?;
            return Ok(found);
        }
    }
    Err(format!("it has no {MODEL_SAFETENSORS}"))
}

/// Writes `model.safetensors`, `model.pth` and, last, `classes.json`, which says whether the model agrees in bfloat16.
pub fn save_model(folder: &Path, model: &ResNet, agrees_in_bf16: bool) -> Result<()> {
    create_folder(folder)?;
    let state = model.state_dict()?;
    // Most of the time goes to the disk.
    thread::scope(|scope| {
        let other = scope.spawn(|| write_whole(&folder.join(MODEL_PTH), |file| pth::write(&state, file)));
        write_bytes(&folder.join(MODEL_SAFETENSORS), &state_dict::to_safetensors(&state, None)?)?;
        other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let path = folder.join(MODEL_MANIFEST);
    let manifest = ModelManifest { agrees_in_bf16, ..model.manifest().clone() };
    write_bytes(&path, &serde_json::to_vec_pretty(&manifest).at("write", &path)?)
}

/// Reads the files of [`save_model`], and returns the model on a device.
pub fn load_model(folder: &Path, device: Device) -> Result<ResNet> {
    let path = folder.join(MODEL_MANIFEST);
    let file = File::open(&path).at("open", &path)?;
    let manifest: ModelManifest = serde_json::from_reader(std::io::BufReader::new(file))
        .map_err(|error| worded(&error))
        .at("read", &path)?;
    if manifest.classes.is_empty() || !(1..=4096).contains(&manifest.image_size) {
        return Err(Error::new(format!(
            "{} names no classes, or an image size that can't be",
            path.display()
        )));
    }
    let model = ResNet::new(&manifest, device)?;
    let path = folder.join(MODEL_SAFETENSORS);
    let state = state_dict::from_safetensors(&state_dict::read_capped(&path)?).at("read", &path)?;
    model.load(&state, false)?;
    Ok(model)
}
