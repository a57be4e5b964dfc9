//! `dataset`: images in ImageFolder layout, from a folder, a zip or a URL. Every image is verified.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::context::{Context, Done};
use super::images::{self, Verified};
use super::kind::{Kind, Local, LocalForm, Problem};
use super::paths::Paths;
use super::sheet::sheet;
use crate::archive;
use crate::diagnostic::counted;
use crate::failure::{Failure, Outcome};
use crate::files::digest;
use crate::journal::{Drawing, Figure, Sheet};

/// The most bytes to download.
const MAX_DOWNLOAD: u64 = 16 << 30;
/// The longest time to connect, and to wait for data.
const CONNECT: Duration = Duration::from_secs(20);
const STALLED: Duration = Duration::from_secs(60);
/// The most classes of a contact sheet, which fit on a page.
const MAX_SHOWN: usize = 144;
/// How many of the files that were passed over are named.
const MAX_NAMED: usize = 20;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// A folder, a zip, or the URL of a zip, with train/, valid/ and test/ in it, and in each of them a folder of images for
    /// each class: JPEG, PNG, WebP, BMP, TIFF, PPM, PGM, GIF (of several frames, the first), by their endings. Torchvision's
    /// ImageFolder takes the same, but for GIF. Other files, and what is hidden (`.DS_Store`, `__MACOSX`, `Thumbs.db`), are
    /// passed over and named. An image that can't be read, has more than 64 megapixels or 64 MiB is an error.
    pub source: String,
    /// The SHA-256 (hex) of the file at the URL.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"), extend("x-rule" = "64 hexadecimal digits"))]
    pub sha256: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The folder with train/, valid/ and test/.
    pub path: String,
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    /// Images in the training split.
    pub train: u64,
    /// Images in the validation split.
    pub valid: u64,
    /// Images in the test split.
    pub test: u64,
    /// The bytes of all images.
    pub bytes: u64,
    /// How many files and folders were passed over, since they are hidden or no images.
    pub ignored: u64,
    /// The first of them, with the reason of each.
    pub passed_over: Vec<String>,
    /// Digest of the content.
    pub digest: String,
    /// A test image of each class, by class.
    pub samples: BTreeMap<String, String>,
}

impl Kind for Dataset {
    const NAME: &'static str = "dataset";
    const ABOUT: &'static str = "takes images in ImageFolder layout and verifies every one of them";
    const OWNS: bool = false;
    const BESIDE: bool = true;
    const ROWS: &'static [&'static str] = &["classes", "train", "valid", "test", "bytes", "passed_over"];
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        if self.source.is_empty() {
            return vec![Problem::at("source", "`source` is empty")];
        }
        if is_url(&self.source).is_none() && self.source.contains("://") {
            return vec![Problem::at("source", "only http and https URLs are fetched")];
        }
        if self.sha256.is_some() && is_url(&self.source).is_none() {
            return vec![Problem::at(
                "sha256",
                "`sha256` goes with a URL; a file's changes are seen without it",
            )];
        }
        Vec::new()
    }

    fn locals(fields: &Value) -> Vec<Local> {
        let source = Local::of(fields, "source", LocalForm::Either);
        source.into_iter().filter(|local| !local.path.contains("://")).collect()
    }

    fn files(&self) -> Vec<String> {
        if is_url(&self.source).is_some() { Vec::new() } else { vec![self.source.clone()] }
    }

    fn missing(outputs: &Value, paths: &Paths) -> Option<String> {
        let path = outputs.get("path")?.as_str()?;
        match paths.resolve(path) {
            Ok(folder) if folder.is_dir() => None,
            _ => Some(format!("the folder {path} is gone")),
        }
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let source = match is_url(&self.source) {
            Some(url) => self.fetch(url, context).await?,
            None => context.paths.resolve(&self.source)?,
        };
        tokio::task::block_in_place(|| self.look(&source, context))
    }
}

fn is_url(source: &str) -> Option<&str> {
    ["http://", "https://"].iter().any(|scheme| source.starts_with(scheme)).then_some(source)
}

impl Dataset {
    fn look(&self, source: &Path, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let paths = context.paths;
        let shown = match source.is_dir() {
            true => self.source.clone(),
            false => {
                let name = format!("dataset-{}", &digest(source)?[..16]);
                let folder = paths.base.join(&paths.cache).join(&name);
                if !folder.is_dir() {
                    archive::unpack(source, &folder, &mut |done, total| {
                        context.progress("unpacking", Some((done, total)));
                    })?;
                }
                paths.cache.join(name).display().to_string()
            }
        };
        let folder = paths.resolve(&shown)?;
        let found = images::inspect(&folder, &mut |done, total| {
            context.progress("verifying images", Some((done, total)));
        });
        if found.is_err() && !source.is_dir() {
            // The unpacked files would only fill the disk.
            let _ = std::fs::remove_dir_all(&folder);
        }
        let found = found?;
        let below = found.root.strip_prefix(&folder).unwrap_or(Path::new(""));
        let path = match below.as_os_str().is_empty() {
            true => shown,
            false => Path::new(&shown).join(below).display().to_string(),
        };
        let digest = digest(&found.root)?;
        let figures = contact_sheet(&found, context)?;
        let [train, valid, test] = found.images;
        let passed_over = opsml_pictures::passed_over(&found.passed_over);
        let outputs = Outputs {
            train,
            valid,
            test,
            samples: found
                .samples
                .iter()
                .map(|(class, image)| (class.clone(), format!("{path}/{image}")))
                .collect(),
            classes: found.classes,
            bytes: found.bytes,
            ignored: found.passed_over.len() as u64,
            passed_over: found.passed_over.into_iter().take(MAX_NAMED).map(|one| one.to_string()).collect(),
            digest,
            path,
        };
        let mut summary = format!(
            "{}; {} to train, {} to validate, {} to test",
            counted(outputs.classes.len(), "class"),
            counted(outputs.train, "image"),
            outputs.valid,
            outputs.test
        );
        if let Some(passed_over) = passed_over {
            summary.push_str(&format!("; {passed_over}"));
        }
        Ok(Done::new(outputs, summary).figures(figures.into_iter().collect()))
    }

    /// Downloads into the cache. The file's name is the digest of its content. Ends early with the step's timeout, with
    /// Ctrl-C, and if no data arrives.
    async fn fetch(&self, url: &str, context: &mut Context<'_>) -> Outcome<PathBuf> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new("Download", format!("{url}: {error}"))
                .hint("check the address and the network, and run again")
        };
        let cache = context.paths.base.join(&context.paths.cache);
        std::fs::create_dir_all(&cache).map_err(|error| Failure::file(&cache, error))?;
        let mut file =
            tempfile::NamedTempFile::new_in(&cache).map_err(|error| Failure::file(&cache, error))?;
        let (mut hash, mut done, mut total) = (Sha256::new(), 0u64, None);
        let mut chunks = download(url.to_owned());
        let mut interrupted = context.aws().interrupted();
        loop {
            let chunk = tokio::select! {
                chunk = tokio::time::timeout(STALLED, chunks.recv()) => {
                    chunk.map_err(|_| failed(&format!("nothing came for {} s", STALLED.as_secs())))?
                }
                // Without a sender, nothing interrupts.
                Ok(_) = interrupted.wait_for(|stop| *stop) => {
                    return Err(Failure::interrupted("the download was stopped by Ctrl-C"));
                }
            };
            match chunk {
                None => break,
                Some(Err(error)) => return Err(failed(&error)),
                Some(Ok(Part::Length(length))) => total = Some(length),
                Some(Ok(Part::Bytes(bytes))) => {
                    hash.update(&bytes);
                    file.write_all(&bytes).map_err(|error| Failure::file(file.path(), error))?;
                    done += bytes.len() as u64;
                    context.progress(format!("downloading {url}"), total.map(|total| (done, total)));
                }
            }
        }
        let found = hex::encode(hash.finalize());
        if let Some(expected) = &self.sha256
            && !expected.eq_ignore_ascii_case(&found)
        {
            return Err(Failure::new(
                "Checksum",
                format!("{url} has the SHA-256 {found}, and the runbook says {expected}"),
            ));
        }
        let path = cache.join(format!("download-{}.zip", &found[..16]));
        file.persist(&path).map_err(|error| Failure::file(&path, error))?;
        Ok(path)
    }
}

/// How a contact sheet is laid out: the pictures of each class, and the classes in a row.
fn layout(classes: usize) -> (usize, usize) {
    match classes {
        0..=12 => (6, 2),
        13..=30 => (4, 3),
        31..=60 => (2, 6),
        _ => (1, 12),
    }
}

/// Returns the names without the numbers that all of them begin with, such as `001.Affenpinscher`.
fn without_numbers(classes: &[String]) -> Vec<&str> {
    let rest = |class: &str| {
        let digits = class.bytes().take_while(u8::is_ascii_digit).count();
        let signs = class[digits..].bytes().take_while(|c| matches!(c, b'.' | b'_' | b'-' | b' ')).count();
        (digits > 0 && signs > 0 && digits + signs < class.len()).then_some(digits + signs)
    };
    let starts: Option<Vec<usize>> = classes.iter().map(|class| rest(class)).collect();
    let starts = starts.unwrap_or_else(|| vec![0; classes.len()]);
    classes.iter().zip(starts).map(|(class, start)| &class[start..]).collect()
}

/// Returns some training images of every class, spread over its files; of the first classes if there are very many.
fn contact_sheet(found: &Verified, context: &Context<'_>) -> Outcome<Option<Figure>> {
    let classes = &found.classes[..found.classes.len().min(MAX_SHOWN)];
    let (strip, columns) = layout(classes.len());
    let mut cells = Vec::new();
    for class in classes {
        let all = found.training.get(class).map(Vec::as_slice).unwrap_or_default();
        let picked = (0..strip.min(all.len())).map(|at| &all[at * all.len() / strip.min(all.len())]);
        let decoded = picked.map(|path| images::decode(path).map_err(|error| Failure::file(path, error)));
        cells.push(decoded.collect::<Outcome<Vec<_>>>()?);
    }
    let Some(drawn) = sheet(&cells, strip, columns) else { return Ok(None) };
    let (what, of) = (if strip == 1 { "A training image" } else { "Training images" }, found.classes.len());
    let caption = match classes.len() == of {
        true if of == 1 => format!("{what} of its only class"),
        true => format!("{what} of each of the {of} classes"),
        false => format!("{what} of each of the first {} of {of} classes", classes.len()),
    };
    let picture = context.keep(&drawn?, &caption)?;
    let labels = without_numbers(classes).into_iter().map(|class| vec![class.to_owned()]).collect();
    Ok(Some(Figure::drawn(caption, Drawing::Sheet(Sheet { picture, columns, labels }))))
}

/// A part of a download.
enum Part {
    /// The size that the server declares, in bytes.
    Length(u64),
    Bytes(Vec<u8>),
}

/// Downloads on another thread, since reading blocks. The thread ends when the receiver is dropped.
fn download(url: String) -> mpsc::Receiver<Result<Part, String>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let bring = || -> Result<(), String> {
            let agent = ureq::Agent::config_builder()
                .timeout_connect(Some(CONNECT))
                .timeout_recv_response(Some(STALLED))
                .build()
                .new_agent();
            let mut answer = agent.get(&url).call().map_err(|error| error.to_string())?;
            if let Some(length) = answer.body().content_length() {
                let _ = sender.blocking_send(Ok(Part::Length(length)));
            }
            let mut reader = answer.body_mut().with_config().limit(MAX_DOWNLOAD).reader();
            let mut buffer = vec![0; 1 << 16];
            loop {
                let read = reader.read(&mut buffer).map_err(|error| error.to_string())?;
                if read == 0 || sender.blocking_send(Ok(Part::Bytes(buffer[..read].to_vec()))).is_err() {
                    return Ok(());
                }
            }
        };
        if let Err(error) = bring() {
            let _ = sender.blocking_send(Err(error));
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_class_names_are_left_out_if_all_have_one() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (given, shown) in [
            (["001.Affenpinscher", "002.Afghan_hound"], ["Affenpinscher", "Afghan_hound"]),
            (["001.Affenpinscher", "Bag"], ["001.Affenpinscher", "Bag"]),
            (["1", "2"], ["1", "2"]),
            (["1.", "2.b"], ["1.", "2.b"]),
            (["3d_print", "4d"], ["3d_print", "4d"]),
        ] {
            assert_eq!(without_numbers(&names(&given)), shown);
        }
    }

    #[test]
    fn a_contact_sheet_fits_on_a_page() {
        // A drawing is 520 wide, and a page 1.7 times as high as its text is wide. Below each strip are a label and a gap.
        for classes in 2..=MAX_SHOWN {
            let (strip, columns) = layout(classes);
            let height = 520.0 / (strip * columns) as f64 + if columns > 8 { 31.0 } else { 38.0 };
            let rows = classes.div_ceil(columns) as f64;
            assert!(rows * height < 520.0 * 1.72, "{classes} classes: {}", rows * height);
        }
    }
}
