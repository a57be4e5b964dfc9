//! A convolution with a bias, and with the addition and the ReLU that follow it in the same kernel, on processors where
//! libtorch has oneDNN's operators for that. The C++ part is `onednn/convolution.cpp`. It computes no gradients.

use std::ffi::c_char;
use std::sync::LazyLock;

use tch::{Device, Tensor};
use torch_sys::C_tensor;

use crate::error::{Error, Result};
use crate::why::Why;

unsafe extern "C" {
    fn opsml_convolution_is_fused() -> bool;
    fn opsml_convolution(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        stride: i64,
        padding: i64,
        relu: bool,
        why: *mut c_char,
        capacity: usize,
    ) -> *mut C_tensor;
    fn opsml_convolution_add(
        sum: *const C_tensor,
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        stride: i64,
        padding: i64,
        why: *mut c_char,
        capacity: usize,
    ) -> bool;
}

/// Whether libtorch has the operators. A libtorch without oneDNN has none.
static FUSED: LazyLock<bool> = LazyLock::new(|| {
    // SAFETY: it only looks the operators up.
    unsafe { opsml_convolution_is_fused() }
});

/// A convolution with a square kernel, which keeps the size of what it convolves but for its stride.
pub struct Convolution {
    /// Outputs × inputs × side × side, channels last.
    weight: Tensor,
    /// Of as many values as there are outputs.
    bias: Tensor,
    stride: i64,
    padding: i64,
}

impl Convolution {
    pub fn new(weight: Tensor, bias: Tensor, stride: i64) -> Self {
        let padding = weight.size()[3] / 2;
        Self { weight, bias, stride, padding }
    }

    /// Returns the convolution of `x` (batch × inputs × height × width), through a ReLU if `relu`.
    ///
    /// # Errors
    /// libtorch's: `x` is of another kind than the weights, or has other inputs.
    pub fn forward(&self, x: &Tensor, relu: bool) -> Result<Tensor> {
        if !is_fused(x) {
            let y = self.alone(x)?;
            return Ok(if relu { y.f_relu()? } else { y });
        }
        let (mut why, [x, weight, bias]) = (Why::new(), [x, &self.weight, &self.bias].map(Tensor::as_ptr));
        // SAFETY: the pointers are those of live tensors, which the call only reads, and of a buffer that outlives it.
        let made = unsafe {
            let (room, text) = (why.0.len(), why.0.as_mut_ptr());
            opsml_convolution(x, weight, bias, self.stride, self.padding, relu, text, room)
        };
        if made.is_null() {
            return Err(refused(&why));
        }
        // SAFETY: the tensor is a new one, which nobody else owns.
        Ok(unsafe { Tensor::from_ptr(made) })
    }

    /// Returns the ReLU of `sum` plus the convolution of `x`. It overwrites `sum`.
    ///
    /// # Errors
    /// As [`Convolution::forward`].
    pub fn add(&self, sum: Tensor, x: &Tensor) -> Result<Tensor> {
        if !is_fused(x) {
            return Ok(self.alone(x)?.f_add(&sum)?.f_relu()?);
        }
        let pointers = [&sum, x, &self.weight, &self.bias].map(Tensor::as_ptr);
        let (mut why, [to, x, weight, bias]) = (Why::new(), pointers);
        // SAFETY: as in `forward`. Every holder of a handle may change a tensor.
        let done = unsafe {
            let (room, text) = (why.0.len(), why.0.as_mut_ptr());
            opsml_convolution_add(to, x, weight, bias, self.stride, self.padding, text, room)
        };
        if done { Ok(sum) } else { Err(refused(&why)) }
    }

    fn alone(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_conv2d(&self.weight, Some(&self.bias), self.stride, self.padding, 1, 1)?)
    }
}

/// Whether a tensor is where the operators compute: on the CPU.
fn is_fused(x: &Tensor) -> bool {
    x.device() == Device::Cpu && *FUSED
}

fn refused(why: &Why) -> Error {
    Error::new(format!("libtorch: {}", why.text()))
}
