//! EC2 key pair. The key is generated on this machine, and only the public key is sent. CreateKeyPair would return the
//! private key only once, and a crash would lose it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_sdk_ec2::primitives::Blob;
use aws_sdk_ec2::types::ResourceType;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use ssh_key::private::Ed25519Keypair;
use ssh_key::{LineEnding, PrivateKey};

use super::instance::tag_specification;
use super::traits::{Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyPair {
    pub base: String,
    /// The folder for the private key, whose file has the key pair's name.
    pub folder: PathBuf,
}

impl Resource for KeyPair {
    const TYPE: &'static str = "key-pair";
    const ROWS: &'static [&'static str] = &["key_type"];
    const LEAVES: bool = true;

    fn naming(&self) -> Naming {
        Naming::Timestamp { base: self.base.clone(), max: 255 }
    }

    fn replaces(&self, _old: &Self) -> bool {
        true
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let pairs = aws.ec2.describe_key_pairs().key_names(name).send().await;
        let pairs = present(pairs.map_err(|error| failure("DescribeKeyPairs", error)))?;
        let Some(pair) = pairs.and_then(|pairs| pairs.key_pairs().first().cloned()) else { return Ok(None) };
        let file = self.file(name);
        let status = match file.is_file() {
            true => Status::Ready,
            false => Status::Failed(format!("KeyLost: the private key {} is gone", file.display())),
        };
        Ok(Some(Live {
            status,
            facts: facts([
                ("id", json!(pair.key_pair_id())),
                ("key_type", json!(pair.key_type().map(|kind| kind.as_str()))),
                ("fingerprint", json!(pair.key_fingerprint())),
                ("private_key", json!(file)),
            ]),
        }))
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        let public = generate(&self.file(name))?;
        let imported = aws
            .ec2
            .import_key_pair()
            .key_name(name)
            .public_key_material(Blob::new(public))
            .tag_specifications(tag_specification(ResourceType::KeyPair, tags))
            .send()
            .await;
        imported.map(|_| ()).map_err(|error| failure("ImportKeyPair", error))
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { base: name.to_owned(), ..Self::default() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let deleted = aws.ec2.delete_key_pair().key_name(name).send().await;
        present(deleted.map_err(|error| failure("DeleteKeyPair", error)))?;
        let file = self.file(name);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::file(&file, error)),
            _ => Ok(()),
        }
    }
}

impl KeyPair {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }
}

/// Writes a new private Ed25519 key to `file`, which only its owner can read, and returns the public key in OpenSSH's
/// form. Replaces the key of an interrupted attempt, whose public key was not used.
fn generate(file: &Path) -> Outcome<String> {
    let seed: [u8; 32] = rand::rng().random();
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    let failed = |error: std::io::Error| Failure::file(file, error);
    let unencodable = |error: ssh_key::Error| Failure::file(file, error);
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, error))?;
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let text = key.to_openssh(LineEnding::LF).map_err(unencodable)?;
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    key.public_key().to_openssh().map_err(unencodable)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys/one.pem");
        let public = generate(&file).unwrap();
        assert!(public.starts_with("ssh-ed25519 AAAA"), "{public}");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let private = PrivateKey::from_openssh(std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(private.public_key().to_openssh().unwrap(), public);
        assert_ne!(generate(&file).unwrap(), public);
    }
}
