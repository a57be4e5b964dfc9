//! The order in which a batch's numbers lie in memory. Convolutions are fastest where those of a pixel lie side by side.

use tch::Tensor;

use crate::error::Result;

/// Returns the same values (batch × channels × height × width) with the channels last in memory, in which libtorch's convolutions on
/// processors are fastest.
pub fn channels_last(images: &Tensor) -> Result<Tensor> {
    Ok(images.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?)
}

/// Returns a view whose dimensions are in the order of the memory, if the channels are last there, so that flattening copies nothing.
pub fn memory_order(tensor: &Tensor) -> Result<Tensor> {
    if tensor.dim() == 4 {
        let inside_out = tensor.f_permute([0, 2, 3, 1])?;
        if inside_out.is_contiguous() {
            return Ok(inside_out);
        }
    }
    Ok(tensor.shallow_clone())
}
