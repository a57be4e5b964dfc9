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
}
