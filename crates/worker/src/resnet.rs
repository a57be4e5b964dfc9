//! ResNet-18, 34 and 50 as in torchvision: with the same names, order of the state dict, and initial weights.
//!
//! After He et al., "Deep Residual Learning for Image Recognition" (2015); the stride of a bottleneck is in its 3×3
//! convolution, as in torchvision (`resnet50`, "v1.5").

use opsml_contract::{Arch, ModelManifest};
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor, no_grad};

use crate::convolution::Convolution;
use crate::device::on;
use crate::error::{Error, Result};
use crate::layout::channels_last;
use crate::state_dict::{Array, StateDict};
use crate::still::{self, Still};

/// Batch norm's momentum and ε: PyTorch's defaults.
const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// A network with its weights in float32.
pub struct ResNet {
    manifest: ModelManifest,
    device: Device,
    stem: ConvNorm,
    stages: Vec<Block>,
    head: Vec<Linear>,
    entries: Vec<Entry>,
}

/// One entry of the state dict.
struct Entry {
    name: String,
    tensor: Tensor,
    /// Whether it is learnt. Batch norm's statistics are not.
    learnt: bool,
}

struct ConvNorm {
    weight: Tensor,
    stride: i64,
    norm: [Tensor; 5],
}

struct Block {
    convs: Vec<ConvNorm>,
    downsample: Option<ConvNorm>,
}

struct Linear {
    weight: Tensor,
    bias: Tensor,
}

/// Registers tensors in the order in which torchvision creates its modules.
struct Builder {
    device: Device,
    entries: Vec<Entry>,
}

impl Builder {
    /// Takes a tensor on the CPU: a seed gives the same weights on each device.
    fn entry(&mut self, name: String, tensor: &Tensor, learnt: bool) -> Result<Tensor> {
        let tensor = on(self.device, tensor)?.set_requires_grad(learnt);
        let shared = tensor.shallow_clone();
        self.entries.push(Entry { name, tensor, learnt });
        Ok(shared)
    }

    fn conv(&mut self, name: &str, inputs: i64, outputs: i64, kernel: i64) -> Result<Tensor> {
        // kaiming_normal_(mode="fan_out", nonlinearity="relu")
        let deviation = (2.0 / (outputs * kernel * kernel) as f64).sqrt();
        let weight = Tensor::f_empty([outputs, inputs, kernel, kernel], (Kind::Float, Device::Cpu))?
            .f_normal_(0.0, deviation)?;
        self.entry(format!("{name}.weight"), &channels_last(&weight)?, true)
    }

    fn norm(&mut self, name: &str, width: i64) -> Result<[Tensor; 5]> {
        let float = (Kind::Float, Device::Cpu);
        let (ones, zeros) = (|| Tensor::f_ones([width], float), || Tensor::f_zeros([width], float));
        Ok([
            self.entry(format!("{name}.weight"), &ones()?, true)?,
            self.entry(format!("{name}.bias"), &zeros()?, true)?,
            self.entry(format!("{name}.running_mean"), &zeros()?, false)?,
            self.entry(format!("{name}.running_var"), &ones()?, false)?,
            self.entry(
                format!("{name}.num_batches_tracked"),
                &Tensor::f_zeros([0; 0], (Kind::Int64, Device::Cpu))?,
                false,
            )?,
        ])
    }

    fn conv_norm(
        &mut self,
        names: [&str; 2],
        inputs: i64,
        outputs: i64,
        kernel: i64,
        stride: i64,
    ) -> Result<ConvNorm> {
        let weight = self.conv(names[0], inputs, outputs, kernel)?;
        Ok(ConvNorm { weight, stride, norm: self.norm(names[1], outputs)? })
    }

    fn linear(&mut self, name: &str, inputs: i64, outputs: i64) -> Result<Linear> {
        // torch.nn.Linear: kaiming_uniform_(a=√5), which has the same bound for weight and bias.
        let bound = 1.0 / (inputs as f64).sqrt();
        let mut uniform = |name: String, shape: &[i64]| {
            let tensor = Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?.f_uniform_(-bound, bound)?;
            self.entry(name, &tensor, true)
        };
        Ok(Linear {
            weight: uniform(format!("{name}.weight"), &[outputs, inputs])?,
            bias: uniform(format!("{name}.bias"), &[outputs])?,
        })
    }
}

impl ResNet {
    /// Returns a network with random weights from libtorch's generator (`tch::manual_seed`).
    ///
    /// # Errors
    /// libtorch's: there isn't enough memory.
    pub fn new(manifest: &ModelManifest, device: Device) -> Result<Self> {
        let (depths, bottleneck) = match manifest.arch {
            Arch::Resnet18 => ([2, 2, 2, 2], false),
            Arch::Resnet34 => ([3, 4, 6, 3], false),
            Arch::Resnet50 => ([3, 4, 6, 3], true),
        };
        let mut builder = Builder { device, entries: Vec::new() };
        let stem = builder.conv_norm(["conv1", "bn1"], 3, 64, 7, 2)?;
        let mut stages = Vec::new();
        let mut inputs = 64;
        for (stage, depth) in depths.into_iter().enumerate() {
            let width = 64 << stage;
            let outputs = if bottleneck { 4 * width } else { width };
            for index in 0..depth {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let name = format!("layer{}.{index}", stage + 1);
                let mut conv = |number: i64, inputs, outputs, kernel, stride| {
                    let names = [format!("{name}.conv{number}"), format!("{name}.bn{number}")];
                    builder.conv_norm([&names[0], &names[1]], inputs, outputs, kernel, stride)
                };
                let convs = if bottleneck {
                    vec![
                        conv(1, inputs, width, 1, 1)?,
                        conv(2, width, width, 3, stride)?,
                        conv(3, width, outputs, 1, 1)?,
                    ]
                } else {
                    vec![conv(1, inputs, width, 3, stride)?, conv(2, width, width, 3, 1)?]
                };
                let downsample = if stride != 1 || inputs != outputs {
                    let names = [format!("{name}.downsample.0"), format!("{name}.downsample.1")];
                    Some(builder.conv_norm([&names[0], &names[1]], inputs, outputs, 1, stride)?)
                } else {
                    None
                };
                stages.push(Block { convs, downsample });
                inputs = outputs;
            }
        }
        let classes = manifest.classes.len() as i64;
        let head = match i64::from(manifest.head_hidden) {
            0 => vec![builder.linear("fc", inputs, classes)?],
            hidden => vec![builder.linear("fc.0", inputs, hidden)?, builder.linear("fc.2", hidden, classes)?],
        };
        Ok(Self { manifest: manifest.clone(), device, stem, stages, head, entries: builder.entries })
    }

    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// Where its weights are.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Returns the logits (batch × classes) for a batch of images (batch × 3 × height × width, 0…1), to learn all weights
    /// from. Batch norm normalises by the batch, and updates its statistics.
    ///
    /// The convolutions are computed in `kind`, and so is what lies between them. All weights, the statistics and the head
    /// stay in float32, and so do the gradients: what `torch.autocast` does but for the head, which costs nothing.
    ///
    /// # Errors
    /// libtorch's: the images have another kind of values or shape, or there isn't enough memory.
    pub fn learn(&self, images: &Tensor, kind: Kind) -> Result<Tensor> {
        let images = on(self.device, images)?.f_to_kind(kind)?;
        let mut x = self.stem.forward(&images)?.f_relu_()?;
        x = x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?;
        for block in &self.stages {
            x = block.forward(&x)?;
        }
        self.head(&x.f_to_kind(Kind::Float)?.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?)
    }

    /// Returns the network but for the head as it is now, to compute features with. What is learnt afterwards isn't in it.
    ///
    /// # Errors
    /// libtorch's: there isn't enough memory.
    pub fn still(&self, kind: Kind) -> Result<Still> {
        no_grad(|| {
            let stem = self.stem.still(kind)?;
            let blocks = self.stages.iter().map(|block| {
                let convolutions = block.convs.iter().map(|conv| conv.still(kind)).collect::<Result<_>>()?;
                let shortcut = block.downsample.as_ref().map(|conv| conv.still(kind)).transpose()?;
                Ok(still::Block { convolutions, shortcut })
            });
            Ok(Still { device: self.device, kind, stem, blocks: blocks.collect::<Result<_>>()? })
        })
    }

    /// Returns the logits (batch × classes) for features (batch × width), which are [`Still::features`].
    pub fn head(&self, features: &Tensor) -> Result<Tensor> {
        let mut x = features.shallow_clone();
        for (index, linear) in self.head.iter().enumerate() {
            if index > 0 {
                x = x.f_relu()?;
            }
            x = x.f_linear(&linear.weight, Some(&linear.bias))?;
        }
        Ok(x)
    }

    /// Returns the weights that are learnt by name: all, or those of the head.
    pub fn parameters(&self, head_only: bool) -> Vec<(String, Tensor)> {
        self.entries
            .iter()
            .filter(|entry| entry.learnt && (!head_only || is_head(&entry.name)))
            .map(|entry| (entry.name.clone(), entry.tensor.shallow_clone()))
            .collect()
    }

    /// The number of features of an image.
    pub fn width(&self) -> i64 {
        self.head[0].weight.size()[1]
    }

    /// Returns references to all tensors of the state dict.
    pub fn tensors(&self) -> Vec<Tensor> {
        self.entries.iter().map(|entry| entry.tensor.shallow_clone()).collect()
    }

    /// Returns batch norm's statistics, which training changes without gradients.
    pub fn buffers(&self) -> Vec<Tensor> {
        let buffers = self.entries.iter().filter(|entry| !entry.learnt);
        buffers.map(|entry| entry.tensor.shallow_clone()).collect()
    }

    /// Turns off the gradients of the backbone.
    pub fn freeze_backbone(&self) {
        for entry in self.entries.iter().filter(|entry| !is_head(&entry.name)) {
            let _ = entry.tensor.set_requires_grad(false);
        }
    }

    /// Returns the SHA-256 (hex) over the names, shapes and values of the backbone.
    ///
    /// # Errors
    /// libtorch's.
    pub fn backbone_digest(&self) -> Result<String> {
        let mut digest = Sha256::new();
        for entry in self.entries.iter().filter(|entry| !is_head(&entry.name)) {
            // In the order of the memory, where the kernels' channels are last.
            let ordered = if entry.tensor.dim() == 4 {
                entry.tensor.f_permute([0, 2, 3, 1])?
            } else {
                entry.tensor.shallow_clone()
            };
            let array = Array::from_tensor(&ordered)?;
            digest.update(format!("{}\0{:?}\0", entry.name, array.shape));
            digest.update(&array.bytes);
        }
        Ok(hex::encode(digest.finalize()))
    }

    pub fn state_dict(&self) -> Result<StateDict> {
        state(self.entries.iter())
    }

    /// Returns the head's part of the state dict.
    pub fn head_state(&self) -> Result<StateDict> {
        state(self.entries.iter().filter(|entry| is_head(&entry.name)))
    }

    /// Loads the weights of a state dict of any order and float type.
    ///
    /// With `fresh_head`, a head of another shape is not loaded, and the result is `false`.
    ///
    /// # Errors
    /// Names the tensors that are missing, unexpected or of another shape.
    pub fn load(&self, state: &StateDict, fresh_head: bool) -> Result<bool> {
        let shapes = |wanted_head: bool| -> Vec<(&str, Vec<usize>)> {
            let mut shapes: Vec<_> = state
                .iter()
                .filter(|(name, _)| is_head(name) == wanted_head)
                .map(|(name, array)| (name.as_str(), array.shape.clone()))
                .collect();
            shapes.sort();
            shapes
        };
        let own = |wanted_head: bool| -> Vec<(&str, Vec<usize>)> {
            let mut shapes: Vec<_> = self
                .entries
                .iter()
                .filter(|entry| is_head(&entry.name) == wanted_head)
                .map(|entry| (entry.name.as_str(), entry.tensor.size().iter().map(|n| *n as usize).collect()))
                .collect();
            shapes.sort();
            shapes
        };
        let head_fits = shapes(true) == own(true);
        let mut problems = differences(&own(false), &shapes(false));
        if !fresh_head && !head_fits {
            problems.extend(differences(&own(true), &shapes(true)));
        }
        if !problems.is_empty() {
            let more = problems.len().saturating_sub(5);
            problems.truncate(5);
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            return Err(Error::new(format!(
                "the weights don't fit {:?} with {} classes: {}{more}",
                self.manifest.arch,
                self.manifest.classes.len(),
                problems.join("; ")
            )));
        }
        for entry in &self.entries {
            if let Some((_, array)) = state.iter().find(|(name, _)| *name == entry.name)
                && (head_fits || !is_head(&entry.name))
            {
                let source = array.to_tensor()?;
                no_grad(|| entry.tensor.shallow_clone().f_copy_(&source))?;
            }
        }
        Ok(head_fits)
    }
}

fn state<'a>(entries: impl Iterator<Item = &'a Entry>) -> Result<StateDict> {
    entries.map(|entry| Ok((entry.name.clone(), Array::from_tensor(&entry.tensor)?))).collect()
}

/// Returns how `found` differs. `num_batches_tracked` may be missing: nothing is computed from it.
fn differences(wanted: &[(&str, Vec<usize>)], found: &[(&str, Vec<usize>)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, shape) in wanted {
        match found.iter().find(|(other, _)| other == name) {
            None if name.ends_with(".num_batches_tracked") => {}
            None => problems.push(format!("{name} is missing")),
            Some((_, other)) if other != shape => {
                problems.push(format!("{name} has shape {other:?}, not {shape:?}"));
            }
            Some(_) => {}
        }
    }
    let unexpected = found.iter().filter(|(name, _)| !wanted.iter().any(|(other, _)| other == name));
    problems.extend(unexpected.map(|(name, _)| format!("{name} is unexpected")));
    problems
}

fn is_head(name: &str) -> bool {
    name.starts_with("fc.")
}

/// Returns the mean loss of a batch: the cross-entropy of logits (batch × classes) with the classes of the images.
///
/// # Errors
/// libtorch's: a class is out of range.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    Ok(logits.f_cross_entropy_loss(labels, None::<&Tensor>, tch::Reduction::Mean, -100, 0.0)?)
}

impl ConvNorm {
    /// Computes in the numbers of `x`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = match single_pixel(&self.weight, self.stride, x)? {
            Some(result) => result,
            None => {
                let (weight, padding) = (self.weight.f_to_kind(x.f_kind()?)?, self.weight.size()[3] / 2);
                x.f_conv2d(&weight, None::<&Tensor>, self.stride, padding, 1, 1)?
            }
        };
        let [weight, bias, mean, variance, batches] = &self.norm;
        let _ = batches.shallow_clone().f_add_scalar_(1)?;
        let (mean, variance) = (Some(mean), Some(variance));
        Ok(x.f_batch_norm(Some(weight), Some(bias), mean, variance, true, MOMENTUM, EPSILON, true)?)
    }

    /// Returns the convolution that batch norm in eval mode is part of.
    fn still(&self, kind: Kind) -> Result<Convolution> {
        let [weight, bias, mean, variance, _] = &self.norm;
        let scale = variance.f_add_scalar(EPSILON)?.f_rsqrt()?.f_mul(weight)?;
        let weight = self.weight.f_mul(&scale.f_view([-1, 1, 1, 1])?)?.f_to_kind(kind)?;
        let bias = bias.f_sub(&mean.f_mul(&scale)?)?.f_to_kind(kind)?;
        Ok(Convolution::new(channels_last(&weight)?, bias, self.stride))
    }
}

/// Returns a convolution whose result is a single pixel, and `None` of any other. It is the product of two matrices: the part of the
/// kernel that meets something of the images `x`, which are square as the kernel is. The rest would only be multiplied by the
/// padding's zeros, and has no gradient: at 32 pixels, that is most of the last stage's kernels.
fn single_pixel(weight: &Tensor, stride: i64, x: &Tensor) -> Result<Option<Tensor>> {
    let (side, kernel) = (x.size()[3], weight.size()[3]);
    let padding = kernel / 2;
    if (side + 2 * padding - kernel) / stride > 0 {
        return Ok(None);
    }
    let length = side.min(kernel - padding);
    // In the order of the memory, so that only the part is copied, and its gradient has that order too.
    let rows = |of: &Tensor, start| -> Result<Tensor> {
        let part = of.f_permute([0, 2, 3, 1])?.f_narrow(1, start, length)?.f_narrow(2, start, length)?;
        Ok(part.f_flatten(1, -1)?)
    };
    let weight = rows(weight, padding)?.f_to_kind(x.f_kind()?)?;
    let result = rows(x, 0)?.f_linear(&weight, None::<&Tensor>)?;
    Ok(Some(result.f_unsqueeze(2)?.f_unsqueeze(3)?))
}

impl Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut y = x.shallow_clone();
        for (index, conv) in self.convs.iter().enumerate() {
            y = conv.forward(&y)?;
            if index + 1 < self.convs.len() {
                y = y.f_relu_()?;
            }
        }
        let shortcut = match &self.downsample {
            Some(conv) => conv.forward(x)?,
            None => x.shallow_clone(),
        };
        Ok(y.f_add_(&shortcut)?.f_relu_()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::is_channels_last;

    /// At 32 pixels, the last stage's images have a side of 2 or 1, and at 64 twice that.
    #[test]
    fn a_convolution_to_a_single_pixel_has_the_same_result_and_gradients() {
        tch::manual_seed(2);
        for (kernel, stride, side, is_single) in [
            (3, 1, 1, true),
            (3, 2, 2, true),
            (3, 2, 1, true),
            (1, 2, 2, true),
            (1, 1, 1, true),
            (3, 1, 2, false),
            (3, 2, 4, false),
            (7, 2, 32, false),
        ] {
            let new = |shape: &[i64]| channels_last(&Tensor::randn(shape, tch::kind::FLOAT_CPU)).unwrap();
            let weight = new(&[5, 4, kernel, kernel]).set_requires_grad(true);
            let x = new(&[3, 4, side, side]).set_requires_grad(true);
            let result = single_pixel(&weight, stride, &x).unwrap();
            assert_eq!(result.is_some(), is_single, "{kernel} {stride} {side}");
            let Some(result) = result else { continue };
            let with_gradients = |y: Tensor| {
                let mut all =
                    Tensor::run_backward(&[&y.square().sum(Kind::Float)], &[&weight, &x], false, false);
                assert!(is_channels_last(&all[0]).unwrap(), "{kernel} {stride} {side}");
                all.push(y);
                all
            };
            let whole = x.conv2d(&weight, None::<&Tensor>, stride, kernel / 2, 1, 1);
            for (one, other) in with_gradients(result).iter().zip(with_gradients(whole)) {
                let apart = (one - &other).abs().max().double_value(&[]);
                assert!(one.size() == other.size() && apart < 1e-4, "{kernel} {stride} {side}: {apart}");
            }
        }
    }
}
