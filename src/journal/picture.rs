//! Pictures that steps show in the report. They lie beside the journal, each named by the SHA-256 of its bytes, which the
//! event has: a picture that was changed or taken away is not shown.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::failure::{Failure, Outcome};

/// The most bytes of a picture.
const MAX_BYTES: u64 = 2 << 20;

/// What the event says of a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Picture {
    /// SHA-256 (hex) of its bytes.
    pub digest: String,
    /// `image/png` or `image/jpeg`.
    pub media_type: String,
    /// In pixels.
    pub width: u32,
    pub height: u32,
    /// What it shows, in words.
    pub alt: String,
}

/// The folder of a runbook's pictures.
#[derive(Clone, Debug)]
pub struct Pictures(PathBuf);

impl Pictures {
    /// The folder `pictures` beside the journals in `folder`.
    pub fn beside(folder: &Path) -> Self {
        Self(folder.join("pictures"))
    }

    /// Keeps a PNG or JPEG of `width` × `height` pixels. Its file is whole before anything names it.
    ///
    /// # Errors
    /// It is larger than 2 MiB or no PNG or JPEG, or the disk fails.
    pub fn keep(
        &self,
        bytes: &[u8],
        (width, height): (u32, u32),
        alt: impl Into<String>,
    ) -> Outcome<Picture> {
        let media_type = media_type(bytes).filter(|_| bytes.len() as u64 <= MAX_BYTES).ok_or_else(|| {
            Failure::new("BadPicture", format!("{} bytes are no picture to keep", bytes.len()))
        })?;
        let digest = hex::encode(Sha256::digest(bytes));
        let path = self.0.join(&digest);
        self.write(&path, bytes).map_err(|error| Failure::file(&path, error))?;
        Ok(Picture { digest, media_type: media_type.to_owned(), width, height, alt: alt.into() })
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(&self.0)?.sync_all()
    }

    /// Reads a picture. `None` if it is gone, or not the one that was kept.
    pub fn read(&self, picture: &Picture) -> Option<Vec<u8>> {
        // The digest comes from a file, and is part of a path.
        let is_digest =
            picture.digest.len() == 64 && picture.digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let file = crate::files::open(&self.0.join(is_digest.then_some(&picture.digest)?)).ok()?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
        let is_it = hex::encode(Sha256::digest(&bytes)) == picture.digest
            && media_type(&bytes) == Some(picture.media_type.as_str());
        is_it.then_some(bytes)
    }
}

/// Returns the media type by the first bytes.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

    #[test]
    fn a_picture_is_read_only_as_it_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let pictures = Pictures::beside(folder.path());
        let kept = pictures.keep(PNG, (3, 2), "three by two").unwrap();
        assert_eq!(pictures.read(&kept).as_deref(), Some(PNG));
        assert_eq!(pictures.keep(PNG, (3, 2), "three by two").unwrap(), kept, "kept twice, it is one file");
        let path = folder.path().join("pictures").join(&kept.digest);
        for other in [&b"\x89PNG\r\n\x1a\nother"[..], b""] {
            std::fs::write(&path, other).unwrap();
            assert_eq!(pictures.read(&kept), None);
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(pictures.read(&kept), None);
    }

    #[test]
    fn no_event_reads_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let pictures = Pictures::beside(folder.path());
        let kept = pictures.keep(PNG, (1, 1), "").unwrap();
        std::fs::write(folder.path().join("secret"), PNG).unwrap();
        for digest in ["../secret", "", "/etc/passwd", &format!("../pictures/{}", kept.digest)] {
            assert_eq!(pictures.read(&Picture { digest: digest.into(), ..kept.clone() }), None, "{digest}");
        }
    }

    #[test]
    fn only_small_pictures_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let large = [PNG, &vec![0; MAX_BYTES as usize]].concat();
        for bytes in [&b"<svg onload=x>"[..], &large] {
            let refused = Pictures::beside(folder.path()).keep(bytes, (1, 1), "").unwrap_err();
            assert_eq!(refused.code, "BadPicture");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
