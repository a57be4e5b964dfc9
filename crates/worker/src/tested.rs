//! What the model says of the test images: how often each class is taken for each, and the worst mistakes with pictures.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opsml_contract::{MAX_MISTAKES, Mistake, THUMBNAIL_SIDE, Tested};
use opsml_pictures::Picture;
use tch::{Kind, Tensor};

use crate::container::{create_folder, write_bytes};
use crate::dataset::Sample;
use crate::error::{Error, Result};
use crate::instances::Instances;
use crate::loader::read_image;

/// The likeliest class of an image, and its probability.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Answer {
    pub class: usize,
    pub confidence: f64,
}

/// Returns the answers of a batch, from its logits.
pub fn answers(logits: &Tensor) -> Result<Vec<Answer>> {
    let (confidences, classes) = logits.f_softmax(-1, Kind::Double)?.f_max_dim(-1, false)?;
    let (confidences, classes) = (Vec::<f64>::try_from(&confidences)?, Vec::<i64>::try_from(&classes)?);
    let answer = |(class, confidence): (i64, f64)| {
        let class = usize::try_from(class).map_err(|error| Error::new(error.to_string()))?;
        Ok(Answer { class, confidence })
    };
    classes.into_iter().zip(confidences).map(answer).collect()
}

/// Returns the answers to all `images` in their order, from those to this instance's part. Every instance calls it.
pub fn of_all(part: &[Answer], images: usize, instances: &Instances<'_>) -> Result<Vec<Answer>> {
    let mut values = vec![0.0; 2 * images];
    for (index, answer) in part.iter().enumerate() {
        // Indices of classes are small enough to be exact as floats.
        if let Some(place) = values.chunks_exact_mut(2).nth(instances.place(index)) {
            place.copy_from_slice(&[answer.class as f64, answer.confidence]);
        }
    }
    instances.add_up(&mut values)?;
    let answer = |pair: &[f64]| Answer { class: pair[0] as usize, confidence: pair[1] };
    Ok(values.chunks_exact(2).map(answer).collect())
}

/// Writes [`Tested`] as JSON. A mistake without a picture is better than a job that fails at its end.
pub fn write(
    path: &Path,
    dataset: &Path,
    classes: &[String],
    images: &[Sample],
    answers: &[Answer],
) -> Result<()> {
    let mut confusion: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    let mut wrong: Vec<(&Sample, Answer)> = Vec::new();
    for (sample, answer) in images.iter().zip(answers) {
        *confusion.entry((sample.label, answer.class)).or_default() += 1;
        if sample.label != answer.class {
            wrong.push((sample, *answer));
        }
    }
    // Stable: among equals, the order of the files decides.
    wrong.sort_by(|(_, one), (_, other)| other.confidence.total_cmp(&one.confidence));
    let mistakes = wrong.into_iter().take(MAX_MISTAKES).map(|(sample, answer)| Mistake {
        file: sample.path.strip_prefix(dataset).unwrap_or(&sample.path).display().to_string(),
        truth: sample.label,
        predicted: answer.class,
        confidence: answer.confidence,
        thumbnail: thumbnail(sample),
    });
    let tested = Tested {
        classes: classes.to_vec(),
        confusion: confusion.into_iter().map(|((truth, predicted), n)| (truth, predicted, n)).collect(),
        mistakes: mistakes.collect(),
    };
    let json = serde_json::to_vec(&tested).map_err(|error| Error::new(error.to_string()))?;
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    write_bytes(path, &json)
}

fn thumbnail(sample: &Sample) -> Option<String> {
    let picture = Picture::decode(&read_image(sample).ok()?).ok()?;
    Some(STANDARD.encode(picture.thumbnail(THUMBNAIL_SIDE).ok()?.png().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_class_is_the_answer() {
        let logits = Tensor::from_slice(&[1.0_f32, 3.0, 2.0, 5.0, 0.0, 0.0]).reshape([2, 3]);
        let found = answers(&logits).unwrap();
        assert_eq!(found.iter().map(|answer| answer.class).collect::<Vec<_>>(), [1, 0]);
        let softmax = 1.0 / (1.0 + (-2.0_f64).exp() + (-1.0_f64).exp());
        assert!((found[0].confidence - softmax).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn the_surest_mistakes_come_first_and_the_rest_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("test/a/0.png");
        std::fs::create_dir_all(image.parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(9, 9, image::Rgb([7; 3])).save(&image).unwrap();
        let sample = |name: &str, label| Sample {
            path: folder.path().join("test/a").join(name),
            label,
            identity: String::new(),
        };
        let mut images = vec![sample("0.png", 0), sample("gone.png", 1)];
        let mut answers = vec![Answer { class: 1, confidence: 0.9 }, Answer { class: 0, confidence: 0.95 }];
        images.extend((0..30).map(|_| sample("0.png", 0)));
        answers.extend((0..30).map(|n| Answer { class: n % 2, confidence: 0.1 }));
        let path = folder.path().join("output/tested.json");
        write(&path, folder.path(), &["a".into(), "b".into()], &images, &answers).unwrap();
        let tested: Tested = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(tested.confusion, [(0, 0, 15), (0, 1, 16), (1, 0, 1)]);
        let [first, second, ..] = &tested.mistakes[..] else { panic!() };
        assert_eq!((first.file.as_str(), first.truth, first.predicted), ("test/a/gone.png", 1, 0));
        assert_eq!(first.thumbnail, None);
        let png = STANDARD.decode(second.thumbnail.as_ref().unwrap()).unwrap();
        assert_eq!(Picture::decode(&png).unwrap().width, 9);
        assert_eq!(tested.mistakes.len(), MAX_MISTAKES, "there are 17");
    }
}
