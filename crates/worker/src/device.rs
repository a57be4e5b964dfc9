//! On what a job or an endpoint computes: the processor, or the first GPU by CUDA.
//!
//! What is for processors alone checks where its tensors are: the fused kernels of [`crate::convolution`]. CUDA was never run
//! by this project, whose machines have no GPU.

use opsml_contract::Device as Asked;
use tch::{Cuda, Device, Tensor};

use crate::error::{Error, Result};

/// Returns the device that is asked for.
///
/// # Errors
/// A GPU is asked for, and libtorch has no CUDA or finds none.
pub fn chosen(asked: Asked) -> Result<Device> {
    match asked {
        Asked::Cpu => Ok(Device::Cpu),
        Asked::Auto => Ok(Device::cuda_if_available()),
        Asked::Cuda if Cuda::is_available() => Ok(Device::Cuda(0)),
        Asked::Cuda => {
            let why = match tch::utils::has_cudart() {
                true => "libtorch finds no GPU here",
                false => "this libtorch has no CUDA",
            };
            Err(Error::new(format!("device is cuda, and {why}: set auto or cpu")))
        }
    }
}

/// Returns the name of a device as the hyperparameter `device` has it.
pub fn name(device: Device) -> &'static str {
    if device.is_cuda() { "cuda" } else { "cpu" }
}

/// Returns a tensor on a device, itself if it is there. A copy to a GPU is only begun: what is computed there waits for it,
/// and the processor goes on.
///
/// # Errors
/// libtorch's: there isn't enough memory.
pub fn on(device: Device, tensor: &Tensor) -> Result<Tensor> {
    if device == tensor.device() {
        return Ok(tensor.shallow_clone());
    }
    if !device.is_cuda() {
        return Ok(tensor.f_to(device)?);
    }
    // From other memory than pinned, the copy would be waited for.
    Ok(tensor.f_pin_memory(device)?.f_to_device_(device, tensor.f_kind()?, true, false)?)
}

/// Returns once a device has done all that it was given. Processors have always done so.
pub fn finish(device: Device) {
    if let Device::Cuda(number) = device {
        Cuda::synchronize(number as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_is_asked_for_and_not_there_is_an_error_that_says_why() {
        assert_eq!(chosen(Asked::Cpu).unwrap(), Device::Cpu);
        if Cuda::is_available() {
            assert_eq!([Asked::Auto, Asked::Cuda].map(|asked| chosen(asked).unwrap()), [Device::Cuda(0); 2]);
            return;
        }
        assert_eq!(chosen(Asked::Auto).unwrap(), Device::Cpu);
        let why = chosen(Asked::Cuda).unwrap_err().to_string();
        let reason = if tch::utils::has_cudart() { "finds no GPU" } else { "has no CUDA" };
        assert!(why.contains("device is cuda") && why.contains(reason), "{why}");
    }

    #[test]
    fn what_is_there_is_not_copied() {
        let tensor = Tensor::ones([2], tch::kind::FLOAT_CPU);
        assert_eq!(on(Device::Cpu, &tensor).unwrap().data_ptr(), tensor.data_ptr());
    }
}
