//! The part of a network before the head, as a training job uses it: it learns, or it is frozen and computes features.

use std::thread;

use opsml_contract::{FineTune, Hyperparameters, Precision, Transform};
use tch::{Kind, Tensor};

use crate::device::on;
use crate::error::{Error, Result};
use crate::features::{Features, Frozen};
use crate::instances::Instances;
use crate::loader::Split;
use crate::precision::{Choice, PROBE, Probe, Reason, STEPS_WORTH, has_bf16, step_images};
use crate::resnet::ResNet;
use crate::shared::Shared;

/// Chooses the numbers of a job: those in which it was `begun`, if it is resumed, or those in which another job has left the
/// features. The first instance chooses for all.
///
/// # Errors
/// An image can't be read, or an instance lacks what is asked for or was begun; libtorch's.
pub fn choose(
    hyperparameters: &Hyperparameters,
    begun: Option<Kind>,
    model: &ResNet,
    (train, valid): (&Split, &Split),
    shared: &Shared,
    instances: &Instances<'_>,
) -> Result<Choice> {
    let lacking = u8::from(!has_bf16(model.device()));
    let [lacking] = instances.sum([f64::from(lacking)])?;
    let all_have_it = lacking == 0.0;
    if begun == Some(Kind::BFloat16) && !all_have_it {
        return Err(Error::new(
            "the job was begun in bf16, and this processor has no instructions for it: start a new job, or take another machine",
        ));
    }
    let mut choice = Choice { kind: begun.unwrap_or(Kind::Float), reason: Reason::Given };
    if instances.is_first() && begun.is_none() {
        let asked = hyperparameters.precision;
        let known = if asked == Precision::Auto { shared.chosen(valid.samples(), all_have_it) } else { None };
        choice = match known {
            Some(kind) => Choice { kind, reason: Reason::Given },
            None => Choice::of(asked, all_have_it, || match hyperparameters.fine_tune {
                FineTune::Head => Ok(Some(Probe::of_features(model, &valid.first(PROBE)?)?)),
                FineTune::Full => probe_step(hyperparameters, model, train, instances),
            })?,
        };
    }
    let [bf16] = instances.of_first([i64::from(choice.kind == Kind::BFloat16)])?;
    Ok(Choice { kind: if bf16 == 1 { Kind::BFloat16 } else { Kind::Float }, ..choice })
}

/// Measures a step with the beginning of the job's first batch, if the job is long enough.
fn probe_step(
    hyperparameters: &Hyperparameters,
    model: &ResNet,
    train: &Split,
    instances: &Instances<'_>,
) -> Result<Option<Probe>> {
    let images = step_images(hyperparameters.batch_size, hyperparameters.image_size);
    let seen = train.len() / instances.count() * hyperparameters.epochs as usize;
    if seen < STEPS_WORTH * images {
        return Ok(None);
    }
    let mut order = train.shuffled(hyperparameters.seed, 1);
    order.truncate(images);
    let order = [&order[..]];
    thread::scope(|scope| {
        let mut batches = train.batches(scope, &order, hyperparameters.seed, 1);
        batches.next().map(|batch| Probe::of_step(model, &batch?)).transpose()
    })
}

/// Whether the training images of a job with a frozen backbone are the same in each epoch, and their features may be kept.
pub fn are_same(
    hyperparameters: &Hyperparameters,
    images: usize,
    model: &ResNet,
    instances: &Instances<'_>,
) -> bool {
    // Several instances have other shares of the images in each epoch, so each would need the features of all.
    hyperparameters.transform == Transform::Resize
        && instances.count() == 1
        && Features::fit(images, model.width())
}

/// The part of the network before the head, as a job uses it.
pub enum Backbone<'a> {
    /// It learns as well.
    Learns,
    /// It is frozen, and computes the features of each batch.
    Frozen(Frozen<'a>),
    /// It is frozen, and has computed the features of all training images, which are the same in each epoch.
    Known(Frozen<'a>, Features),
}

impl<'a> Backbone<'a> {
    /// Returns the backbone of a job, which computes in `kind` if it is frozen.
    ///
    /// # Errors
    /// Those of [`Features::of`].
    pub fn of(
        hyperparameters: &Hyperparameters,
        model: &'a ResNet,
        kind: Kind,
        train: &Split,
        shared: &Shared,
        instances: &Instances<'_>,
    ) -> Result<Self> {
        if hyperparameters.fine_tune == FineTune::Full {
            return Ok(Self::Learns);
        }
        let frozen = Frozen::new(model, kind);
        if !are_same(hyperparameters, train.len(), model, instances) {
            return Ok(Self::Frozen(frozen));
        }
        let features = Features::of(train, &frozen, shared, hyperparameters, instances)?;
        Ok(Self::Known(frozen, features))
    }

    /// Says how often the features of the training images are computed.
    pub fn how_often(&self) -> String {
        match self {
            Self::Learns => "learnt".to_owned(),
            Self::Frozen(_) => "each epoch".to_owned(),
            Self::Known(_, Features { source: Some(source), .. }) => format!("read from {source}"),
            Self::Known(..) => "once".to_owned(),
        }
    }
}

/// A split to evaluate with. Its images are the same each time.
pub struct Held<'a> {
    pub split: &'a Split,
    /// Its features, if the backbone is frozen.
    features: Option<Features>,
}

impl<'a> Held<'a> {
    /// Returns a split, with its features if the backbone is frozen.
    ///
    /// # Errors
    /// Those of [`Features::of`].
    pub fn of(
        split: &'a Split,
        backbone: &Backbone<'_>,
        shared: &Shared,
        hyperparameters: &Hyperparameters,
        instances: &Instances<'_>,
    ) -> Result<Self> {
        let features = match backbone {
            Backbone::Learns => None,
            Backbone::Frozen(frozen) | Backbone::Known(frozen, _) => {
                Some(Features::of(split, frozen, shared, hyperparameters, instances)?)
            }
        };
        Ok(Self { split, features })
    }

    /// Calls `see` with the features and the labels of each batch, until it returns false.
    ///
    /// # Errors
    /// An image can't be read, or libtorch's; those of `see`.
    pub fn batches(
        &self,
        model: &ResNet,
        kind: Kind,
        hyperparameters: &Hyperparameters,
        mut see: impl FnMut(&Tensor, &Tensor) -> Result<bool>,
    ) -> Result<()> {
        let order: Vec<usize> = (0..self.split.len()).collect();
        let batches: Vec<&[usize]> = order.chunks(hyperparameters.batch_size as usize).collect();
        if let Some(known) = &self.features {
            for batch in batches {
                let (features, labels) = known.batch(batch)?;
                if !see(&features, &labels)? {
                    break;
                }
            }
            return Ok(());
        }
        let still = model.still(kind)?;
        thread::scope(|scope| {
            for batch in self.split.batches(scope, &batches, 0, 0) {
                let batch = batch?;
                if !see(&still.features(&batch.images)?, &on(still.device, &batch.labels)?)? {
                    break;
                }
            }
            Ok(())
        })
    }
}
