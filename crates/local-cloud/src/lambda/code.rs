//! A function's code: a zip from the request or from S3, which is unpacked into a folder that is never changed again.

use std::fs::Permissions;
use std::io::{self, Cursor};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::errors::{invalid, service_failed};
use super::record::Code;
use crate::call::{AwsError, Caller};
use crate::cloud::Cloud;
use crate::folder::private_dir;
use crate::s3::Objects;
use crate::support::archive::{Limits, files_under, folders_under, unpack_zip};
use crate::support::id;

/// AWS's limits in bytes: for a zip in a request, for the unpacked code, and for a request.
pub const MAX_ZIP: usize = 52_428_800;
pub const MAX_UNZIPPED: u64 = 262_144_000;
pub const MAX_REQUEST: usize = 70_167_211;
const LIMITS: Limits = Limits { entries: 50_000, bytes: MAX_UNZIPPED };

/// Returns the folder of a version's code.
pub fn folder(cloud: &Cloud, name: &str) -> PathBuf {
    cloud.settings.dir.join("lambda/code").join(name)
}

/// Returns the zip in a request, or the object in S3 that the request names.
///
/// # Errors
/// There is no such object, or `caller` may not read it; the request has no zip, or one that is too large.
pub async fn fetch(objects: &dyn Objects, caller: &Caller, source: &Value) -> Result<Vec<u8>, AwsError> {
    let text = |member: &str| source[member].as_str().unwrap_or_default();
    match (source["ZipFile"].as_str(), text("S3Bucket"), text("S3Key")) {
        (Some(_), bucket, key) if !(bucket.is_empty() && key.is_empty()) => {
            Err(invalid("Please do not provide other FunctionCode parameters when providing a ZipFile."))
        }
        (Some(encoded), ..) => {
            let zip = STANDARD.decode(encoded).map_err(|_| {
                AwsError::new(400, "SerializationException", "The member ZipFile is not base64.")
            })?;
            if zip.len() > MAX_ZIP {
                let message = format!(
                    "Request must be smaller than {MAX_REQUEST} bytes for the CreateFunction operation"
                );
                return Err(AwsError::new(413, "RequestEntityTooLargeException", message));
            }
            Ok(zip)
        }
        (None, bucket, key) if !bucket.is_empty() && !key.is_empty() => {
            from_s3(objects, caller, bucket, key).await
        }
        _ => Err(invalid("Please provide a source for function code.")),
    }
}

async fn from_s3(
    objects: &dyn Objects,
    caller: &Caller,
    bucket: &str,
    key: &str,
) -> Result<Vec<u8>, AwsError> {
    let file = tempfile::NamedTempFile::new().map_err(|error| disk(&error))?;
    let read = objects.get_to_file(caller, bucket, key, file.path()).await;
    read.map_err(|error| match error.code.as_str() {
        "AccessDenied" => AwsError::new(
            403,
            "AccessDeniedException",
            format!(
                "Your access has been denied by S3, please make sure your request credentials have permission to \
                 GetObject for {bucket}/{key}. S3 Error Code: AccessDenied. S3 Error Message: {}",
                error.message
            ),
        ),
        "InternalFailure" => error,
        code => invalid(format!(
            "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {}",
            error.message
        )),
    })?;
    let length = file.as_file().metadata().map_err(|error| disk(&error))?.len();
    if length > MAX_UNZIPPED {
        return Err(too_large());
    }
    std::fs::read(file.path()).map_err(|error| disk(&error))
}

/// Returns the file that keeps the zip of a folder's code, as it was uploaded.
pub fn zip_of(folder: &Path) -> PathBuf {
    folder.with_extension("zip")
}

/// Unpacks a zip into a folder of its own, and keeps it beside that.
///
/// # Errors
/// The zip is broken, empty or too large; a full disk.
pub async fn store(cloud: &Cloud, zip: Vec<u8>) -> Result<Code, AwsError> {
    let name = id::uuid();
    let to = folder(cloud, &name);
    let unpacked = tokio::task::spawn_blocking(move || {
        let sha256 = STANDARD.encode(Sha256::digest(&zip));
        let size = zip.len() as u64;
        unpack(&zip, &to).inspect_err(|_| remove(&to))?;
        crate::folder::write(&zip_of(&to), &zip).inspect_err(|_| remove(&to))?;
        Ok::<_, io::Error>((sha256, size))
    });
    let (sha256, size) = unpacked
        .await
        .map_err(|_| AwsError::internal("the zip could not be unpacked"))?
        .map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => too_large(),
            io::ErrorKind::InvalidInput => invalid("Uploaded file must be a non-empty zip"),
            io::ErrorKind::InvalidData => invalid(format!(
                "Could not unzip uploaded file. Please check your file, then try to upload again. ({error})"
            )),
            _ => disk(&error),
        })?;
    Ok(Code { sha256, size, folder: name })
}

fn too_large() -> AwsError {
    invalid(format!("Unzipped size must be smaller than {MAX_UNZIPPED} bytes"))
}

fn disk(error: &io::Error) -> AwsError {
    service_failed(format!("The local cloud could not store the code: {error}"))
}

/// Unpacks a zip into a new folder, and makes the folder read-only.
fn unpack(zip: &[u8], to: &Path) -> io::Result<()> {
    private_dir(to)?;
    unpack_zip(Cursor::new(zip), to, LIMITS)?;
    for file in files_under(to)? {
        let mode = std::fs::metadata(&file)?.permissions().mode() & 0o555;
        std::fs::set_permissions(file, Permissions::from_mode(mode))?;
    }
    for folder in folders_under(to)? {
        std::fs::set_permissions(folder, Permissions::from_mode(0o555))?;
    }
    Ok(())
}

/// Removes a folder of code, and its zip. If that fails, it stays and isn't used.
pub fn remove(folder: &Path) {
    for each in folders_under(folder).unwrap_or_default() {
        let _ = std::fs::set_permissions(each, Permissions::from_mode(0o755));
    }
    let _ = std::fs::remove_dir_all(folder);
    let _ = std::fs::remove_file(zip_of(folder));
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    #[test]
    fn code_keeps_its_modes_but_cannot_be_written() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode) in [("bootstrap", 0o755), ("a/b.py", 0o600)] {
            zip.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
            zip.write_all(b"x").unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("code");
        unpack(&zip.finish().unwrap().into_inner(), &to).unwrap();
        let mode = |name: &str| std::fs::metadata(to.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("bootstrap"), mode("a/b.py"), mode("a")), (0o555, 0o400, 0o555));
        remove(&to);
        assert!(!to.exists());
    }
}
