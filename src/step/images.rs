//! ImageFolder layout, as torchvision reads it: `train/CLASS/IMAGE`, `valid/…`, `test/…`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use image::{DynamicImage, ImageReader, Limits};

use crate::failure::{Failure, Outcome};
use crate::files::{LocalFile, files_below};

pub const SPLITS: [&str; 3] = ["train", "valid", "test"];

/// The most pixels along a side. A larger image is an attack or a mistake.
const MAX_SIDE: u32 = 16_384;
/// The most bytes of a decoded image: 80 megapixels. All threads together take at most 2 GB.
const MAX_DECODED: u64 = 256 << 20;
const MAX_THREADS: usize = 8;

/// A verified dataset.
#[derive(Debug)]
pub struct ImageFolder {
    /// The folder of the splits.
    pub root: PathBuf,
    /// Sorted, as the logits are.
    pub classes: Vec<String>,
    pub images: BTreeMap<&'static str, u64>,
    pub bytes: u64,
    /// Files whose names are not those of images.
    pub ignored: u64,
    /// The first test image of each class, relative to `root`.
    pub samples: BTreeMap<String, String>,
    /// The training images of each class.
    pub training: BTreeMap<String, Vec<PathBuf>>,
}

/// Returns the folder of the splits: `folder` itself, or the only folder in it.
pub fn root(folder: &Path) -> Outcome<PathBuf> {
    let has_splits = |folder: &Path| SPLITS.iter().any(|split| folder.join(split).is_dir());
    if has_splits(folder) {
        return Ok(folder.to_owned());
    }
    let entries = std::fs::read_dir(folder).map_err(|error| Failure::file(folder, error))?;
    let folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir() && path.file_name().is_some_and(|name| name != "__MACOSX"))
        .collect();
    match folders.as_slice() {
        [only] if has_splits(only) => Ok(only.clone()),
        _ => Err(Failure::new("BadDataset", format!("{} has no train/, valid/ and test/", folder.display()))
            .hint("ImageFolder layout is train/CLASS/IMAGE, valid/CLASS/IMAGE, test/CLASS/IMAGE")),
    }
}

/// Verifies the splits, the classes and every image. The error has all problems, with the names of at most ten files.
pub fn inspect(folder: &Path, progress: &mut dyn FnMut(u64, u64)) -> Outcome<ImageFolder> {
    let root = root(folder)?;
    let mut found = ImageFolder {
        classes: Vec::new(),
        images: SPLITS.map(|split| (split, 0)).into(),
        bytes: 0,
        ignored: 0,
        samples: BTreeMap::new(),
        training: BTreeMap::new(),
        root: root.clone(),
    };
    let mut wrong = Vec::new();
    let mut classes: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut images: Vec<LocalFile> = Vec::new();
    for split in SPLITS {
        let folder = root.join(split);
        if !folder.is_dir() {
            wrong.push(format!("there is no {split}/"));
            continue;
        }
        let mut counts = class_folders(&folder)?;
        for file in files_below(&folder)? {
            match file.key.split_once('/') {
                Some((class, _)) if is_image(&file.key) => {
                    *counts.entry(class.to_owned()).or_insert(0) += 1;
                    *found.images.entry(split).or_insert(0) += 1;
                    found.bytes += file.bytes;
                    if split == "test" {
                        found.samples.entry(class.to_owned()).or_insert_with(|| format!("test/{}", file.key));
                    }
                    if split == "train" {
                        found.training.entry(class.to_owned()).or_default().push(file.path.clone());
                    }
                    images.push(file);
                }
                _ => found.ignored += 1,
            }
        }
        wrong.extend(
            counts
                .iter()
                .filter(|(_, n)| **n == 0)
                .map(|(class, _)| format!("the class {split}/{class} has no image")),
        );
        classes.insert(split, counts.into_keys().collect());
    }
    let train = classes.get("train").cloned().unwrap_or_default();
    for (split, theirs) in &classes {
        for class in train.symmetric_difference(theirs) {
            let (has, lacks) = if train.contains(class) { ("train", *split) } else { (*split, "train") };
            wrong.push(format!("the class `{class}` is in {has}/ and not in {lacks}/"));
        }
    }
    if wrong.is_empty() && train.len() < 2 {
        wrong.push(format!("a classifier needs two classes or more, and there are {}", train.len()));
    }
    if wrong.is_empty() {
        wrong = broken(&images, progress);
    }
    if !wrong.is_empty() {
        let more = wrong.len().saturating_sub(10);
        let mut shown = wrong.into_iter().take(10).collect::<Vec<_>>().join("; ");
        if more > 0 {
            shown.push_str(&format!("; and {more} more"));
        }
        return Err(Failure::new("BadDataset", format!("{}: {shown}", root.display()))
            .hint("repair or remove the files, and run again"));
    }
    found.classes = train.into_iter().collect();
    Ok(found)
}

/// Returns the class folders of a split, empty ones included.
fn class_folders(split: &Path) -> Outcome<BTreeMap<String, u64>> {
    let mut classes = BTreeMap::new();
    for entry in std::fs::read_dir(split).map_err(|error| Failure::file(split, error))? {
        let entry = entry.map_err(|error| Failure::file(split, error))?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| Failure::file(&entry.path(), "its name is not UTF-8"))?;
        if name.chars().any(char::is_control) {
            return Err(Failure::file(&entry.path(), "its name has a control character"));
        }
        if entry.path().is_dir() && !name.starts_with('.') {
            classes.insert(name, 0);
        }
    }
    Ok(classes)
}

fn is_image(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    !name.starts_with('.') && matches!(ending.as_deref(), Some("jpg" | "jpeg" | "png"))
}

/// Decodes every image on all cores, and returns those that cannot be decoded.
fn broken(images: &[LocalFile], progress: &mut dyn FnMut(u64, u64)) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(MAX_THREADS);
    let (done, finished) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (done, next, wrong) = (done.clone(), &next, &wrong);
            scope.spawn(move || {
                while let Some(file) = images.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = decode(&file.path)
                        && let Ok(mut wrong) = wrong.lock()
                    {
                        wrong.push(format!(
                            "{} is not an image that can be read: {error}",
                            file.path.display()
                        ));
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

/// Decodes an image. Its content decides the format, not its name.
pub fn decode(path: &Path) -> Result<DynamicImage, String> {
    read(BufReader::new(crate::files::open(path).map_err(|error| error.to_string())?))
}

/// As [`decode`], of what is read from a source.
pub fn read(source: impl BufRead + Seek) -> Result<DynamicImage, String> {
    let mut reader = ImageReader::new(source).with_guessed_format().map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    reader.decode().map_err(|error| error.to_string())
}
