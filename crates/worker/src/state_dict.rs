//! A state dict outside libtorch: names, shapes and bytes, as in files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors, View};
use tch::{Kind, Tensor};

use crate::error::{AtPath, Error, Result};

/// The most bytes of a file of weights.
pub const MAX_FILE: u64 = 4 << 30;

/// A tensor's values, row-major and little-endian.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// In PyTorch's order.
pub type StateDict = Vec<(String, Array)>;

const KINDS: [(Dtype, Kind); 6] = [
    (Dtype::F32, Kind::Float),
    (Dtype::F64, Kind::Double),
    (Dtype::F16, Kind::Half),
    (Dtype::BF16, Kind::BFloat16),
    (Dtype::I64, Kind::Int64),
    (Dtype::U8, Kind::Uint8),
];

impl Array {
    pub fn from_tensor(tensor: &Tensor) -> Result<Self> {
        let kind = tensor.f_kind()?;
        let (dtype, _) = KINDS
            .into_iter()
            .find(|(_, known)| *known == kind)
            .ok_or_else(|| Error::new(format!("tensors of kind {kind:?} can't be saved")))?;
        let tensor = tensor.f_detach()?.f_contiguous()?;
        let mut bytes = vec![0; tensor.numel() * dtype.bitsize() / 8];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
        // libtorch's sizes are never negative.
        Ok(Self { dtype, shape: tensor.size().into_iter().map(|n| n as usize).collect(), bytes })
    }

    pub fn to_tensor(&self) -> Result<Tensor> {
        let (_, kind) = KINDS.into_iter().find(|(known, _)| *known == self.dtype).ok_or_else(|| {
            Error::new(format!("values of type {:?} aren't supported: save as float32", self.dtype))
        })?;
        let shape: Vec<i64> = self.shape.iter().map(|n| *n as i64).collect();
        Ok(Tensor::f_from_data_size(&self.bytes, &shape, kind)?)
    }
}

impl View for &Array {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Returns the bytes of a safetensors file, with `metadata` in its header.
pub fn to_safetensors(tensors: &StateDict, metadata: Option<HashMap<String, String>>) -> Result<Vec<u8>> {
    safetensors::serialize(tensors.iter().map(|(name, array)| (name, array)), metadata)
        .map_err(|error| Error::new(format!("can't write safetensors: {error}")))
}

/// Reads the bytes of a safetensors file. The result is sorted by name.
pub fn from_safetensors(bytes: &[u8]) -> std::result::Result<StateDict, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut state: StateDict = file
        .iter()
        .map(|(name, view)| {
            let array =
                Array { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() };
            (name.to_owned(), array)
        })
        .collect();
    // The crate returns them in no particular order.
    state.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(state)
}

/// Returns the metadata in a safetensors file's header.
pub fn safetensors_metadata(bytes: &[u8]) -> std::result::Result<HashMap<String, String>, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    Ok(metadata.metadata().clone().unwrap_or_default())
}

/// Reads a file of at most [`MAX_FILE`] bytes.
pub fn read_capped(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::metadata(path).at("read", path)?.len();
    if bytes > MAX_FILE {
        return Err(Error::new(format!("{} has {bytes} bytes, and {MAX_FILE} is the limit", path.display())));
    }
    fs::read(path).at("read", path)
}
