//! Whether the state folder can be used: nobody else may have put something there, or have it lead elsewhere.
//!
//! It is looked at before anything in it is read, written or deleted. What lies deeper than the folder's folders is
//! reached only through them.

use std::fmt;
use std::fs::{Metadata, Permissions, symlink_metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::files::private_dir;

/// What a server creates first, and by which a folder is known as a state folder.
const OURS: [&str; 4] = ["lock", "start.lock", "cloud.json", "state.db"];

/// Why a state folder isn't used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state folder {} is not used: {} {cause}", .dir.display(), .path.display())]
pub struct Unsafe {
    pub dir: PathBuf,
    /// The folder itself, or something in it.
    pub path: PathBuf,
    pub cause: Cause,
}

/// What is wrong with a file or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    Link,
    /// A file that has a second name, perhaps outside.
    HardLink,
    /// The user that it belongs to, and the one that we are.
    Foreign(u32, u32),
    /// Its mode.
    Writable(u32),
    Special,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str("is a symbolic link"),
            Self::HardLink => f.write_str("has another name, which may be outside the folder (a hard link)"),
            Self::Foreign(owner, us) => write!(f, "belongs to user {owner}, and opsml runs as user {us}"),
            Self::Writable(mode) => write!(f, "can be written by other users (mode {mode:03o})"),
            Self::Special => f.write_str("is neither a file nor a folder"),
        }
    }
}

impl Unsafe {
    /// Returns what the user can do.
    pub fn way_out(&self) -> String {
        let path = self.path.display();
        let mend = match &self.cause {
            Cause::Link | Cause::HardLink | Cause::Special => {
                format!("put what belongs there at {path} itself")
            }
            Cause::Foreign(..) => format!("run opsml as its owner, or give {path} to yours with chown"),
            Cause::Writable(_) => format!("look what others have put there, and then chmod go-w {path}"),
        };
        format!("{mend}; or name another folder in OPSML_CLOUD_DIR")
    }
}

/// Looks at a state folder, at what is in it, and at what is in its folders. A folder that doesn't exist is safe, and so
/// is what a folder holds that isn't a state folder: it isn't used.
///
/// # Errors
/// The first thing that makes the folder unsafe. What can't be looked at counts as gone.
pub fn check(dir: &Path) -> Result<(), Unsafe> {
    // A trailing slash would follow a link.
    let dir: PathBuf = dir.components().collect();
    let refuse = |path: PathBuf, cause| Unsafe { dir: dir.clone(), path, cause };
    if symlink_metadata(&dir).is_ok_and(|found| found.is_dir() || found.is_symlink()) {
        cause(&dir).map_or(Ok(()), |cause| Err(refuse(dir.clone(), cause)))?;
    }
    if !is_ours(&dir) {
        return Ok(());
    }
    for path in entries(&dir).flat_map(|path| std::iter::once(path.clone()).chain(below(&path))) {
        if let Some(cause) = cause(&path) {
            return Err(refuse(path, cause));
        }
    }
    Ok(())
}

fn is_ours(dir: &Path) -> bool {
    OURS.iter().any(|name| symlink_metadata(dir.join(name)).is_ok())
}

/// Returns what is in a folder. Nothing, if it is none or a link to one.
fn below(path: &Path) -> Vec<PathBuf> {
    let is_folder = symlink_metadata(path).is_ok_and(|found| found.is_dir());
    if is_folder { entries(path).collect() } else { Vec::new() }
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn cause(path: &Path) -> Option<Cause> {
    let found: Metadata = symlink_metadata(path).ok()?;
    let us = rustix::process::geteuid().as_raw();
    let mode = found.mode() & 0o777;
    if found.is_symlink() {
        Some(Cause::Link)
    } else if !found.is_file() && !found.is_dir() {
        Some(Cause::Special)
    } else if found.uid() != us {
        Some(Cause::Foreign(found.uid(), us))
    } else if mode & 0o022 != 0 {
        Some(Cause::Writable(mode))
    } else if found.is_file() && found.nlink() > 1 {
        Some(Cause::HardLink)
    } else {
        None
    }
}

/// Creates the folder, which only its owner can open.
///
/// # Errors
/// The folder has files, but none that a server creates. So it isn't ours.
pub fn ensure_dir(dir: &Path) -> io::Result<()> {
    private_dir(dir)?;
    // In this order, since another server that starts meanwhile creates its lock before its other files.
    let holds_files = std::fs::read_dir(dir)?.next().is_some();
    if holds_files && !is_ours(dir) {
        return Err(io::Error::other("the folder holds other files: name an empty one, or a new one"));
    }
    // A folder that existed before may be open to others.
    let flags = (OFlags::NOFOLLOW | OFlags::DIRECTORY).bits().cast_signed();
    let open = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(dir);
    match open {
        Ok(folder) if folder.metadata()?.mode() & 0o077 != 0 => {
            folder.set_permissions(Permissions::from_mode(0o700))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        opened => opened.map(drop),
    }
}
