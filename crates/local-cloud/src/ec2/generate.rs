//! New key pairs, made by OpenSSH's ssh-keygen. The private half is sent to who asked for it, and kept nowhere.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::der::der;
use super::error::lacking;
use crate::call::AwsError;

/// A new key pair.
pub struct Generated {
    /// As PEM: `RSA PRIVATE KEY`, or for Ed25519 `OPENSSH PRIVATE KEY`.
    pub private: String,
    /// In OpenSSH's format.
    pub public: String,
}

/// Makes a key pair of a kind, `rsa` (2048 bits) or `ed25519`, with its name as the comment.
///
/// # Errors
/// There is no ssh-keygen on the PATH, or it fails.
pub fn generate(kind: &str, name: &str) -> Result<Generated, AwsError> {
    let failed = |error: std::io::Error| AwsError::internal(format!("no key pair could be made: {error}"));
    let dir = tempfile::tempdir().map_err(failed)?;
    let path = dir.path().join("key");
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-m", "PEM", "-N", "", "-C", name, "-f"]).arg(&path);
    if kind == "rsa" {
        command.args(["-b", "2048"]);
    }
    let made = command.output().map_err(|_| {
        lacking("CreateKeyPair without ssh-keygen (install OpenSSH's client, or import a public key)")
    })?;
    if !made.status.success() {
        return Err(failed(std::io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned())));
    }
    let read = |path: &Path| std::fs::read_to_string(path).map_err(failed);
    let public = read(&path.with_extension("pub"))?.trim().to_owned();
    Ok(Generated { private: read(&path)?, public })
}

/// Returns the fingerprint of an RSA key that EC2 has made: the SHA-1 of the private key's DER form. None: the text is no
/// such key.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/verify-keys.html>
pub fn private_fingerprint(pem: &str) -> Option<String> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let key = BASE64_STANDARD.decode(body).ok()?;
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &private_key_info(&key));
    let bytes = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    Some(bytes.collect::<Vec<_>>().join(":"))
}

/// Returns the PrivateKeyInfo of an RSAPrivateKey: RFC 5208, section 5.
fn private_key_info(key: &[u8]) -> Vec<u8> {
    const VERSION: [u8; 3] = [0x02, 0x01, 0x00];
    let key = der(0x04, key);
    der(0x30, &[&VERSION, &super::der::RSA[..], key.as_slice()].concat())
}
