//! Files of the state folder. None is opened through a symbolic link, and only their owner can read them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

/// Returns options with which opening a symbolic link fails, and with which a new file is private.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// Returns what a file holds.
///
/// # Errors
/// The file can't be read, or is a symbolic link.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    options().read(true).open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file anew. Nobody reads half of it, and a symbolic link of its name is replaced and not followed.
///
/// # Errors
/// The folder can't be written.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// Opens a file to write at its end, and creates it if it is missing.
///
/// # Errors
/// The file can't be opened, or is a symbolic link.
pub fn append(path: &Path) -> io::Result<File> {
    options().append(true).create(true).open(path)
}

/// Creates a folder, and those above it that are missing, so that only their owner can open them.
///
/// # Errors
/// The folder can't be created.
pub fn private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}
