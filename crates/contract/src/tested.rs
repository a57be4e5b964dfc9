//! What a training job's model says of the test images, as the job leaves it beside its metrics: [`Tested`] as JSON in
//! [`TESTED_FILE`].

use serde::{Deserialize, Serialize};

/// Lies in `SM_OUTPUT_DATA_DIR`, and so at the top of `output.tar.gz`.
pub const TESTED_FILE: &str = "tested.json";

/// The most mistakes that are listed one by one.
pub const MAX_MISTAKES: usize = 12;

/// The longest side of a mistake's picture, in pixels.
pub const THUMBNAIL_SIDE: u32 = 84;

/// The model's answers to all test images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// Class names in the order of the logits. Below, a class is an index into them.
    pub classes: Vec<String>,
    /// True class, predicted class, and how many images; pairs without an image are left out.
    pub confusion: Vec<(usize, usize, u64)>,
    /// The wrong answers of which the model was surest, surest first; at most [`MAX_MISTAKES`].
    pub mistakes: Vec<Mistake>,
}

/// An image that was taken for another class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// Relative to the dataset: `test/Shirt/0007.png`.
    pub file: String,
    pub truth: usize,
    pub predicted: usize,
    /// The softmax probability of the predicted class, 0 to 1.
    pub confidence: f64,
    /// The middle of the image as a small PNG in base64, or nothing if it could not be made.
    pub thumbnail: Option<String>,
}
