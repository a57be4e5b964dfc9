//! The features of images that a backbone computes which doesn't learn. Those of an image that is always the same are
//! computed once for the whole job.

use std::cell::OnceCell;
use std::thread;

use opsml_contract::{Hyperparameters, Precision};
use tch::{Device, Kind, Tensor};

use crate::device::on;
use crate::error::{Error, Result};
use crate::instances::Instances;
use crate::loader::Split;
use crate::resnet::ResNet;
use crate::shared::{Known, Shared};
use crate::still::Still;

/// The most bytes of features that a split may have in memory.
const MOST: u64 = 1 << 30;

/// A backbone that doesn't learn. Its weights are made ready when it first computes features, which may be never.
pub struct Frozen<'a> {
    model: &'a ResNet,
    kind: Kind,
    made: OnceCell<Still>,
}

impl<'a> Frozen<'a> {
    /// Returns the backbone of a network, which computes in `kind`.
    pub fn new(model: &'a ResNet, kind: Kind) -> Self {
        Self { model, kind, made: OnceCell::new() }
    }

    /// Where its weights are.
    pub fn device(&self) -> Device {
        self.model.device()
    }

    /// Returns the features (batch × width, float32) of a batch of images (batch × 3 × height × width, 0…1).
    ///
    /// # Errors
    /// libtorch's.
    pub fn features(&self, images: &Tensor) -> Result<Tensor> {
        if let Some(still) = self.made.get() {
            return still.features(images);
        }
        let still = self.model.still(self.kind)?;
        self.made.get_or_init(|| still).features(images)
    }
}

/// The features of all images of a split.
pub struct Features {
    /// Images × width, float32, in the order of the split.
    values: Tensor,
    /// The classes of the images, in the same order.
    labels: Tensor,
    /// Where they were read, if another job has computed them.
    pub source: Option<String>,
}

impl Features {
    /// Returns the features of this instance's images in a split whose images are the same in every epoch: those that are
    /// shared, or else computes them and shares them. All instances call it together.
    ///
    /// # Errors
    /// An image can't be read; [`Error::Stopped`]; libtorch's.
    pub fn of(
        split: &Split,
        backbone: &Frozen<'_>,
        shared: &Shared,
        hyperparameters: &Hyperparameters,
        instances: &Instances<'_>,
    ) -> Result<Self> {
        if let Some(Known { values, source }) =
            shared.take(split.samples(), hyperparameters.precision, backbone.kind)
        {
            instances.sum([])?;
            let values = on(backbone.device(), &values)?;
            return Ok(Self {
                values,
                labels: on(backbone.device(), &split.labels()?)?,
                source: Some(source),
            });
        }
        let order: Vec<usize> = (0..split.len()).collect();
        let batches: Vec<&[usize]> = order.chunks(hyperparameters.batch_size as usize).collect();
        // An instance may have no image. What has one dimension and no values is passed over.
        let mut values = vec![Tensor::f_zeros([0; 1], (Kind::Float, backbone.device()))?];
        let mut labels = vec![Tensor::f_zeros([0; 1], (Kind::Int64, Device::Cpu))?];
        thread::scope(|scope| {
            for batch in split.batches(scope, &batches, hyperparameters.seed, 0) {
                if instances.stopping() {
                    break;
                }
                let batch = batch?;
                values.push(backbone.features(&batch.images)?);
                labels.push(batch.labels);
            }
            Ok::<_, Error>(())
        })?;
        // If one has stopped, all do.
        instances.sum([])?;
        let values = Tensor::f_cat(&values, 0)?;
        shared.put(split.samples(), hyperparameters.precision, backbone.kind, &values);
        Ok(Self { values, labels: on(backbone.device(), &Tensor::f_cat(&labels, 0)?)?, source: None })
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

/// Returns the features (images × width) of a split's first images, `count` or all, in `kind`: those that are shared, or else
/// computes them and shares them.
///
/// # Errors
/// An image can't be read, or libtorch's.
pub fn of_first(split: &Split, count: usize, kind: Kind, model: &ResNet, shared: &Shared) -> Result<Tensor> {
    let samples = &split.samples()[..count.min(split.len())];
    let asked = if kind == Kind::BFloat16 { Precision::Bf16 } else { Precision::Fp32 };
    if let Some(known) = shared.take(samples, asked, kind) {
        return Ok(known.values);
    }
    let values = model.still(kind)?.features(&split.first(count)?)?;
    shared.put(samples, asked, kind, &values);
    Ok(values)
}
