//! The port that the servers of a folder keep: each asks for the port of the one before, so that what knows its address
//! finds it again.

use std::io;
use std::path::Path;

use super::files;

const PORT: &str = "port";

/// Returns the port that a folder's servers keep. None: no server has listened yet.
pub fn kept_port(dir: &Path) -> Option<u16> {
    let text = String::from_utf8(files::read(&dir.join(PORT)).ok()?).ok()?;
    text.trim().parse().ok().filter(|port| *port != 0)
}

/// Makes `port` the one that the folder's servers keep.
///
/// # Errors
/// The folder can't be written.
pub fn keep_port(dir: &Path, port: u16) -> io::Result<()> {
    files::write(&dir.join(PORT), format!("{port}\n").as_bytes())
}
