//! In which numbers the convolutions of a network are computed: float32, or bfloat16 where this machine is faster with it and
//! the result is the same but for rounding.

use std::fmt;
use std::time::{Duration, Instant};

use opsml_contract::{LOGITS_APART, Precision};
use tch::{Device, Kind, Tensor, no_grad};

use crate::convolution::Convolution;
use crate::device::{finish, on};
use crate::error::{Error, Result};
use crate::loader::Batch;
use crate::resnet::{ResNet, cross_entropy};

/// How much faster bfloat16 must be to be chosen. With less, chance would choose, and two runs of a job could differ.
const WORTH: f64 = 1.5;
/// How many passes are timed at least, and how long small ones are repeated, where the result isn't clear.
const PASSES: u32 = 3;
const ENOUGH: Duration = Duration::from_millis(300);
/// A speedup that is by this factor more or less than [`WORTH`] is clear.
const CLEAR: f64 = 1.25;
/// How far the features of images may be from those in float32, and the loss of a step, as a part of their length.
const APART: f64 = 0.02;
/// How far the gradient of a step may be from that in float32, as a part of its length: then the two point within 30° of each
/// other. A network with random weights has about 0.35; the gradients of two batches of the same images are further apart.
const GRADIENT_APART: f64 = 0.5;

/// The images whose features are a probe.
pub const PROBE: usize = 4;
/// The most pixels of a step that is a probe. Small images fill a batch as in the job, since it decides what is faster.
const STEP_PIXELS: usize = 4 * 224 * 224;
/// A job that sees fewer images than this many such steps computes in float32 without a probe, which would cost more than it
/// could gain.
pub const STEPS_WORTH: usize = 25;
/// The most validation images for which bfloat16 must agree with float32 before an endpoint computes in it.
pub const AGREED: usize = 16;

/// Returns whether a device has instructions for bfloat16: libtorch refuses it otherwise.
pub fn has_bf16(device: Device) -> bool {
    let zeros = |shape: &[i64]| Tensor::f_zeros(shape, (Kind::BFloat16, device));
    let tried = || {
        let convolution = Convolution::new(zeros(&[16, 16, 3, 3])?, zeros(&[16])?, 1);
        no_grad(|| convolution.forward(&zeros(&[1, 16, 8, 8])?, true))
    };
    tried().is_ok()
}

/// What was chosen, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    pub kind: Kind,
    pub reason: Reason,
}

/// Why numbers were chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// They were asked for, or the job was begun in them, or the machine has no others.
    Given,
    /// The job is too short to be worth a probe.
    Short,
    Measured(Probe),
}

/// What was measured on a few images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// The time in float32 as a multiple of that in bfloat16.
    pub speedup: f64,
    pub apart: Apart,
}

/// How far what was computed in bfloat16 is from the same in float32, as a part of the latter's length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Apart {
    /// The features that a network computes.
    Features(f64),
    /// The loss and the gradient of a training step.
    Step { loss: f64, gradient: f64 },
}

impl Choice {
    /// Chooses what is asked for, or by a probe, which is `None` where it isn't worth its time. `has_bf16`: whether the machine
    /// has it.
    ///
    /// # Errors
    /// bfloat16 is asked for, and the machine lacks it; those of the probe.
    pub fn of(
        asked: Precision,
        has_bf16: bool,
        probe: impl FnOnce() -> Result<Option<Probe>>,
    ) -> Result<Self> {
        let kind = match asked {
            Precision::Fp32 => Kind::Float,
            Precision::Bf16 if has_bf16 => Kind::BFloat16,
            Precision::Bf16 => {
                return Err(Error::new(
                    "precision is bf16, and this processor has no instructions for it: set auto or fp32",
                ));
            }
            Precision::Auto if !has_bf16 => Kind::Float,
            Precision::Auto => {
                let Some(probe) = probe()? else {
                    return Ok(Self { kind: Kind::Float, reason: Reason::Short });
                };
                let kind = if probe.is_worth() { Kind::BFloat16 } else { Kind::Float };
                return Ok(Self { kind, reason: Reason::Measured(probe) });
            }
        };
        Ok(Self { kind, reason: Reason::Given })
    }

    pub fn name(&self) -> &'static str {
        name(self.kind)
    }
}

impl Probe {
    /// Measures how a network that doesn't learn computes the features of images (batch × 3 × height × width, 0…1) of the
    /// kind that it will see.
    ///
    /// # Errors
    /// libtorch's.
    pub fn of_features(model: &ResNet, images: &Tensor) -> Result<Self> {
        let (in_float, in_bf16) = (model.still(Kind::Float)?, model.still(Kind::BFloat16)?);
        let pass = |kind| if kind == Kind::Float { &in_float } else { &in_bf16 }.features(images);
        let (exact, close) = (pass(Kind::Float)?, pass(Kind::BFloat16)?);
        let apart = Apart::Features(distance(&[exact], &[close])?);
        Ok(Self { speedup: speedup(model.device(), |kind| pass(kind).map(drop))?, apart })
    }

    /// Measures how a network learns from a batch: forward and backward. Afterwards the network is as it was.
    ///
    /// # Errors
    /// libtorch's.
    pub fn of_step(model: &ResNet, batch: &Batch) -> Result<Self> {
        let labels = on(model.device(), &batch.labels)?;
        let weights: Vec<Tensor> = model.parameters(false).into_iter().map(|(_, weight)| weight).collect();
        let pass = |kind| {
            let loss = cross_entropy(&model.learn(&batch.images, kind)?, &labels)?;
            let gradients = Tensor::f_run_backward(&[&loss], &weights, false, false)?;
            Ok::<_, Error>((loss.f_detach()?, gradients))
        };
        let (statistics, mut before) = (model.buffers(), Vec::new());
        for tensor in &statistics {
            let mut same = tensor.f_empty_like()?;
            same.f_copy_(tensor)?;
            before.push(same);
        }
        let ((loss, exact), (close_loss, close)) = (pass(Kind::Float)?, pass(Kind::BFloat16)?);
        let apart =
            Apart::Step { loss: distance(&[loss], &[close_loss])?, gradient: distance(&exact, &close)? };
        let speedup = speedup(model.device(), |kind| pass(kind).map(drop))?;
        for (mut tensor, before) in statistics.into_iter().zip(&before) {
            tensor.f_copy_(before)?;
        }
        Ok(Self { speedup, apart })
    }

    fn is_worth(&self) -> bool {
        let agrees = match self.apart {
            Apart::Features(apart) => apart <= APART,
            Apart::Step { loss, gradient } => loss <= APART && gradient <= GRADIENT_APART,
        };
        agrees && self.speedup >= WORTH
    }
}

/// Returns how many of a batch's images a step of the probe has. Batch norm needs two.
pub fn step_images(batch_size: u32, image_size: u32) -> usize {
    (batch_size as usize).min(STEP_PIXELS / (image_size * image_size).max(1) as usize).max(2)
}

/// Returns the kind of numbers of a name.
pub fn kind(name: &str) -> Option<Kind> {
    [Kind::Float, Kind::BFloat16].into_iter().find(|kind| self::name(*kind) == name)
}

/// Returns the name of a kind of numbers as the hyperparameter `precision` has it.
pub fn name(kind: Kind) -> &'static str {
    if kind == Kind::BFloat16 { "bf16" } else { "fp32" }
}

/// Returns whether a trained network gives the same classes in bfloat16 as in float32, and nearly the same logits, for some
/// images, of which `features` returns the features in either.
///
/// # Errors
/// Those of `features`, and libtorch's.
pub fn agrees(model: &ResNet, features: impl Fn(Kind) -> Result<Tensor>) -> Result<bool> {
    if !has_bf16(model.device()) {
        return Ok(false);
    }
    let logits = |kind| no_grad(|| model.head(&features(kind)?));
    let (exact, close) = (logits(Kind::Float)?, logits(Kind::BFloat16)?);
    let apart = f64::try_from(&exact.f_sub(&close)?.f_abs()?.f_max()?)?;
    let same = exact.f_argmax(-1, false)?.f_equal(&close.f_argmax(-1, false)?)?;
    Ok(same && apart <= LOGITS_APART)
}

/// Returns how far some tensors are from the exact ones, as a part of their length as one vector.
fn distance(exact: &[Tensor], close: &[Tensor]) -> Result<f64> {
    let square = |tensor: &Tensor| -> Result<f64> { Ok(f64::try_from(&tensor.f_norm()?)?.powi(2)) };
    let (mut apart, mut length) = (0.0, 0.0);
    for (exact, close) in exact.iter().zip(close) {
        apart += square(&close.f_sub(exact)?)?;
        length += square(exact)?;
    }
    Ok(apart.sqrt() / length.sqrt().max(f64::MIN_POSITIVE))
}

/// Returns the shortest time of a pass in float32 as a multiple of that in bfloat16. They take turns, so that other work on
/// the machine is in both.
fn speedup(device: Device, pass: impl Fn(Kind) -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    let (mut least, mut speedup) = ([Duration::MAX; 2], WORTH);
    for number in 0.. {
        let is_clear = speedup <= WORTH / CLEAR || speedup >= WORTH * CLEAR;
        if (number > 0 && is_clear) || (number >= PASSES && began.elapsed() >= ENOUGH) {
            break;
        }
        for (kind, least) in [Kind::Float, Kind::BFloat16].into_iter().zip(&mut least) {
            finish(device);
            let began = Instant::now();
            pass(kind)?;
            finish(device);
            *least = began.elapsed().clamp(Duration::from_nanos(1), *least);
        }
        let [float, bf16] = least.map(|time| time.as_secs_f64());
        speedup = float / bf16;
    }
    Ok(speedup)
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "precision: {}", self.name())?;
        match self.reason {
            Reason::Given => write!(f, ", as asked, begun or read"),
            Reason::Short => write!(f, ": the job is too short to measure what is faster"),
            Reason::Measured(Probe { speedup, apart: Apart::Features(apart) }) => write!(
                f,
                ": here, bf16 takes {:.2} of fp32's time, and its features are {:.2} % apart",
                1.0 / speedup,
                100.0 * apart
            ),
            Reason::Measured(Probe { speedup, apart: Apart::Step { loss, gradient } }) => write!(
                f,
                ": here, a step in bf16 takes {:.2} of fp32's time, its loss is {:.2} % apart and its gradient {:.1} %",
                1.0 / speedup,
                100.0 * loss,
                100.0 * gradient
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use opsml_contract::{Arch, ModelManifest};

    use super::*;
    use crate::layout::channels_last;

    #[test]
    fn bf16_must_be_faster_and_agree() {
        let step = |loss, gradient| Apart::Step { loss, gradient };
        for (speedup, apart, worth) in [
            (2.0, Apart::Features(0.01), true),
            (1.0, Apart::Features(0.0), false),
            (5.0, Apart::Features(0.5), false),
            (f64::NAN, Apart::Features(0.0), false),
            (2.0, Apart::Features(f64::NAN), false),
            (2.0, step(0.01, 0.1), true),
            (1.0, step(0.0, 0.0), false),
            (5.0, step(0.1, 0.1), false),
            (5.0, step(0.01, 0.6), false),
            (5.0, step(f64::NAN, 0.1), false),
        ] {
            assert_eq!(Probe { speedup, apart }.is_worth(), worth, "{speedup} {apart:?}");
        }
    }

    #[test]
    fn a_step_of_the_probe_has_the_batch_of_small_images_and_few_large_ones() {
        assert_eq!(step_images(64, 32), 64);
        assert_eq!(step_images(64, 224), 4);
        assert_eq!(step_images(64, 1024), 2);
    }

    #[test]
    fn a_probe_of_a_step_leaves_the_network_as_it_was() {
        let manifest = ModelManifest {
            arch: Arch::Resnet18,
            head_hidden: 0,
            image_size: 32,
            classes: vec!["a".into(), "b".into()],
            agrees_in_bf16: false,
        };
        let model = ResNet::new(&manifest, Device::Cpu).unwrap();
        if !has_bf16(Device::Cpu) {
            return;
        }
        let before = model.state_dict().unwrap();
        let batch = Batch {
            images: channels_last(&Tensor::rand([8, 3, 32, 32], tch::kind::FLOAT_CPU)).unwrap(),
            labels: Tensor::from_slice(&[0_i64, 1, 0, 1, 0, 1, 0, 1]),
        };
        let probe = Probe::of_step(&model, &batch).unwrap();
        assert!(probe.speedup > 0.0, "{probe:?}");
        let Apart::Step { loss, gradient } = probe.apart else { panic!("{probe:?}") };
        assert!(loss < 0.1 && gradient > 0.0 && gradient < 1.0, "{probe:?}");
        assert!(model.state_dict().unwrap() == before);
    }
}
