//! The order in which a batch's numbers lie in memory. Convolutions are fastest where those of a pixel lie side by side.

use tch::Tensor;

use crate::error::Result;

/// Returns the same values (batch × channels × height × width) with the channels last in memory, in which libtorch's convolutions on
/// processors are fastest.
pub fn channels_last(images: &Tensor) -> Result<Tensor> {
    Ok(images.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?)
}

/// Whether a tensor's channels are last in memory.
pub fn is_channels_last(tensor: &Tensor) -> Result<bool> {
    Ok(tensor.dim() == 4 && tensor.f_permute([0, 2, 3, 1])?.is_contiguous())
}

/// Returns a view whose dimensions are in the order of the memory, if the channels are last there, so that flattening copies nothing.
pub fn memory_order(tensor: &Tensor) -> Result<Tensor> {
    match is_channels_last(tensor)? {
        true => Ok(tensor.f_permute([0, 2, 3, 1])?),
        false => Ok(tensor.shallow_clone()),
    }
}
