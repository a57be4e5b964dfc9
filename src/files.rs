//! Local files and folders, and the digests of their content by which a changed file makes a step stale.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use opsml_pictures::is_hidden;
use sha2::{Digest, Sha256};

use crate::failure::{Failure, Outcome};

/// A regular file below a folder.
#[derive(Clone, Debug)]
pub struct LocalFile {
    /// The path relative to the folder, with `/` between its parts.
    pub key: String,
    pub path: PathBuf,
    pub bytes: u64,
}

/// Opens a regular file to read it. Refuses pipes and devices: reading one might never end.
pub fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("is not a regular file")),
    }
}

/// Returns every regular file below a folder, sorted by key. Refuses links, which could lead out of the folder, pipes,
/// devices, and names with control characters.
pub fn files_below(folder: &Path) -> Outcome<Vec<LocalFile>> {
    list(folder, |_| true)
}

/// As [`files_below`], without what is hidden, of which it returns the keys: of a folder its own, which ends in `/`.
pub fn visible_below(folder: &Path) -> Outcome<(Vec<LocalFile>, Vec<String>)> {
    let mut hidden = Vec::new();
    let files = list(folder, |key| {
        let is_hidden = is_hidden(key.trim_end_matches('/').rsplit('/').next().unwrap_or_default());
        if is_hidden {
            hidden.push(key.to_owned());
        }
        !is_hidden
    })?;
    hidden.sort();
    Ok((files, hidden))
}

fn list(folder: &Path, mut wanted: impl FnMut(&str) -> bool) -> Outcome<Vec<LocalFile>> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| Failure::file(&folder, error))? {
            let entry = entry.map_err(|error| Failure::file(&folder, error))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| Failure::file(&path, error))?;
            let name =
                entry.file_name().into_string().map_err(|_| Failure::file(&path, "its name is not UTF-8"))?;
            if name.chars().any(char::is_control) {
                return Err(Failure::file(&path, "its name has a control character"));
            }
            let key = format!("{prefix}{name}{}", if kind.is_dir() { "/" } else { "" });
            if !wanted(&key) {
                continue;
            } else if kind.is_symlink() {
                return Err(Failure::file(&path, "is a link, and links are not followed"));
            } else if kind.is_dir() {
                folders.push((path, key));
            } else if !kind.is_file() {
                return Err(Failure::file(&path, "is not a regular file"));
            } else {
                let bytes = entry.metadata().map_err(|error| Failure::file(&path, error))?.len();
                files.push(LocalFile { key, path, bytes });
            }
        }
    }
    files.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(files)
}

/// Returns the SHA-256 of a file's content, or of the names and contents of all files below a folder, in hex.
pub fn digest(path: &Path) -> Outcome<String> {
    if !path.is_dir() {
        return file(path).map(hex::encode);
    }
    digest_of(&files_below(path)?)
}

/// Returns the SHA-256 of the names and contents of files, in hex.
pub fn digest_of(files: &[LocalFile]) -> Outcome<String> {
    let mut all = Sha256::new();
    for entry in files {
        all.update((entry.key.len() as u64).to_le_bytes());
        all.update(&entry.key);
        all.update(file(&entry.path)?);
    }
    Ok(hex::encode(all.finalize()))
}

fn file(path: &Path) -> Outcome<Vec<u8>> {
    let mut reader = open(path).map_err(|error| Failure::file(path, error))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer).map_err(|error| Failure::file(path, error))? {
            0 => return Ok(hash.finalize().to_vec()),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(digest(&pipe).unwrap_err().message.contains("not a regular file"));
        assert!(digest(folder.path()).unwrap_err().message.contains("not a regular file"));
        std::fs::remove_file(&pipe).unwrap();
        std::fs::write(folder.path().join("a\nb"), "").unwrap();
        assert!(digest(folder.path()).unwrap_err().message.contains("control character"));
    }

    #[test]
    fn what_is_hidden_is_left_out_and_named() {
        let folder = tempfile::tempdir().unwrap();
        for key in ["a/1.jpg", "a/._1.jpg", ".git/config", "__MACOSX/a/._1.jpg", "Thumbs.db", "b.txt"] {
            let path = folder.path().join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, key).unwrap();
        }
        let (files, hidden) = visible_below(folder.path()).unwrap();
        assert_eq!(files.iter().map(|file| file.key.as_str()).collect::<Vec<_>>(), ["a/1.jpg", "b.txt"]);
        assert_eq!(hidden, [".git/", "Thumbs.db", "__MACOSX/", "a/._1.jpg"]);
        let all = digest(folder.path()).unwrap();
        std::fs::write(folder.path().join("Thumbs.db"), "other").unwrap();
        assert_ne!(digest(folder.path()).unwrap(), all);
        assert_eq!(digest_of(&visible_below(folder.path()).unwrap().0), digest_of(&files));
    }
}
