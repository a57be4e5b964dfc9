//! S3's managed key, `aws/s3`, and the encryption of objects under it. Each object has a data key of its own, by which
//! its bytes are encrypted with AES-256-GCM; the managed key encrypts the data keys.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

use crate::folder::{read, write};
use crate::support::id;

/// How many bytes the encryption adds to what it encrypts.
pub const TAG: usize = 16;

/// The name by which clients may ask for the key.
const ALIAS: &str = "alias/aws/s3";

/// The managed key.
#[derive(Debug)]
pub struct ManagedKey {
    id: String,
    key: LessSafeKey,
}

/// The key of one object.
#[derive(Clone, Debug)]
pub struct DataKey(LessSafeKey);

/// The managed key in its file.
#[derive(Serialize, Deserialize)]
struct InFile {
    id: String,
    /// In base64.
    key: String,
}

impl ManagedKey {
    /// Reads the key from its file. The first time, makes the key and the file, which only its owner can read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let stored = match read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = InFile { id: id::uuid(), key: BASE64_STANDARD.encode(random::<32>()) };
                write(path, &serde_json::to_vec(&made)?)?;
                made
            }
            Err(error) => return Err(error),
        };
        let InFile { id, key } = stored;
        Ok(Self { id, key: key_of(&BASE64_STANDARD.decode(key).map_err(io::Error::other)?)? })
    }

    /// Returns the key's ARN.
    pub fn arn(&self, region: &str, account: &str) -> String {
        format!("arn:aws:kms:{region}:{account}:key/{}", self.id)
    }

    /// Returns whether a client that names a key means this one.
    pub fn is(&self, named: &str, region: &str, account: &str) -> bool {
        named == self.id
            || named == ALIAS
            || named == self.arn(region, account)
            || named == format!("arn:aws:kms:{region}:{account}:{ALIAS}")
    }

    /// Makes the key of an object. Returns it, and as it is stored: encrypted, in base64.
    pub fn data_key(&self) -> io::Result<(DataKey, String)> {
        let bytes = random::<32>();
        let nonce = random::<NONCE_LEN>();
        let mut sealed = bytes.to_vec();
        seal(&self.key, nonce, &mut sealed)?;
        Ok((DataKey(key_of(&bytes)?), BASE64_STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    /// Returns the key of an object that is stored so.
    pub fn unsealed(&self, stored: &str) -> io::Result<DataKey> {
        let stored = BASE64_STANDARD.decode(stored).map_err(io::Error::other)?;
        let (nonce, sealed) = stored.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
        Ok(DataKey(key_of(&open(&self.key, *nonce, sealed.to_vec())?)?))
    }
}

impl DataKey {
    /// Encrypts the piece of an object that has this number. No number may come twice.
    pub fn seal(&self, number: u64, piece: &mut Vec<u8>) -> io::Result<()> {
        seal(&self.0, nonce_of(number), piece)
    }

    /// Decrypts a piece.
    pub fn open(&self, number: u64, piece: Vec<u8>) -> io::Result<Vec<u8>> {
        open(&self.0, nonce_of(number), piece)
    }
}

fn random<const N: usize>() -> [u8; N] {
    std::array::from_fn(|_| rand::random())
}

fn key_of(bytes: &[u8]) -> io::Result<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, bytes).map(LessSafeKey::new).map_err(|_| damaged())
}

fn nonce_of(number: u64) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
    nonce
}

fn seal(key: &LessSafeKey, nonce: [u8; NONCE_LEN], bytes: &mut Vec<u8>) -> io::Result<()> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), bytes).map_err(|_| damaged())?;
    bytes.extend_from_slice(tag.as_ref());
    Ok(())
}

fn open(key: &LessSafeKey, nonce: [u8; NONCE_LEN], mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let length = key.open_in_place(nonce, Aad::empty(), &mut bytes).map_err(|_| damaged())?.len();
    bytes.truncate(length);
    Ok(bytes)
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an encrypted object or its key is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_and_number_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let (data, stored) = ManagedKey::open(&path).unwrap().data_key().unwrap();
        let mut piece = b"hello".to_vec();
        data.seal(3, &mut piece).unwrap();
        assert_eq!(piece.len(), 5 + TAG);
        // The managed key is the same when it is opened again.
        let again = ManagedKey::open(&path).unwrap();
        assert_eq!(again.unsealed(&stored).unwrap().open(3, piece.clone()).unwrap(), b"hello");
        assert!(data.open(4, piece.clone()).is_err());
        piece[0] ^= 1;
        assert!(data.open(3, piece).is_err());
        let other = ManagedKey::open(&dir.path().join("other")).unwrap();
        assert!(other.unsealed(&stored).is_err());
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}
