//! The features of images that a backbone computes which doesn't learn. Those of an image that is always the same are
//! computed once for the whole job.

use std::thread;

use opsml_contract::Hyperparameters;
use tch::{Device, Kind, Tensor};

use crate::device::on;
use crate::error::{Error, Result};
use crate::instances::Instances;
use crate::loader::Split;
use crate::still::Still;

/// The most bytes of features that a split may have in memory.
const MOST: u64 = 1 << 30;

/// The features of all images of a split.
pub struct Features {
    /// Images × width, float32, in the order of the split.
    values: Tensor,
    /// The classes of the images, in the same order.
    labels: Tensor,
}

impl Features {
    /// Computes the features of this instance's images in a split whose images are the same in every epoch. All instances
    /// call it together.
    ///
    /// # Errors
    /// An image can't be read; [`Error::Stopped`]; libtorch's.
    pub fn of(
        split: &Split,
        still: &Still,
        hyperparameters: &Hyperparameters,
        instances: &Instances<'_>,
    ) -> Result<Self> {
        let order: Vec<usize> = (0..split.len()).collect();
        let batches: Vec<&[usize]> = order.chunks(hyperparameters.batch_size as usize).collect();
        // An instance may have no image. What has one dimension and no values is passed over.
        let mut values = vec![Tensor::f_zeros([0; 1], (Kind::Float, still.device))?];
        let mut labels = vec![Tensor::f_zeros([0; 1], (Kind::Int64, Device::Cpu))?];
        thread::scope(|scope| {
            for batch in split.batches(scope, &batches, hyperparameters.seed, 0) {
                if instances.stopping() {
                    break;
                }
                let batch = batch?;
                values.push(still.features(&batch.images)?);
                labels.push(batch.labels);
            }
            Ok::<_, Error>(())
        })?;
        // If one has stopped, all do.
        instances.sum([])?;
        Ok(Self {
            values: Tensor::f_cat(&values, 0)?,
            labels: on(still.device, &Tensor::f_cat(&labels, 0)?)?,
        })
    }

    /// Whether the features of so many images, of `width` values each, may be kept.
    pub fn fit(images: usize, width: i64) -> bool {
        (images as u64).saturating_mul(4 * width.unsigned_abs()) <= MOST
    }

    /// Returns the features and the labels of a batch, given by its places in the split.
    pub fn batch(&self, places: &[usize]) -> Result<(Tensor, Tensor)> {
        let places: Vec<i64> = places.iter().map(|place| *place as i64).collect();
        let places = on(self.values.device(), &Tensor::f_from_slice(&places)?)?;
        Ok((self.values.f_index_select(0, &places)?, self.labels.f_index_select(0, &places)?))
    }
}
