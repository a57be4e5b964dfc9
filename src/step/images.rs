//! The datasets of `dataset`: which folder has the splits, and whether every picture in it can be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use image::DynamicImage;
use opsml_pictures::{Image, ImageFolder, PassedOver, SPLITS, is_hidden, read_file};

use crate::failure::{Failure, Outcome};

/// All threads together take at most 4 GB, if each decodes the largest picture there may be, with 64 bits a pixel.
const MAX_THREADS: usize = 8;
/// How many problems an error names.
const NAMED: usize = 10;

/// A verified dataset.
#[derive(Debug)]
pub struct Verified {
    /// The folder of the splits.
    pub root: PathBuf,
    /// Sorted, as the logits are.
    pub classes: Vec<String>,
    /// How many pictures each of `SPLITS` has.
    pub images: [u64; 3],
    pub bytes: u64,
    pub passed_over: Vec<PassedOver>,
    /// The first test image of each class, relative to `root`.
    pub samples: BTreeMap<String, String>,
    /// The training images of each class.
    pub training: BTreeMap<String, Vec<PathBuf>>,
}

/// Returns the folder of the splits: `folder` itself, or the only folder in it that isn't hidden.
pub fn root(folder: &Path) -> Outcome<PathBuf> {
    let has_splits = |folder: &Path| SPLITS.iter().any(|split| folder.join(split).is_dir());
    if has_splits(folder) {
        return Ok(folder.to_owned());
    }
    let entries = std::fs::read_dir(folder).map_err(|error| Failure::file(folder, error))?;
    let folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.is_dir() && !path.file_name().is_some_and(|name| is_hidden(&name.to_string_lossy()))
        })
        .collect();
    match folders.as_slice() {
        [only] if has_splits(only) => Ok(only.clone()),
        _ => Err(Failure::new("BadDataset", format!("{} has no train/, valid/ and test/", folder.display()))
            .hint("ImageFolder layout is train/CLASS/IMAGE, valid/CLASS/IMAGE, test/CLASS/IMAGE")),
    }
}

/// Verifies the splits, the classes and every image. The error has all problems, of which it names ten at most.
pub fn inspect(folder: &Path, progress: &mut dyn FnMut(u64, u64)) -> Outcome<Verified> {
    let root = root(folder)?;
    let bad = |wrong: Vec<String>| {
        let more = wrong.len().saturating_sub(NAMED);
        let mut shown = wrong.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
        if more > 0 {
            shown.push_str(&format!("; and {more} more"));
        }
        Failure::new("BadDataset", format!("{}: {shown}", root.display()))
            .hint("repair or remove the files, and run again")
    };
    let found = ImageFolder::open(&root).map_err(bad)?;
    let all: Vec<&Image> = found.splits.iter().flatten().collect();
    let wrong = broken(&all, progress);
    if !wrong.is_empty() {
        return Err(bad(wrong));
    }
    let [train, _, test] = &found.splits;
    let (mut samples, mut training) = (BTreeMap::new(), BTreeMap::<String, Vec<PathBuf>>::new());
    for image in test {
        samples.entry(found.classes[image.label].clone()).or_insert_with(|| image.key.clone());
    }
    for image in train {
        training.entry(found.classes[image.label].clone()).or_default().push(image.path.clone());
    }
    Ok(Verified {
        images: [0, 1, 2].map(|split| found.splits[split].len() as u64),
        bytes: all.iter().map(|image| image.bytes).sum(),
        classes: found.classes,
        passed_over: found.passed_over,
        samples,
        training,
        root,
    })
}

/// Decodes every image on all cores, and returns those that cannot be decoded.
fn broken(images: &[&Image], progress: &mut dyn FnMut(u64, u64)) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(MAX_THREADS);
    let (done, finished) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (done, next, wrong) = (done.clone(), &next, &wrong);
            scope.spawn(move || {
                while let Some(image) = images.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = decode(&image.path)
                        && let Ok(mut wrong) = wrong.lock()
                    {
                        wrong.push(format!("{} is not an image that can be read: {error}", image.key));
                    }
                    // It cannot fail: the receiver outlives the scope.
                    let _ = done.send(());
                }
            });
        }
        drop(done);
        for (count, ()) in finished.iter().enumerate() {
            progress(count as u64 + 1, images.len() as u64);
        }
    });
    let mut wrong = wrong.into_inner().unwrap_or_default();
    wrong.sort();
    wrong
}

/// Decodes an image of a dataset.
pub fn decode(path: &Path) -> Result<DynamicImage, String> {
    opsml_pictures::decode(&read_file(path)?)
}
