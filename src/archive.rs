//! Unpacks a zip that somebody else made: regular files and folders alone, nothing outside, nothing that blows up.
//! Packs files of ours as `tar.gz` and zip.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::failure::{Failure, Outcome};
use crate::files::{self, files_below};

/// Entries that an archive may have. ImageNet has 1.3 million images and comes as no zip.
const MAX_ENTRIES: usize = 500_000;
/// Bytes that an archive may come to.
const MAX_BYTES: u64 = 64 << 30;
/// How many bytes a byte may become, once an entry is larger than a page of text: images don't compress.
const MAX_RATIO: u64 = 200;
const SMALL: u64 = 1 << 20;
/// The same for the archive as a whole, in which every entry may be small.
const SMALL_ARCHIVE: u64 = 64 << 20;

/// Packs the files below `folder` as the `tar.gz` file `into`: the same content gives the same bytes.
pub fn pack(folder: &Path, into: &Path) -> Outcome<()> {
    let parent = into.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|error| Failure::file(parent, error))?;
    let staging = tempfile::NamedTempFile::new_in(parent).map_err(|error| Failure::file(parent, error))?;
    let failed = |error: io::Error| Failure::file(into, error);
    let mut archive =
        tar::Builder::new(GzBuilder::new().mtime(0).write(staging.as_file(), Compression::default()));
    for file in files_below(folder)? {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.bytes);
        header.set_mode(0o644);
        header.set_cksum();
        let content = files::open(&file.path).map_err(|error| Failure::file(&file.path, error))?;
        // A file that grows meanwhile must not break the archive.
        archive.append_data(&mut header, &file.key, content.take(file.bytes)).map_err(failed)?;
    }
    archive.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(failed)?;
    staging.persist(into).map_err(|error| Failure::file(into, error.error))?;
    Ok(())
}

/// A file of a zip.
pub struct Member {
    /// Its name in the zip.
    pub name: String,
    pub path: PathBuf,
}

/// Makes a zip of programs and modules: each may be executed. The same files give the same bytes.
pub fn zip(members: &[Member]) -> Outcome<Vec<u8>> {
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    let failed = |error: &dyn std::fmt::Display| Failure::new("BadArchive", format!("the zip: {error}"));
    for member in members {
        let options = SimpleFileOptions::default()
            .last_modified_time(zip::DateTime::default())
            .large_file(false)
            .unix_permissions(0o755);
        let mut file = files::open(&member.path).map_err(|error| Failure::file(&member.path, error))?;
        zip.start_file(&*member.name, options).map_err(|error| failed(&error))?;
        io::copy(&mut file, &mut zip).map_err(|error| Failure::file(&member.path, error))?;
    }
    zip.finish().map(io::Cursor::into_inner).map_err(|error| failed(&error))
}

/// Unpacks `archive` into the new folder `into`, which appears whole or not at all.
pub fn unpack(archive: &Path, into: &Path, progress: &mut dyn FnMut(u64, u64)) -> Outcome<()> {
    let refuse =
        |error: &dyn std::fmt::Display| Failure::new("BadArchive", format!("{}: {error}", archive.display()));
    let file = files::open(archive).map_err(|error| Failure::file(archive, error))?;
    let packed = file.metadata().map_err(|error| Failure::file(archive, error))?.len();
    let most = packed.saturating_mul(MAX_RATIO).clamp(SMALL_ARCHIVE, MAX_BYTES);
    let mut zip = ZipArchive::new(file).map_err(|error| {
        refuse(&error).hint("a dataset is a zip or a folder with train/, valid/ and test/ in it")
    })?;
    let parent = into.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|error| Failure::file(parent, error))?;
    let staging = tempfile::Builder::new()
        .prefix("unpacking-")
        .tempdir_in(parent)
        .map_err(|error| Failure::file(parent, error))?;
    if zip.len() > MAX_ENTRIES {
        return Err(refuse(&format!("has {} entries, and {MAX_ENTRIES} are allowed", zip.len())));
    }
    let (total, mut bytes) = (zip.len() as u64, 0u64);
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|error| refuse(&error))?;
        let raw = entry.name().map_err(|error| refuse(&error))?.into_owned();
        let name = crate::diagnostic::printable(&raw);
        if raw.chars().any(char::is_control) {
            return Err(refuse(&format!("the entry `{name}` has a control character in its name")));
        }
        let Some(path) = entry.enclosed_name().filter(|_| is_plain(&raw)) else {
            return Err(refuse(&format!("the entry `{name}` leads out of the archive")));
        };
        // 0o170000 is the mask of a file's type in a Unix mode: a link, device or socket is neither of ours.
        let kind = entry.unix_mode().map_or(0, |mode| mode & 0o170_000);
        if entry.is_symlink() || !matches!(kind, 0 | 0o100_000 | 0o040_000) {
            return Err(refuse(&format!("the entry `{name}` is neither a file nor a folder")));
        }
        let target = staging.path().join(&path);
        if entry.is_dir() {
            std::fs::create_dir_all(&target).map_err(|error| Failure::file(&target, error))?;
            continue;
        }
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, error))?;
        }
        // The sizes in the archive's directory are claims: what is counted is what comes out.
        let allowed = (entry.compressed_size().saturating_mul(MAX_RATIO).max(SMALL)).min(most - bytes);
        let mut out = File::create_new(&target).map_err(|error| Failure::file(&target, error))?;
        let written = io::copy(&mut entry.by_ref().take(allowed + 1), &mut out).map_err(|error| {
            Failure::new("BadArchive", format!("{}: `{name}`: {error}", archive.display()))
        })?;
        if written > allowed {
            return Err(refuse(&format!(
                "the entry `{name}` unpacks to far more than it should: an archive bomb"
            )));
        }
        bytes += written;
        progress(index as u64 + 1, total);
    }
    let staged = staging.keep();
    std::fs::rename(&staged, into).map_err(|error| {
        // Whatever is left of the staging folder is of no use to anyone.
        let _ = std::fs::remove_dir_all(&staged);
        Failure::file(into, error)
    })
}

/// No `..`, no root, no drive, no backslash: such names come from an attack or a broken tool.
fn is_plain(name: &str) -> bool {
    !name.starts_with('/') && !name.contains(['\\', '\0', ':']) && name.split('/').all(|part| part != "..")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn archive(folder: &Path, fill: impl FnOnce(&mut ZipWriter<File>)) -> std::path::PathBuf {
        let path = folder.join("a.zip");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        fill(&mut zip);
        zip.finish().unwrap();
        path
    }

    #[test]
    fn plain_files_are_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let path = archive(folder.path(), |zip| {
            zip.start_file("train/a/1.png", SimpleFileOptions::default()).unwrap();
            zip.write_all(b"x").unwrap();
        });
        unpack(&path, &folder.path().join("out"), &mut |_, _| {}).unwrap();
        assert_eq!(std::fs::read(folder.path().join("out/train/a/1.png")).unwrap(), b"x");
    }

    #[test]
    fn what_is_hostile_is_refused_and_leaves_nothing() {
        for (what, fill) in [
            (
                "leads out",
                (|zip: &mut ZipWriter<File>| {
                    zip.start_file("../evil", SimpleFileOptions::default()).unwrap();
                }) as fn(&mut ZipWriter<File>),
            ),
            ("neither a file", |zip| {
                zip.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
            }),
            ("bomb", |zip| {
                zip.start_file("bomb", SimpleFileOptions::default()).unwrap();
                zip.write_all(&vec![0; 32 << 20]).unwrap();
            }),
            ("bomb", |zip| {
                for index in 0..80 {
                    zip.start_file(format!("{index}"), SimpleFileOptions::default()).unwrap();
                    zip.write_all(&vec![0; 1 << 20]).unwrap();
                }
            }),
            ("control character", |zip| {
                zip.start_file("a\nb", SimpleFileOptions::default()).unwrap();
            }),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = archive(folder.path(), fill);
            let out = folder.path().join("sub/out");
            let failure = unpack(&path, &out, &mut |_, _| {}).unwrap_err();
            assert!(failure.message.contains(what), "{failure}");
            assert_eq!(std::fs::read_dir(folder.path().join("sub")).unwrap().count(), 0, "{what}");
        }
    }
}
