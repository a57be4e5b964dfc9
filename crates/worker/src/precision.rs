//! In which numbers a network that stands still is computed: float32, or bfloat16 where this processor is faster with it
//! and the result is the same but for rounding.

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use opsml_contract::{LOGITS_APART, Precision};
use tch::{Device, Kind, Tensor, no_grad};

use crate::convolution::Convolution;
use crate::error::{Error, Result};
use crate::loader::Split;
use crate::resnet::ResNet;
use crate::still::Still;

/// How much faster bfloat16 must be to be chosen. With less, chance would choose, and two runs of a job could differ.
const WORTH: f64 = 1.5;
/// How many passes are timed at least, and how long small ones are repeated.
const PASSES: u32 = 3;
const ENOUGH: Duration = Duration::from_millis(300);
/// How far its features may be from those in float32, as a part of their length.
const APART: f64 = 0.02;
/// The most images of the probe.
pub const PROBE: usize = 4;

/// The most validation images for which bfloat16 must agree with float32 before an endpoint computes in it.
const AGREED: usize = 16;

/// Whether this processor has instructions for bfloat16: libtorch refuses it otherwise.
pub static HAS_BF16: LazyLock<bool> = LazyLock::new(|| {
    let zeros = |shape: &[i64]| Tensor::f_zeros(shape, (Kind::BFloat16, Device::Cpu));
    let tried = || {
        let convolution = Convolution::new(zeros(&[16, 16, 3, 3])?, zeros(&[16])?, 1);
        no_grad(|| convolution.forward(&zeros(&[1, 16, 8, 8])?, true))
    };
    tried().is_ok()
});

/// What was chosen, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    pub kind: Kind,
    /// None: nothing was measured.
    pub probe: Option<Probe>,
}

/// What was measured on a few images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// The time in float32 as a multiple of that in bfloat16.
    pub speedup: f64,
    /// The distance of the features in bfloat16 from those in float32, as a part of the latters' length.
    pub apart: f64,
}

impl Choice {
    /// Chooses for a network and images (batch × 3 × height × width, 0…1) of the kind that it will see.
    ///
    /// # Errors
    /// bfloat16 is asked for, and this processor lacks it; libtorch's.
    pub fn of(asked: Precision, model: &ResNet, images: &Tensor) -> Result<Self> {
        let kind = match asked {
            Precision::Fp32 => Kind::Float,
            Precision::Bf16 if *HAS_BF16 => Kind::BFloat16,
            Precision::Bf16 => {
                return Err(Error::new(
                    "precision is bf16, and this processor has no instructions for it: set auto or fp32",
                ));
            }
            Precision::Auto if !*HAS_BF16 => Kind::Float,
            Precision::Auto => {
                let (in_float, in_bf16) = (model.still(Kind::Float)?, model.still(Kind::BFloat16)?);
                let (exact, close) = (in_float.features(images)?, in_bf16.features(images)?);
                let [float_time, bf16_time] = timed(&in_float, &in_bf16, images)?;
                let (difference, length) = (close.f_sub(&exact)?.f_norm()?, exact.f_norm()?);
                let probe = Probe {
                    speedup: float_time.as_secs_f64() / bf16_time.as_secs_f64(),
                    apart: f64::try_from(&difference)? / f64::try_from(&length)?.max(f64::MIN_POSITIVE),
                };
                let kind = if probe.is_worth() { Kind::BFloat16 } else { Kind::Float };
                return Ok(Self { kind, probe: Some(probe) });
            }
        };
        Ok(Self { kind, probe: None })
    }

    pub fn name(&self) -> &'static str {
        name(self.kind)
    }
}

impl Probe {
    fn is_worth(&self) -> bool {
        self.speedup >= WORTH && self.apart <= APART
    }
}

/// Returns the kind of numbers of a name.
pub fn kind(name: &str) -> Option<Kind> {
    [Kind::Float, Kind::BFloat16].into_iter().find(|kind| self::name(*kind) == name)
}

/// Returns the name of a kind of numbers as the hyperparameter `precision` has it.
pub fn name(kind: Kind) -> &'static str {
    if kind == Kind::BFloat16 { "bf16" } else { "fp32" }
}

/// Returns whether a trained network gives the same classes in bfloat16 as in float32, and nearly the same logits, for the
/// first images of a split.
///
/// # Errors
/// An image can't be read, or libtorch's.
pub fn agrees(model: &ResNet, split: &Split) -> Result<bool> {
    if !*HAS_BF16 {
        return Ok(false);
    }
    let images = split.first(AGREED)?;
    let logits = |kind| no_grad(|| model.head(&model.still(kind)?.features(&images)?));
    let (exact, close) = (logits(Kind::Float)?, logits(Kind::BFloat16)?);
    let apart = f64::try_from(&exact.f_sub(&close)?.f_abs()?.f_max()?)?;
    let same = exact.f_argmax(-1, false)?.f_equal(&close.f_argmax(-1, false)?)?;
    Ok(same && apart <= LOGITS_APART)
}

/// Returns the shortest times of a pass of each network. They take turns, so that other work on the machine is in both.
fn timed(one: &Still, other: &Still, images: &Tensor) -> Result<[Duration; 2]> {
    let began = Instant::now();
    let mut least = [Duration::MAX; 2];
    for pass in 0.. {
        if pass >= PASSES && began.elapsed() >= ENOUGH {
            break;
        }
        for (still, least) in [one, other].into_iter().zip(&mut least) {
            let began = Instant::now();
            let _ = still.features(images)?;
            *least = began.elapsed().clamp(Duration::from_nanos(1), *least);
        }
    }
    Ok(least)
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "precision: {}", self.name())?;
        match self.probe {
            None => write!(f, ", as asked or begun"),
            Some(probe) => write!(
                f,
                ": here, bf16 takes {:.2} of fp32's time, and its features are {:.2} % apart",
                1.0 / probe.speedup,
                100.0 * probe.apart
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_must_be_faster_and_agree() {
        for (speedup, apart, worth) in [
            (2.0, 0.01, true),
            (1.0, 0.0, false),
            (5.0, 0.5, false),
            (f64::NAN, 0.0, false),
            (2.0, f64::NAN, false),
        ] {
            assert_eq!(Probe { speedup, apart }.is_worth(), worth, "{speedup} {apart}");
        }
    }
}
