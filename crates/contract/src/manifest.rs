//! What lies beside the weights in `model.tar.gz`, so that a model can be served without its training job.

use serde::{Deserialize, Serialize};

use crate::hyperparameters::Arch;

/// A state dict that PyTorch's `torch.load(weights_only=True)` reads.
pub const MODEL_PTH: &str = "model.pth";
/// The same state dict as safetensors.
pub const MODEL_SAFETENSORS: &str = "model.safetensors";
/// The [`ModelManifest`].
pub const MODEL_MANIFEST: &str = "classes.json";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelManifest {
    pub arch: Arch,
    /// As in [`crate::Hyperparameters::head_hidden`].
    pub head_hidden: u32,
    /// As in [`crate::Hyperparameters::image_size`].
    pub image_size: u32,
    /// In the order of the logits.
    pub classes: Vec<String>,
    /// Whether the job has computed in bfloat16, and this has given the same class as float32 for validation images, and
    /// logits that were no further apart than [`LOGITS_APART`]: an endpoint may then compute in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub agrees_in_bf16: bool,
}

/// The furthest that a logit in bfloat16 may be from that in float32 where an endpoint computes in bfloat16.
pub const LOGITS_APART: f64 = 0.1;

/// Beside a TorchScript module: how an image becomes its input.
pub const MODULE_INPUT: &str = "input.json";

/// The input of a TorchScript module that `opsml-worker` serves: one RGB image, 1 × 3 × `image_size` × `image_size`, resized
/// as by torchvision's `Resize((n, n))`, its values (x/255 − mean) / std. What is left out has these defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModuleInput {
    /// 224, if it is left out.
    pub image_size: u32,
    /// Of red, green and blue: ImageNet's, with which torchvision's models are trained, if it is left out.
    pub mean: [f64; 3],
    /// As `mean`.
    pub std: [f64; 3],
    /// In the order of the logits. If it is left out, the classes have only their numbers.
    pub classes: Vec<String>,
}

impl Default for ModuleInput {
    fn default() -> Self {
        Self { image_size: 224, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], classes: Vec::new() }
    }
}
