//! The access key of opsml's user, in a file of the state folder.

use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::id;
use crate::folder;

/// The file in the state folder with the keys of the user `opsml`.
pub const KEYS_FILE: &str = "keys.json";

/// A long-lived access key, as [`KEYS_FILE`] holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl AccessKey {
    /// Returns the keys of the state folder, and creates them if it has none. Only the folder's owner can read them,
    /// and they are never overwritten.
    ///
    /// # Errors
    /// The file cannot be written or read.
    pub fn ensure(dir: &Path) -> std::io::Result<Self> {
        let path = dir.join(KEYS_FILE);
        if !path.exists() {
            // Moved into place once it is complete, so that a half-written file is never read as the keys.
            let mut file = NamedTempFile::new_in(dir)?;
            file.write_all(&serde_json::to_vec(&Self::random())?)?;
            file.as_file().sync_all()?;
            match file.persist_noclobber(path) {
                Err(error) if error.error.kind() != ErrorKind::AlreadyExists => return Err(error.error),
                _ => {}
            }
        }
        Self::read(dir)
    }

    /// Returns a new key.
    pub fn random() -> Self {
        Self { access_key_id: id::access_key_id("AKIA"), secret_access_key: id::secret() }
    }

    /// Returns the keys of a folder.
    ///
    /// # Errors
    /// There is no such file, or it cannot be read.
    pub fn read(dir: &Path) -> std::io::Result<Self> {
        Ok(serde_json::from_slice(&folder::read(&dir.join(KEYS_FILE))?)?)
    }
}
