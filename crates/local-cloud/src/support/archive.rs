//! Packs and unpacks `.tar.gz` files, and unpacks zips. No archive is trusted: its files are written into one folder
//! and within limits, or it is refused.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use zip::ZipArchive;

/// The greatest number of entries of a `.tar.gz`.
const TAR_ENTRIES: usize = 100_000;
const TAR_BYTES: u64 = 20 << 30;
/// The greatest number of unpacked bytes for each packed byte. DEFLATE can reach 1032; weights stay below 10.
const TAR_RATIO: u64 = 200;
/// With fewer unpacked bytes than this, the ratio isn't checked: a small archive of zeros does no harm.
const RATIO_FLOOR: u64 = 64 << 20;

/// The part of a file's mode that holds its type, and the types of files and folders: stat(2).
const TYPE_MASK: u32 = 0o170_000;
const FILE_TYPE: u32 = 0o100_000;
const FOLDER_TYPE: u32 = 0o040_000;

/// The limits of an archive.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub entries: usize,
    /// The unpacked size of all entries together.
    pub bytes: u64,
}

/// Packs the files and folders below all folders into one archive, in the order of their names. If two have the same
/// name, it packs the one in the earlier folder. A link to a file of its folder becomes a copy of that file, since
/// archives with links are refused when they are unpacked. `seen_as` is where the processes that made the links saw the
/// folder. Returns the names of what it left out: other links, and what is neither a file nor a folder.
///
/// # Errors
/// A file that cannot be read, a full disk.
pub fn pack(folders: &[PathBuf], seen_as: &Path, to: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut members, mut left_out) = (BTreeMap::new(), Vec::new());
    for folder in folders {
        let found = walk(folder)?;
        let root = folder.canonicalize()?;
        let inside = |link: &PathBuf| {
            let to = std::fs::read_link(link).ok()?;
            let here = to.strip_prefix(seen_as).map_or_else(|_| link.clone(), |rest| root.join(rest));
            let file = here.canonicalize().ok()?;
            (file.starts_with(&root) && file.is_file()).then_some(file)
        };
        let linked = found.others.into_iter().map(|link| (inside(&link), link));
        let same =
            found.folders.into_iter().skip(1).chain(found.files).map(|path| (Some(path.clone()), path));
        for (content, path) in same.chain(linked) {
            let name = path.strip_prefix(folder).map_err(io::Error::other)?.to_owned();
            match content {
                Some(content) => drop(members.entry(name).or_insert(content)),
                None => left_out.push(name),
            }
        }
    }
    // No compression: weights hardly compress, and trying would take longer than training a small model.
    let encoder = GzEncoder::new(File::create(to)?, Compression::none());
    let mut archive = tar::Builder::new(encoder);
    archive.follow_symlinks(false);
    for (name, path) in members {
        archive.append_path_with_name(&path, name)?;
    }
    archive.into_inner()?.finish()?.sync_all()?;
    left_out.sort();
    Ok(left_out)
}

/// Returns the regular files under a folder, by path. Links are left out.
///
/// # Errors
/// A folder that cannot be read.
pub fn files_under(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = walk(folder)?.files;
    files.sort();
    Ok(files)
}

/// Returns a folder and all folders under it, each before those inside it. Links are left out.
///
/// # Errors
/// A folder that cannot be read.
pub fn folders_under(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(walk(folder)?.folders)
}

/// What lies below a folder.
struct Found {
    /// The folder itself is the first.
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    /// Links, and what is neither a file nor a folder.
    others: Vec<PathBuf>,
}

fn walk(folder: &Path) -> io::Result<Found> {
    let mut found = Found { folders: vec![folder.to_owned()], files: Vec::new(), others: Vec::new() };
    let mut next = 0;
    while next < found.folders.len() {
        for entry in std::fs::read_dir(&found.folders[next])? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => found.folders.push(entry.path()),
                kind if kind.is_file() => found.files.push(entry.path()),
                _ => found.others.push(entry.path()),
            }
        }
        next += 1;
    }
    Ok(found)
}

/// Unpacks the files and folders of a `.tar.gz` into `folder`.
///
/// # Errors
/// `InvalidData` for an archive that is broken, or has an entry that is a link or a device or would lie outside of the
/// folder; `FileTooLarge` for one that exceeds the limits; the disk's.
pub fn unpack_tar(archive: &Path, folder: &Path) -> io::Result<()> {
    let packed = std::fs::metadata(archive)?.len();
    let mut left = packed.saturating_mul(TAR_RATIO).clamp(RATIO_FLOOR, TAR_BYTES);
    // The limit also counts the bytes between entries.
    let content = Limited { inner: GzDecoder::new(File::open(archive)?), left: &mut left };
    let mut archive = tar::Archive::new(content);
    let mut unpacker = Unpacker { folder, entries: 0, limit: TAR_ENTRIES };
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        match entry.header().entry_type() {
            tar::EntryType::Directory => unpacker.folder(&name)?,
            tar::EntryType::Regular | tar::EntryType::Continuous => drop(unpacker.file(&name, &mut entry)?),
            _ => return Err(neither_file_nor_folder(&name)),
        }
    }
    Ok(())
}

/// Unpacks the files and folders of a zip into `folder`. Each file gets the permissions to read and run it from its
/// mode in the archive. Its owner can always read it.
///
/// # Errors
/// `InvalidInput` for a zip without entries; else as [`unpack_tar`].
pub fn unpack_zip(zip: impl Read + Seek, folder: &Path, limits: Limits) -> io::Result<()> {
    let mut zip = ZipArchive::new(zip).map_err(|error| refused(error.to_string()))?;
    if zip.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut left = limits.bytes;
    let mut unpacker = Unpacker { folder, entries: 0, limit: limits.entries };
    for index in 0..zip.len() {
        let entry = zip.by_index(index).map_err(|error| refused(error.to_string()))?;
        let name = entry
            .enclosed_name()
            .ok_or_else(|| leaves_the_folder(Path::new(&*String::from_utf8_lossy(entry.name_raw()))))?;
        let mode = entry.unix_mode().unwrap_or(0o644);
        if entry.is_symlink() || !matches!(mode & TYPE_MASK, 0 | FILE_TYPE | FOLDER_TYPE) {
            return Err(neither_file_nor_folder(&name));
        }
        if entry.is_dir() {
            unpacker.folder(&name)?;
            continue;
        }
        // The sizes in the zip's directory aren't trusted: the limit counts the unpacked bytes.
        let file = unpacker.file(&name, &mut Limited { inner: entry, left: &mut left })?;
        file.set_permissions(Permissions::from_mode((mode & 0o777) | 0o400))?;
    }
    Ok(())
}

/// Writes the entries of one archive into one folder.
struct Unpacker<'a> {
    folder: &'a Path,
    entries: usize,
    limit: usize,
}

impl Unpacker<'_> {
    /// Returns the path for the next entry.
    fn place(&mut self, name: &Path) -> io::Result<PathBuf> {
        self.entries += 1;
        if self.entries > self.limit {
            return Err(refused(format!("it has more than {} entries", self.limit)));
        }
        // SageMaker's SDK packs a folder under this name, and all that is in it without it.
        let name = if name == Path::new("/") { Path::new(".") } else { name };
        let clean: PathBuf = name.components().filter(|part| *part != Component::CurDir).collect();
        let stays = clean.components().all(|part| matches!(part, Component::Normal(_)));
        let has_nul = name.as_os_str().as_encoded_bytes().contains(&0);
        if stays && !has_nul { Ok(self.folder.join(clean)) } else { Err(leaves_the_folder(name)) }
    }

    fn folder(&mut self, name: &Path) -> io::Result<()> {
        let to = self.place(name)?;
        std::fs::create_dir_all(to).map_err(|error| conflicting(name, error))
    }

    fn file(&mut self, name: &Path, content: &mut impl Read) -> io::Result<File> {
        let to = self.place(name)?;
        let parent = to.parent().unwrap_or(self.folder);
        std::fs::create_dir_all(parent).map_err(|error| conflicting(name, error))?;
        // An existing file is never overwritten: an archive may have only one entry of each name.
        let file = File::options().write(true).create_new(true).open(&to);
        let mut file = file.map_err(|error| conflicting(name, error))?;
        io::copy(content, &mut file)?;
        Ok(file)
    }
}

/// Reads at most `left` bytes, and subtracts what it has read. Errors while reading are the archive's fault.
struct Limited<'a, R> {
    inner: R,
    left: &'a mut u64,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => refused(error.to_string()),
        })?;
        *self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "it unpacks to far more than it should")
        })?;
        Ok(read)
    }
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn leaves_the_folder(name: &Path) -> io::Error {
    refused(format!("the entry {} leaves the folder", name.display()))
}

fn neither_file_nor_folder(name: &Path) -> io::Error {
    refused(format!("the entry {} is neither file nor folder", name.display()))
}

/// Returns an error that names the archive as the cause if the disk refuses a name, such as one that is a file and a
/// folder.
fn conflicting(name: &Path, error: io::Error) -> io::Error {
    use io::ErrorKind::{AlreadyExists, InvalidFilename, IsADirectory, NotADirectory};
    match error.kind() {
        AlreadyExists | InvalidFilename | IsADirectory | NotADirectory => {
            refused(format!("the entry {} cannot be written: {error}", name.display()))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive_of(path: &Path, build: impl FnOnce(&mut tar::Builder<GzEncoder<File>>)) {
        let mut archive = tar::Builder::new(GzEncoder::new(File::create(path).unwrap(), Compression::best()));
        build(&mut archive);
        archive.into_inner().unwrap().finish().unwrap();
    }

    fn entry(name: &str, kind: tar::EntryType, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        // set_path would refuse such names.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        header
    }

    fn zip_of(entries: &[(&str, u32, usize)]) -> Cursor<Vec<u8>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode, length) in entries {
            zip.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
            zip.write_all(&vec![b'x'; *length]).unwrap();
        }
        zip.finish().unwrap()
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
        std::fs::create_dir_all(from.join("empty")).unwrap();
        std::os::unix::fs::symlink("model.pth", from.join("best.pth")).unwrap();
        std::os::unix::fs::symlink(from.join("code/x.py"), from.join("absolute.py")).unwrap();
        std::os::unix::fs::symlink("gone", from.join("broken")).unwrap();
        std::os::unix::fs::symlink("code", from.join("folder")).unwrap();
        std::os::unix::fs::symlink("/opt/ml/model/code/x.py", from.join("inside.py")).unwrap();
        std::os::unix::fs::symlink("/opt/ml/model/../other/more", from.join("outside")).unwrap();
        let left_out = pack(&[from, other], Path::new("/opt/ml/model"), &file).unwrap();
        assert_eq!(left_out, ["broken", "folder", "link", "outside"].map(PathBuf::from));
        unpack_tar(&file, &to).unwrap();
        assert_eq!(std::fs::read(to.join("model.pth")).unwrap(), b"weights");
        assert_eq!(std::fs::read(to.join("code/x.py")).unwrap(), b"x");
        assert_eq!(std::fs::read(to.join("more")).unwrap(), b"more");
        assert_eq!(std::fs::read(to.join("best.pth")).unwrap(), b"weights");
        assert_eq!(std::fs::read(to.join("absolute.py")).unwrap(), b"x");
        assert_eq!(std::fs::read(to.join("inside.py")).unwrap(), b"x");
        assert!(to.join("empty").is_dir());
        assert!(left_out.iter().all(|name| !to.join(name).exists()));
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
            let error = unpack_tar(&file, to.path()).unwrap_err();
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
        let error = unpack_tar(&file, dir.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error}");
    }

    #[test]
    fn a_zip_keeps_modes_and_nothing_leaves_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { entries: 3, bytes: 1000 };
        let to = dir.path().join("to");
        unpack_zip(zip_of(&[("bootstrap", 0o755, 3), ("a/b.py", 0o200, 1)]), &to, limits).unwrap();
        let mode = |name: &str| std::fs::metadata(to.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("bootstrap"), mode("a/b.py")), (0o755, 0o600));
        for (zip, kind) in [
            (zip_of(&[("../escape", 0o644, 1)]), io::ErrorKind::InvalidData),
            (Cursor::new(b"no zip".to_vec()), io::ErrorKind::InvalidData),
            (zip_of(&[("a", 0o644, 1), ("a/b", 0o644, 1)]), io::ErrorKind::InvalidData),
            (zip_of(&[]), io::ErrorKind::InvalidInput),
            (zip_of(&[("a", 0o644, 600), ("b", 0o644, 401)]), io::ErrorKind::FileTooLarge),
            (zip_of(&["a", "b", "c", "d"].map(|name| (name, 0o644, 0))), io::ErrorKind::InvalidData),
        ] {
            let to = tempfile::tempdir_in(dir.path()).unwrap();
            let error = unpack_zip(zip, to.path(), limits).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
        }
        assert!(!dir.path().join("escape").exists());
    }
}
