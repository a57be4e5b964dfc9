//! Packs files as `tar.gz` and zip, and unpacks zips that nobody vouches for: only regular files and folders, only
//! below the target folder, and never much more than was packed.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::failure::{Failure, Outcome};
use crate::files::{self, files_below};

/// The most entries that an archive may have. ImageNet has 1.3 million images, but is not distributed as a zip.
const MAX_ENTRIES: usize = 500_000;
/// The most bytes that an archive may unpack to.
const MAX_BYTES: u64 = 64 << 30;
/// The most bytes that a packed byte may unpack to. Images hardly compress at all.
const MAX_RATIO: u64 = 200;
/// The unpacked bytes of an entry that are accepted at any ratio.
const SMALL: u64 = 1 << 20;
/// The unpacked bytes of a whole archive that are accepted at any ratio.
const SMALL_ARCHIVE: u64 = 64 << 20;

/// Packs the files below `folder` into the `tar.gz` file `into`. The same content gives the same bytes.
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
        // A file that grows meanwhile must not exceed the size in its header.
        archive.append_data(&mut header, &file.key, content.take(file.bytes)).map_err(failed)?;
    }
    archive.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(failed)?;
    staging.persist(into).map_err(|error| Failure::file(into, error.error))?;
    Ok(())
}

/// A file to put into a zip.
pub struct Member {
    /// The name in the zip.
    pub name: String,
    pub path: PathBuf,
}

/// Returns a zip of programs and modules, all of them executable. The same files give the same bytes.
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

/// Unpacks `archive` into the new folder `into`, completely or not at all.
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
        let mut entry = zip.by_index(index).map_err(|error| {
            refuse(&error).hint("pack it again without a password, by the method `deflate`")
        })?;
        // macOS writes UTF-8 without saying so, which would be read as the DOS code page.
        let raw = match std::str::from_utf8(entry.name_raw()) {
            Ok(name) => name.to_owned(),
            Err(_) => entry.name().map_err(|error| refuse(&error))?.into_owned(),
        };
        // Some programs for Windows write its separator, which the format forbids.
        let raw = raw.replace('\\', "/");
        let name = crate::diagnostic::printable(&raw);
        if raw.chars().any(char::is_control) {
            return Err(refuse(&format!("the entry `{name}` has a control character in its name")));
        }
        if !is_plain(&raw) {
            return Err(refuse(&format!("the entry `{name}` leads out of the archive")));
        }
        // The mask of a file's type in a Unix mode, with the types of regular files and folders; 0 is no type.
        let kind = entry.unix_mode().map_or(0, |mode| mode & 0o170_000);
        if entry.is_symlink() || !matches!(kind, 0 | 0o100_000 | 0o040_000) {
            return Err(refuse(&format!("the entry `{name}` is neither a file nor a folder")));
        }
        let target = staging.path().join(&raw);
        if raw.ends_with('/') {
            std::fs::create_dir_all(&target).map_err(|error| Failure::file(&target, error))?;
            continue;
        }
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, error))?;
        }
        // The unpacked size in the archive's directory may be a lie: the limit is on the bytes that are written.
        let allowed = (entry.compressed_size().saturating_mul(MAX_RATIO).max(SMALL)).min(most - bytes);
        let mut out = File::create_new(&target).map_err(|error| Failure::file(&target, error))?;
        let written = io::copy(&mut entry.by_ref().take(allowed + 1), &mut out).map_err(|error| {
            Failure::new("BadArchive", format!("{}: `{name}`: {error}", archive.display()))
        })?;
        if written > allowed {
            return Err(refuse(&format!(
                "the entry `{name}` unpacks to more than {allowed} bytes: an archive bomb"
            )));
        }
        bytes += written;
        progress(index as u64 + 1, total);
    }
    let staged = staging.keep();
    std::fs::rename(&staged, into).map_err(|error| {
        // The failure to rename is the one to report.
        let _ = std::fs::remove_dir_all(&staged);
        Failure::file(into, error)
    })
}

/// Whether a name has no `..`, root or drive. Names with one come from an attack or a broken tool.
fn is_plain(name: &str) -> bool {
    let first = name.split('/').next().unwrap_or_default();
    let drive = matches!(first.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic());
    !name.is_empty() && !name.starts_with('/') && !drive && name.split('/').all(|part| part != "..")
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

    /// As programs for Windows and macOS write them: backslashes, names in UTF-8 that don't say so, colons.
    #[test]
    fn names_of_other_systems_are_understood() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        let (dos, mac) = ("train\\a\\1.png", "train/gr\u{f6}\u{df}e/12:30.png");
        std::fs::write(
            &path,
            stored(&[(dos.as_bytes(), b"x"), (b"train\\b\\", b""), (mac.as_bytes(), b"y")]),
        )
        .unwrap();
        let out = folder.path().join("out");
        unpack(&path, &out, &mut |_, _| {}).unwrap();
        assert_eq!(std::fs::read(out.join("train/a/1.png")).unwrap(), b"x");
        assert_eq!(std::fs::read(out.join(mac)).unwrap(), b"y");
        assert!(out.join("train/b").is_dir());
        for (name, why) in [
            (&b"..\\evil"[..], "leads out"),
            (b"train\\..\\..\\evil", "leads out"),
            (b"\\evil", "leads out"),
            (b"C:\\evil", "leads out"),
        ] {
            std::fs::write(&path, stored(&[(name, b"x")])).unwrap();
            let said = unpack(&path, &folder.path().join("evil"), &mut |_, _| {}).unwrap_err().message;
            assert!(said.contains(why), "{said}");
        }
    }

    /// Returns a zip of uncompressed files with these very names, which the flag for UTF-8 does not announce.
    fn stored(files: &[(&[u8], &[u8])]) -> Vec<u8> {
        let (mut zip, mut directory) = (Vec::new(), Vec::new());
        for (name, content) in files {
            let mut crc = flate2::Crc::new();
            crc.update(content);
            let offset = zip.len() as u32;
            let mut header = vec![10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
            header.extend(crc.sum().to_le_bytes());
            header.extend([content.len() as u32, content.len() as u32].map(u32::to_le_bytes).concat());
            header.extend([name.len() as u16, 0].map(u16::to_le_bytes).concat());
            zip.extend([b"PK\x03\x04", &header[..], name, content].concat());
            directory
                .extend([b"PK\x01\x02\x0a\0", &header[..], &[0; 10], &offset.to_le_bytes(), name].concat());
        }
        let counts = [0, 0, files.len() as u16, files.len() as u16].map(u16::to_le_bytes).concat();
        let sizes = [directory.len() as u32, zip.len() as u32].map(u32::to_le_bytes).concat();
        zip.extend([&directory[..], b"PK\x05\x06", &counts, &sizes, &[0, 0]].concat());
        zip
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
