//! A function's code: a zip from the call or from S3, unpacked with distrust into a folder that nobody writes to again.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Cursor, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use super::model::{Code, invalid, uuid};
use crate::call::{AwsError, Caller};
use crate::cloud::Cloud;
use crate::process::private_dir;
use crate::s3::Objects;

/// AWS's limits: bytes of a zip in a call, and of what it unpacks to.
pub const MAX_ZIP: usize = 52_428_800;
pub const MAX_UNZIPPED: u64 = 262_144_000;
/// Of a call with such a zip in it.
pub const MAX_REQUEST: usize = 70_167_211;
const MAX_ENTRIES: usize = 50_000;

/// Where code lies.
pub fn folder(cloud: &Cloud, name: &str) -> PathBuf {
    cloud.settings.dir.join("lambda/code").join(name)
}

/// The zip that a call brings or names.
pub async fn fetch(cloud: &Arc<Cloud>, caller: &Caller, source: &Value) -> Result<Vec<u8>, AwsError> {
    for member in ["ImageUri", "S3ObjectVersion", "SourceKMSKeyArn"] {
        if !source[member].is_null() {
            return Err(AwsError::unsupported("Lambda", &format!("{member} of a function's code")));
        }
    }
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
            from_s3(cloud, caller, bucket, key).await
        }
        _ => Err(invalid("Please provide a source for function code.")),
    }
}

async fn from_s3(cloud: &Arc<Cloud>, caller: &Caller, bucket: &str, key: &str) -> Result<Vec<u8>, AwsError> {
    let file = tempfile::NamedTempFile::new().map_err(|error| disk(&error))?;
    let got = Objects::new(cloud).get_to_file(caller, bucket, key, file.path()).await;
    got.map_err(|error| match error.code.as_str() {
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

/// Unpacks a zip into a folder of its own.
///
/// # Errors
/// AWS's words for what is no zip, is empty or too large; a full disk.
pub async fn store(cloud: &Cloud, zip: Vec<u8>) -> Result<Code, AwsError> {
    let name = uuid();
    let to = folder(cloud, &name);
    let unpacked = tokio::task::spawn_blocking(move || {
        let sha256 = STANDARD.encode(Sha256::digest(&zip));
        let size = zip.len() as u64;
        unpack(zip, &to).inspect_err(|_| remove(&to)).map(|()| (sha256, size))
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
    AwsError::new(500, "ServiceException", format!("The local cloud could not store the code: {error}"))
}

fn unpack(zip: Vec<u8>, to: &Path) -> io::Result<()> {
    let broken = |why: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, why.to_string());
    let mut zip = ZipArchive::new(Cursor::new(zip)).map_err(|error| broken(&error))?;
    if zip.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if zip.len() > MAX_ENTRIES {
        return Err(broken(&format!("it has more than {MAX_ENTRIES} entries")));
    }
    private_dir(to)?;
    let mut left = MAX_UNZIPPED;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|error| broken(&error))?;
        let Some(path) = entry.enclosed_name() else { return Err(broken(&"an entry leads out of it")) };
        // 0o170000 is the mask of a file's type: a link, device or socket is neither of ours.
        let mode = entry.unix_mode().unwrap_or(0o644);
        if entry.is_symlink() || !matches!(mode & 0o170_000, 0 | 0o100_000 | 0o040_000) {
            return Err(broken(&format!("its entry {} is neither a file nor a folder", path.display())));
        }
        let target = to.join(&path);
        if entry.is_dir() {
            std::fs::create_dir_all(&target)?;
            continue;
        }
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Nobody writes to it again, and whoever runs the cloud must be able to read it.
        let mode = (mode & 0o555) | 0o400;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&target)?;
        // What the directory claims of sizes is not believed: what comes out is counted.
        let written =
            io::copy(&mut entry.by_ref().take(left + 1), &mut file).map_err(|error| broken(&error))?;
        left = left.checked_sub(written).ok_or(io::ErrorKind::FileTooLarge)?;
        File::set_permissions(&file, Permissions::from_mode(mode))?;
    }
    for folder in folders_under(to)? {
        std::fs::set_permissions(folder, Permissions::from_mode(0o555))?;
    }
    Ok(())
}

/// All folders from `folder` down, itself first.
fn folders_under(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut next) = (vec![folder.to_owned()], 0);
    while next < found.len() {
        for entry in std::fs::read_dir(&found[next])? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                found.push(entry.path());
            }
        }
        next += 1;
    }
    Ok(found)
}

/// Removes a folder of code. What cannot be removed lies there unused.
pub fn remove(folder: &Path) {
    for each in folders_under(folder).unwrap_or_default() {
        let _ = std::fs::set_permissions(each, Permissions::from_mode(0o755));
    }
    let _ = std::fs::remove_dir_all(folder);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn zipped(entries: &[(&str, u32, usize)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode, length) in entries {
            zip.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
            zip.write_all(&vec![b'x'; *length]).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn files_keep_their_bits_and_lose_their_writers() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("code");
        unpack(zipped(&[("bootstrap", 0o755, 3), ("a/b.py", 0o600, 1)]), &to).unwrap();
        let mode = |name: &str| std::fs::metadata(to.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("bootstrap"), mode("a/b.py"), mode("a")), (0o555, 0o400, 0o555));
        remove(&to);
        assert!(!to.exists());
    }

    #[test]
    fn what_leads_out_or_is_no_zip_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("code");
        for (zip, kind) in [
            (zipped(&[("../escape", 0o644, 1)]), io::ErrorKind::InvalidData),
            (b"no zip".to_vec(), io::ErrorKind::InvalidData),
            (zipped(&[]), io::ErrorKind::InvalidInput),
            (
                zipped(&[("zeros", 0o644, usize::try_from(MAX_UNZIPPED).unwrap() + 1)]),
                io::ErrorKind::FileTooLarge,
            ),
        ] {
            assert_eq!(unpack(zip, &to).unwrap_err().kind(), kind);
            remove(&to);
        }
        assert!(!dir.path().join("escape").exists());
    }
}
