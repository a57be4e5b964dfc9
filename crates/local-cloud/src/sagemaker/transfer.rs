//! Copies objects between S3 and a job's folder, with the permissions of the job's role.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::call::{AwsError, Caller};
use crate::s3::Objects;
use crate::support::archive::files_under;

/// `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Uri {
    pub bucket: String,
    pub key: String,
}

impl S3Uri {
    /// Reads a URI.
    ///
    /// # Errors
    /// A ValidationException that names the URI.
    pub fn parse(uri: &str) -> Result<Self, AwsError> {
        let rest = uri.strip_prefix("s3://").ok_or_else(|| {
            AwsError::validation(format!("The S3 URI {uri} is not of the form s3://bucket/key"))
        })?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(AwsError::validation(format!("The S3 URI {uri} names no bucket")));
        }
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// Returns the URI of something below this one, with one slash between.
    pub fn join(&self, path: &str) -> Self {
        let key = self.key.trim_end_matches('/');
        let key = if key.is_empty() { path.to_owned() } else { format!("{key}/{path}") };
        Self { bucket: self.bucket.clone(), key }
    }
}

impl std::fmt::Display for S3Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// A host's share of a prefix's objects: every `of`th object.
#[derive(Clone, Copy, Debug)]
pub struct Shard {
    pub index: usize,
    pub of: usize,
}

impl Shard {
    pub const ALL: Self = Self { index: 0, of: 1 };
}

/// Downloads a host's share of all objects under a prefix into a folder. As in SageMaker's File mode, a file's name is
/// the part of the key after the prefix's last slash. Returns the number of objects for all hosts.
///
/// # Errors
/// S3's, as [`Objects::list`] and [`Objects::get_to_file`]; a key that can't be a file's name; a full disk.
pub async fn download(
    objects: &dyn Objects,
    role: &Caller,
    from: &S3Uri,
    folder: &Path,
    shard: Shard,
) -> Result<usize, AwsError> {
    let listed = objects.list(role, &from.bucket, &from.key)?;
    let base =
        if from.key.ends_with('/') || listed.iter().any(|o| o.key.starts_with(&format!("{}/", from.key))) {
            from.key.trim_end_matches('/').len() + usize::from(!from.key.is_empty())
        } else {
            from.key.rfind('/').map_or(0, |at| at + 1)
        };
    let mut count = 0;
    for object in &listed {
        let Some(name) = object.key.get(base..).filter(|name| !name.is_empty() && !name.ends_with('/'))
        else {
            continue;
        };
        count += 1;
        if (count - 1) % shard.of != shard.index {
            continue;
        }
        let to = folder.join(safe(name).ok_or_else(|| {
            AwsError::validation(format!("the key {:?} cannot be a file's name", object.key))
        })?);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(|error| disk(&error))?;
        }
        objects.get_to_file(role, &from.bucket, &object.key, &to).await?;
    }
    Ok(count)
}

/// Copies a folder, with its subfolders and regular files.
///
/// # Errors
/// The disk's.
pub fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    for file in files_under(from)? {
        let to = to.join(file.strip_prefix(from).map_err(std::io::Error::other)?);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(&file, to)?;
    }
    Ok(())
}

/// Returns the end of a key as a relative path. None: the path would lead out of the folder.
fn safe(name: &str) -> Option<PathBuf> {
    let path = Path::new(name.trim_start_matches('/'));
    let normal = path.components().all(|part| matches!(part, Component::Normal(_)));
    (normal && !name.contains('\0')).then(|| path.to_owned())
}

/// Uploads the files of a folder that are new or have changed since the last call.
#[derive(Debug, Default)]
pub struct Sync {
    /// Size and modification time of the files that are in S3 already.
    sent: HashMap<PathBuf, (u64, SystemTime)>,
    /// Size and modification time at the last call. If they differ at the next call, the file is still being written.
    seen: HashMap<PathBuf, (u64, SystemTime)>,
}

impl Sync {
    /// Returns a sync of a folder whose present files come from S3.
    ///
    /// # Errors
    /// The disk's.
    pub fn starting_with(folder: &Path) -> std::io::Result<Self> {
        Ok(Self { sent: look(folder)?, seen: HashMap::new() })
    }

    /// Uploads each new or changed file, unless it may still be being written: it must be the same as at the last call.
    /// The call with `last` uploads all that aren't in S3.
    ///
    /// # Errors
    /// S3's, as [`Objects::put_file`]; the disk's.
    pub async fn send(
        &mut self,
        objects: &dyn Objects,
        role: &Caller,
        folder: &Path,
        to: &S3Uri,
        last: bool,
    ) -> Result<(), AwsError> {
        let now = look(folder).map_err(|error| disk(&error))?;
        for (path, state) in &now {
            let settled = last || self.seen.get(path) == Some(state);
            if !settled || self.sent.get(path) == Some(state) {
                continue;
            }
            let Some(name) = path.strip_prefix(folder).ok().and_then(Path::to_str) else { continue };
            match objects.put_file(role, &to.bucket, &to.join(name).key, path).await {
                // The file was renamed or removed meanwhile.
                Err(_) if !path.exists() => {}
                sent => {
                    sent?;
                    self.sent.insert(path.clone(), *state);
                }
            }
        }
        self.seen = now;
        Ok(())
    }
}

fn look(folder: &Path) -> std::io::Result<HashMap<PathBuf, (u64, SystemTime)>> {
    let mut found = HashMap::new();
    for path in files_under(folder)? {
        // A file may be removed after it was listed.
        if let Ok(data) = std::fs::metadata(&path) {
            found.insert(path, (data.len(), data.modified()?));
        }
    }
    Ok(found)
}

/// Returns the error for a failure of this machine's disk.
pub fn disk(error: &std::io::Error) -> AwsError {
    AwsError::internal(format!("the local cloud could not use its disk: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        let uri = S3Uri::parse("s3://b/a/").unwrap();
        assert_eq!(uri.join("job/output/model.tar.gz").to_string(), "s3://b/a/job/output/model.tar.gz");
        assert_eq!(S3Uri::parse("s3://b").unwrap().join("x").to_string(), "s3://b/x");
        assert!(S3Uri::parse("https://b/x").is_err());
        assert!(S3Uri::parse("s3:///x").is_err());
    }

    #[test]
    fn names_stay_in_their_folder() {
        assert_eq!(safe("train/a.png"), Some("train/a.png".into()));
        for bad in ["../a", "a/../../b", "a/..", "a\0b"] {
            assert_eq!(safe(bad), None, "{bad:?}");
        }
    }
}
