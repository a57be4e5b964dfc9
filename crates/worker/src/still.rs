//! A network that doesn't learn: batch norm is folded into the convolutions, and each convolution is one kernel with the
//! addition and the ReLU that follow it. In bfloat16, processors with instructions for it compute it several times faster.

use tch::{Device, Kind, Tensor, no_grad};

use crate::convolution::Convolution;
use crate::device::on;
use crate::error::Result;

/// The convolutions of a network, in float32 or bfloat16. It has its own copies of the weights.
pub struct Still {
    pub device: Device,
    pub kind: Kind,
    pub stem: Convolution,
    pub blocks: Vec<Block>,
}

/// A residual block.
pub struct Block {
    pub convolutions: Vec<Convolution>,
    /// None: what comes in is added as it is.
    pub shortcut: Option<Convolution>,
}

impl Still {
    /// Returns the features (batch × width, float32) of a batch of images (batch × 3 × height × width, 0…1), on its device.
    pub fn features(&self, images: &Tensor) -> Result<Tensor> {
        no_grad(|| {
            let mut x = self.stem.forward(&on(self.device, images)?.f_to_kind(self.kind)?, true)?;
            x = x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?;
            for block in &self.blocks {
                x = block.forward(x)?;
            }
            Ok(x.f_to_kind(Kind::Float)?.f_mean_dim(&[2_i64, 3][..], false, Kind::Float)?)
        })
    }
}

impl Block {
    fn forward(&self, x: Tensor) -> Result<Tensor> {
        let Some((last, before)) = self.convolutions.split_last() else { return Ok(x) };
        let mut y = x.shallow_clone();
        for convolution in before {
            y = convolution.forward(&y, true)?;
        }
        // Without a convolution of its own, the shortcut is what came in. Nothing else reads that afterwards.
        let sum = match &self.shortcut {
            Some(shortcut) => shortcut.forward(&x, false)?,
            None => x,
        };
        last.add(sum, &y)
    }
}
