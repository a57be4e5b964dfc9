//! `.tar.gz` files: packed from folders, and unpacked with distrust.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// What an archive may hold: more is taken for a bomb.
const MAX_ENTRIES: usize = 100_000;
const MAX_BYTES: u64 = 20 << 30;
/// Unpacked bytes for each packed one. DEFLATE itself cannot pass 1032; weights stay below 10.
const MAX_RATIO: u64 = 200;
/// A small archive of zeros is harmless: the ratio counts above this.
const RATIO_FLOOR: u64 = 64 << 20;

/// Packs the content of all folders as one, in the order of names; of two files with one name, the one in the
/// folder that is named first.
pub fn pack(folders: &[PathBuf], to: &Path) -> io::Result<()> {
    let mut files = BTreeMap::new();
    for folder in folders {
        for path in files_under(folder)? {
            let name = path.strip_prefix(folder).map_err(io::Error::other)?.to_owned();
            files.entry(name).or_insert(path);
        }
    }
    // Weights hardly compress: speed counts.
    // Weights don't compress, and trying takes longer than training a small model does.
    let encoder = GzEncoder::new(File::create(to)?, Compression::none());
    let mut archive = tar::Builder::new(encoder);
    archive.follow_symlinks(false);
    for (name, path) in files {
        archive.append_path_with_name(&path, name)?;
    }
    archive.into_inner()?.finish()?.sync_all()
}

/// Regular files under a folder, by path; links are passed over.
pub fn files_under(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => open.push(entry.path()),
                kind if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Unpacks regular files and folders into `folder`.
///
/// # Errors
/// Names the first entry that is a link or a device, or that would leave the folder; a bomb; a broken archive.
pub fn unpack(archive: &Path, folder: &Path) -> io::Result<()> {
    let packed = std::fs::metadata(archive)?.len();
    let limit = packed.saturating_mul(MAX_RATIO).clamp(RATIO_FLOOR, MAX_BYTES);
    // Counts what tar skips over, too.
    let mut archive = tar::Archive::new(Limited { inner: GzDecoder::new(File::open(archive)?), left: limit });
    for (index, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        if index >= MAX_ENTRIES {
            return Err(refused(format!("it has more than {MAX_ENTRIES} entries")));
        }
        let name = entry.path()?.into_owned();
        let clean: PathBuf = name.components().filter(|part| *part != Component::CurDir).collect();
        if clean.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(refused(format!("the entry {} leaves the folder", name.display())));
        }
        let to = folder.join(&clean);
        match entry.header().entry_type() {
            tar::EntryType::Directory => std::fs::create_dir_all(&to)?,
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                if let Some(parent) = to.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                let mut file = File::options().write(true).create_new(true).open(&to)?;
                io::copy(&mut entry, &mut file)?;
            }
            _ => return Err(refused(format!("the entry {} is neither file nor folder", name.display()))),
        }
    }
    Ok(())
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(n as u64)
            .ok_or_else(|| refused("it unpacks to far more than it should".to_owned()))?;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive_of(path: &Path, build: impl FnOnce(&mut tar::Builder<GzEncoder<File>>)) {
        let mut archive = tar::Builder::new(GzEncoder::new(File::create(path).unwrap(), Compression::best()));
        build(&mut archive);
        archive.into_inner().unwrap().finish().unwrap();
    }

    fn entry(name: &str, kind: tar::EntryType, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        // Not set_path, which refuses what an attacker would write.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        header
    }

    #[test]
    fn packs_and_unpacks() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to, file) = (dir.path().join("from"), dir.path().join("to"), dir.path().join("a.tar.gz"));
        std::fs::create_dir_all(from.join("code")).unwrap();
        std::fs::create_dir_all(&to).unwrap();
        std::fs::write(from.join("model.pth"), b"weights").unwrap();
        std::fs::write(from.join("code/x.py"), b"x").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).unwrap();
        let other = dir.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("model.pth"), b"another's").unwrap();
        std::fs::write(other.join("more"), b"more").unwrap();
        pack(&[from, other], &file).unwrap();
        unpack(&file, &to).unwrap();
        assert_eq!(std::fs::read(to.join("model.pth")).unwrap(), b"weights");
        assert_eq!(std::fs::read(to.join("code/x.py")).unwrap(), b"x");
        assert_eq!(std::fs::read(to.join("more")).unwrap(), b"more");
        assert!(!to.join("link").exists());
    }

    #[test]
    fn refuses_what_leaves_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        for (name, kind) in [
            ("../escape", tar::EntryType::Regular),
            ("/absolute", tar::EntryType::Regular),
            ("a/../../escape", tar::EntryType::Regular),
            ("link", tar::EntryType::Symlink),
            ("hard", tar::EntryType::Link),
            ("fifo", tar::EntryType::Fifo),
        ] {
            let file = dir.path().join("a.tar.gz");
            archive_of(&file, |archive| archive.append(&entry(name, kind, 0), io::empty()).unwrap());
            let to = tempfile::tempdir_in(dir.path()).unwrap();
            let error = unpack(&file, to.path()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{name}: {error}");
            assert_eq!(std::fs::read_dir(to.path()).unwrap().count(), 0, "{name}");
        }
        assert!(!dir.path().join("escape").exists());
    }

    #[test]
    fn refuses_a_bomb() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bomb.tar.gz");
        let size = 256 << 20;
        archive_of(&file, |archive| {
            archive.append(&entry("zeros", tar::EntryType::Regular, size), io::repeat(0).take(size)).unwrap();
        });
        assert!(unpack(&file, dir.path()).unwrap_err().to_string().contains("far more"));
    }
}
