//! ImageFolder layout, as torchvision reads it: `train/CLASS/IMAGE`, `valid/…`, `test/…`. What is no picture is passed
//! over, and named.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::io::Read;
use std::path::{Path, PathBuf};

use opsml_contract::image_type;

use crate::name::{is_hidden, is_picture, other_format};
use crate::read::MAX_FILE;

/// The folders of a dataset, in the order of [`ImageFolder::splits`].
pub const SPLITS: [&str; 3] = ["train", "valid", "test"];
/// What people call the folders of validation.
const VALID: [&str; 3] = ["val", "validation", "validate"];
/// How many of the files that were passed over are named in a line.
const NAMED: usize = 10;

/// A picture of a dataset. It is not decoded yet.
#[derive(Clone, Debug)]
pub struct Image {
    /// The path below the dataset, with `/` between its parts: `train/CLASS/…`.
    pub key: String,
    pub path: PathBuf,
    pub bytes: u64,
    /// The index of its class.
    pub label: usize,
}

/// A file or folder that is no part of the dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// As [`Image::key`]; a folder's ends in `/`.
    pub key: String,
    pub why: String,
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.key, self.why)
    }
}

/// The files of a dataset. Every split has the same classes, two or more, and a picture of each.
#[derive(Debug)]
pub struct ImageFolder {
    /// Sorted by name, as torchvision numbers them.
    pub classes: Vec<String>,
    /// The pictures of each of [`SPLITS`], class by class, in torchvision's order.
    pub splits: [Vec<Image>; 3],
    pub passed_over: Vec<PassedOver>,
}

/// A file or folder in a folder.
struct Found {
    name: String,
    key: String,
    path: PathBuf,
    folder: bool,
    bytes: u64,
}

impl ImageFolder {
    /// Lists the dataset in `root`.
    ///
    /// # Errors
    /// All that is wrong with it, and at least one thing: a split is missing, the splits have different classes, a class has
    /// no picture, a file can't be used. Links are not followed: one could lead out of the dataset.
    pub fn open(root: &Path) -> Result<Self, Vec<String>> {
        let mut listed = Listed::default();
        listed.beside_splits(root)?;
        for split in SPLITS {
            let folder = root.join(split);
            match folder.is_dir() {
                true => listed.split(split, &folder)?,
                false => listed.wrong.push(missing(root, split)),
            }
        }
        listed.compare();
        match listed.wrong.is_empty() {
            true => Ok(listed.dataset()),
            false => Err(listed.wrong),
        }
    }
}

/// A dataset that is being listed.
#[derive(Default)]
struct Listed {
    /// The pictures of each split and class.
    splits: BTreeMap<&'static str, BTreeMap<String, Vec<Image>>>,
    passed_over: Vec<PassedOver>,
    wrong: Vec<String>,
}

impl Listed {
    fn pass_over(&mut self, found: &Found, why: impl Into<String>) {
        let slash = if found.folder { "/" } else { "" };
        self.passed_over.push(PassedOver { key: format!("{}{slash}", found.key), why: why.into() });
    }

    /// Passes over what lies beside the splits.
    fn beside_splits(&mut self, root: &Path) -> Result<(), Vec<String>> {
        for found in entries(root, "")?.iter().filter(|found| !SPLITS.contains(&found.name.as_str())) {
            match is_hidden(&found.name) {
                true => self.pass_over(found, "hidden"),
                false => self.pass_over(found, "it is in none of train/, valid/ and test/"),
            }
        }
        Ok(())
    }

    fn split(&mut self, split: &'static str, folder: &Path) -> Result<(), Vec<String>> {
        let mut classes = BTreeMap::new();
        let mut loose = 0;
        for found in entries(folder, &format!("{split}/"))? {
            if is_hidden(&found.name) {
                self.pass_over(&found, "hidden");
            } else if found.folder {
                let images = self.class(&found)?;
                classes.insert(found.name, images);
            } else {
                loose += usize::from(is_picture(&found.name));
                self.pass_over(&found, "it is in no class's folder");
            }
        }
        if classes.is_empty() {
            self.wrong.push(match loose {
                0 => format!("{split}/ has no class: an image is at {split}/CLASS/IMAGE"),
                _ => format!(
                    "{split}/ has images ({loose}) and no class: put each into the folder of its class, {split}/CLASS/IMAGE"
                ),
            });
        }
        self.splits.insert(split, classes);
        Ok(())
    }

    /// Returns the pictures of a class, in torchvision's order: those of a folder before those of the folders in it.
    fn class(&mut self, class: &Found) -> Result<Vec<Image>, Vec<String>> {
        let passed_before = self.passed_over.len();
        let mut images: Vec<(String, Image)> = Vec::new();
        let mut pending = vec![(class.path.clone(), format!("{}/", class.key))];
        while let Some((folder, prefix)) = pending.pop() {
            for found in entries(&folder, &prefix)? {
                if is_hidden(&found.name) {
                    self.pass_over(&found, "hidden");
                } else if found.folder {
                    pending.push((found.path, format!("{}/", found.key)));
                } else if is_picture(&found.name) {
                    if found.bytes > MAX_FILE {
                        self.wrong.push(format!(
                            "{} has {} bytes, and {MAX_FILE} is the limit: make it smaller",
                            found.key, found.bytes
                        ));
                    }
                    let image = Image { key: found.key, path: found.path, bytes: found.bytes, label: 0 };
                    images.push((prefix.clone(), image));
                } else {
                    let why = why_no_picture(&found);
                    self.pass_over(&found, why);
                }
            }
        }
        if images.is_empty() {
            let passed = match &self.passed_over[passed_before..] {
                [] => String::new(),
                passed => format!(" ({})", passed_over(passed).unwrap_or_default()),
            };
            self.wrong.push(format!(
                "the class {} has no image{passed}: add some, or remove the class from every split",
                class.key
            ));
        }
        images.sort_by(|(folder, one), (other, another)| (folder, &one.key).cmp(&(other, &another.key)));
        Ok(images.into_iter().map(|(_, image)| image).collect())
    }

    /// Compares the splits' classes with those of `train`.
    fn compare(&mut self) {
        let Some(train) = self.splits.get("train").filter(|train| !train.is_empty()) else { return };
        for (split, theirs) in self.splits.iter().filter(|(_, theirs)| !theirs.is_empty()) {
            let (missing, more) = (
                train.keys().filter(|class| !theirs.contains_key(*class)),
                theirs.keys().filter(|class| !train.contains_key(*class)),
            );
            self.wrong.extend(missing.map(|class| differs(class, "train", split)));
            self.wrong.extend(more.map(|class| differs(class, split, "train")));
        }
        if let (Some(only), 1) = (train.keys().next(), train.len()) {
            self.wrong.push(format!(
                "a classifier needs two classes or more, and there is one, `{only}`: each class is a folder in train/, valid/ and test/"
            ));
        }
    }

    fn dataset(mut self) -> ImageFolder {
        let mut classes = Vec::new();
        let splits = SPLITS.map(|split| {
            let found = self.splits.remove(split).unwrap_or_default();
            // Every split has the same classes.
            classes = found.keys().cloned().collect();
            let labelled = |(label, images): (usize, Vec<Image>)| {
                images.into_iter().map(move |image| Image { label, ..image })
            };
            found.into_values().enumerate().flat_map(labelled).collect()
        });
        self.passed_over.sort_by(|one, other| one.key.cmp(&other.key));
        ImageFolder { classes, splits, passed_over: self.passed_over }
    }
}

fn differs(class: &str, has: &str, lacks: &str) -> String {
    format!("the class `{class}` is in {has}/ and not in {lacks}/: every split has the same classes")
}

fn missing(root: &Path, split: &str) -> String {
    let meant = VALID.iter().find(|name| split == "valid" && root.join(name).is_dir());
    match meant {
        Some(name) => format!("there is no {split}/, but {name}/: rename it"),
        None => format!("there is no {split}/: a dataset has train/, valid/ and test/"),
    }
}

/// Says why a file of a class is no picture. Of one whose content is a picture's, the ending is the mistake.
fn why_no_picture(found: &Found) -> String {
    if let Some(format) = other_format(&found.name) {
        return format!("{format} isn't read: convert it");
    }
    let mut start = [0; 32];
    let read = fs::File::open(&found.path).and_then(|mut file| file.read(&mut start)).unwrap_or_default();
    match image_type(&start[..read]) {
        Some(content) => format!("its content is {content}, but its ending is not an image's: rename it"),
        None => "its ending is not an image's".to_owned(),
    }
}

/// Returns what was passed over as one line, with the names of the first ones. `None` if nothing was.
pub fn passed_over(all: &[PassedOver]) -> Option<String> {
    let named: Vec<String> = all.iter().take(NAMED).map(ToString::to_string).collect();
    let more = all.len() - named.len();
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    (!all.is_empty()).then(|| format!("{} passed over: {}{more}", all.len(), named.join("; ")))
}

/// Returns what is in a folder, sorted by name. Hidden entries may be anything; others are regular files and folders.
fn entries(folder: &Path, prefix: &str) -> Result<Vec<Found>, Vec<String>> {
    // A terminal must not obey a name.
    let shown = |path: &Path| path.display().to_string().replace(char::is_control, "\u{fffd}");
    let wrong = |path: &Path, why: &dyn std::fmt::Display| vec![format!("{}: {why}", shown(path))];
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| wrong(folder, &error))? {
        let entry = entry.map_err(|error| wrong(folder, &error))?;
        found.push(entry_found(&entry, prefix).map_err(|why| wrong(&entry.path(), &why))?);
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn entry_found(entry: &DirEntry, prefix: &str) -> Result<Found, String> {
    let metadata = fs::symlink_metadata(entry.path()).map_err(|error| error.to_string())?;
    let name = entry.file_name().into_string().map_err(|_| "its name is not UTF-8: rename it".to_owned())?;
    if name.chars().any(char::is_control) {
        return Err("its name has a control character: rename it".to_owned());
    }
    if !is_hidden(&name) && metadata.is_symlink() {
        return Err("is a link, and links are not followed: copy what it leads to".to_owned());
    }
    if !is_hidden(&name) && !metadata.is_dir() && !metadata.is_file() {
        return Err("is neither a file nor a folder".to_owned());
    }
    let key = format!("{prefix}{name}");
    Ok(Found { name, key, path: entry.path(), folder: metadata.is_dir(), bytes: metadata.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n...";

    /// Writes files of a dataset with the classes `a` and `b` that has one picture of each in every split.
    fn dataset(more: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |key: &str, content: &[u8]| {
            let path = folder.path().join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        for split in SPLITS {
            write(&format!("{split}/a/1.png"), PNG);
            write(&format!("{split}/b/1.png"), PNG);
        }
        more.iter().for_each(|(key, content)| write(key, content));
        folder
    }

    #[test]
    fn pictures_are_found_by_their_endings_and_all_else_is_named() {
        let folder = dataset(&[
            ("train/a/2.JPG", b""),
            ("train/a/sub/0.webp", b""),
            ("train/b/.hidden/1.png", PNG),
            ("train/b/._1.png", b""),
            ("train/b/notes.txt", b"notes"),
            ("train/b/photo", PNG),
            ("train/b/phone.heic", b""),
            ("train/loose.png", PNG),
            ("train/.ipynb_checkpoints/1.png", PNG),
            ("__MACOSX/train/a/._1.png", b""),
            ("README.md", b""),
        ]);
        let found = ImageFolder::open(folder.path()).unwrap();
        assert_eq!(found.classes, ["a", "b"]);
        let train: Vec<_> = found.splits[0].iter().map(|image| (image.key.as_str(), image.label)).collect();
        let wanted =
            [("train/a/1.png", 0), ("train/a/2.JPG", 0), ("train/a/sub/0.webp", 0), ("train/b/1.png", 1)];
        assert_eq!(train, wanted);
        assert_eq!([found.splits[1].len(), found.splits[2].len()], [2, 2]);
        let passed: Vec<_> =
            found.passed_over.iter().map(|one| (one.key.as_str(), one.why.as_str())).collect();
        let renamed = "its content is image/png, but its ending is not an image's: rename it";
        let wanted = [
            ("README.md", "it is in none of train/, valid/ and test/"),
            ("__MACOSX/", "hidden"),
            ("train/.ipynb_checkpoints/", "hidden"),
            ("train/b/._1.png", "hidden"),
            ("train/b/.hidden/", "hidden"),
            ("train/b/notes.txt", "its ending is not an image's"),
            ("train/b/phone.heic", "HEIC isn't read: convert it"),
            ("train/b/photo", renamed),
            ("train/loose.png", "it is in no class's folder"),
        ];
        assert_eq!(passed, wanted);
    }

    #[test]
    fn what_can_not_be_trained_on_says_its_way_out() {
        let wrong = |change: &dyn Fn(&Path)| {
            let folder = dataset(&[]);
            change(folder.path());
            ImageFolder::open(folder.path()).unwrap_err().join("; ")
        };
        let gone = |key: &'static str| move |root: &Path| fs::remove_dir_all(root.join(key)).unwrap();
        assert!(wrong(&gone("test")).contains("there is no test/"));
        assert!(wrong(&gone("test/b")).contains("the class `b` is in train/ and not in test/"));
        assert!(wrong(&gone("train/b")).contains("the class `b` is in valid/ and not in train/"));
        let val = wrong(&|root| fs::rename(root.join("valid"), root.join("val")).unwrap());
        assert!(val.contains("there is no valid/, but val/: rename it"), "{val}");
        let one = wrong(&|root| SPLITS.iter().for_each(|split| gone("b")(&root.join(split))));
        assert!(one.contains("two classes or more, and there is one, `a`"), "{one}");
        let loose = wrong(&|root| {
            for split in SPLITS {
                fs::rename(root.join(split).join("a/1.png"), root.join(split).join("1.png")).unwrap();
                fs::remove_dir_all(root.join(split).join("a")).unwrap();
                fs::remove_dir_all(root.join(split).join("b")).unwrap();
            }
        });
        assert!(loose.contains("train/ has images (1) and no class"), "{loose}");
        let renamed =
            wrong(&|root| fs::rename(root.join("test/a/1.png"), root.join("test/a/1.heic")).unwrap());
        assert!(renamed.contains("test/a has no image (1 passed over: test/a/1.heic (HEIC"), "{renamed}");
        let link = wrong(&|root| std::os::unix::fs::symlink("1.png", root.join("train/a/2.png")).unwrap());
        assert!(link.contains("2.png: is a link"), "{link}");
    }
}
