//! Adam's step, in one pass over each tensor. The C++ part is `adam/adam.cpp`.

use std::ffi::c_char;

use tch::Tensor;
use torch_sys::C_tensor;

use crate::device::on;
use crate::error::{Error, Result};
use crate::layout::{is_channels_last, memory_order};
use crate::why::Why;

unsafe extern "C" {
    fn opsml_adam(
        weights: *const *const C_tensor,
        gradients: *const *const C_tensor,
        firsts: *const *const C_tensor,
        seconds: *const *const C_tensor,
        count: usize,
        step: *const C_tensor,
        rate: f64,
        beta1: f64,
        beta2: f64,
        decay: f64,
        epsilon: f64,
        why: *mut c_char,
        capacity: usize,
    ) -> bool;
}

/// The constants of a step.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    pub rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub decay: f64,
    pub epsilon: f64,
}

impl Adam {
    /// Changes the weights and their moments by the gradients. All are float32; the tensors of one place have the same
    /// shape. `number` is that of the step, from 1.
    ///
    /// # Errors
    /// libtorch's.
    pub fn step(
        &self,
        number: i64,
        weights: &[Tensor],
        gradients: &[Tensor],
        firsts: &[Tensor],
        seconds: &[Tensor],
    ) -> Result<()> {
        let like_weights = weights.iter().zip(gradients).map(|(weight, gradient)| {
            // The kernel passes through the memory of all four alike.
            let alike = gradient.stride() == weight.stride()
                || (is_channels_last(gradient)? && is_channels_last(weight)?);
            if alike {
                return Ok(gradient.shallow_clone());
            }
            let mut same = weight.f_detach()?.f_empty_like()?;
            same.f_copy_(gradient)?;
            Ok(same)
        });
        let gradients = like_weights.collect::<Result<Vec<_>>>()?;
        // With the channels last, it would copy the gradients first.
        let in_order = |all: &[Tensor]| all.iter().map(memory_order).collect::<Result<Vec<_>>>();
        let [weights, gradients, firsts, seconds] =
            [in_order(weights)?, in_order(&gradients)?, in_order(firsts)?, in_order(seconds)?];
        let Some(first) = weights.first() else { return Ok(()) };
        let step = on(first.device(), &Tensor::from(number as f32))?;
        let pointers = |tensors: &[Tensor]| tensors.iter().map(Tensor::as_ptr).collect::<Vec<_>>();
        let [w, g, m, v] = [&weights, &gradients, &firsts, &seconds].map(|all| pointers(all));
        let mut why = Why::new();
        // SAFETY: the four lists have the same length, the pointers are those of live tensors, which every holder of a handle
        // may change, and the buffer for the error outlives the call.
        let done = unsafe {
            opsml_adam(
                w.as_ptr(),
                g.as_ptr(),
                m.as_ptr(),
                v.as_ptr(),
                w.len(),
                step.as_ptr(),
                self.rate,
                self.beta1,
                self.beta2,
                self.decay,
                self.epsilon,
                why.0.as_mut_ptr(),
                why.0.len(),
            )
        };
        if done { Ok(()) } else { Err(Error::new(format!("libtorch: {}", why.text()))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::channels_last;

    /// <https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html>
    #[test]
    fn a_step_is_that_of_torch_optim_whatever_the_layout() {
        tch::manual_seed(1);
        let adam = Adam { rate: 0.1, beta1: 0.9, beta2: 0.999, decay: 0.01, epsilon: 1e-8 };
        let new = || Tensor::rand([4, 3, 5, 5], tch::kind::FLOAT_CPU);
        for gradient_of in [channels_last, |plain: &Tensor| Ok(plain.shallow_clone())] {
            let weight = channels_last(&new()).unwrap();
            let (first, second) = (weight.zeros_like(), weight.zeros_like());
            let mut expected = (weight.copy(), weight.zeros_like(), weight.zeros_like());
            for number in 1..=3 {
                let gradient = gradient_of(&new()).unwrap();
                let lists = [&weight, &gradient, &first, &second].map(|one| vec![one.shallow_clone()]);
                let [w, g, m, v] = &lists;
                adam.step(number, w, g, m, v).unwrap();
                let whole = &gradient + &expected.0 * adam.decay;
                expected.1 = expected.1 * adam.beta1 + &whole * (1.0 - adam.beta1);
                expected.2 = expected.2 * adam.beta2 + whole.square() * (1.0 - adam.beta2);
                let corrected = |moment: &Tensor, beta: f64| moment / (1.0 - beta.powi(number as i32));
                let denominator = corrected(&expected.2, adam.beta2).sqrt() + adam.epsilon;
                expected.0 -= corrected(&expected.1, adam.beta1) / denominator * adam.rate;
                let apart = (&weight - &expected.0).abs().max().double_value(&[]);
                assert!(apart < 1e-5, "step {number}: {apart}");
            }
        }
    }
}
