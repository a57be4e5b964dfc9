//! Key pairs: the public keys that users import, or whose private halves they have got. Nobody can log in to an instance here,
//! but keys are checked.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

use super::der::{RSA, der};
use super::error::{error, invalid, lacking, missing};
use super::generate::{generate, private_fingerprint};
use super::id::new_id;
use super::request::{Filters, Needed, Request};
use super::tags;
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::policy::Context;

const KEY: &str = "ec2.key-pair";

/// A key pair, stored under its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyPair {
    /// `key-…`
    pub id: String,
    pub name: String,
    fingerprint: String,
    /// `rsa` or `ed25519`.
    kind: String,
    /// In OpenSSH's format.
    pub public_key: String,
    created: Timestamp,
}

pub fn by_name(cloud: &Cloud, name: &str) -> Result<KeyPair, AwsError> {
    let message = || format!("The key pair '{name}' does not exist");
    cloud.store.get(KEY, name)?.ok_or_else(|| error("InvalidKeyPair.NotFound", message()))
}

pub fn by_id(cloud: &Cloud, id: &str) -> Result<KeyPair, AwsError> {
    let all = cloud.store.list::<KeyPair>(KEY)?;
    let found = all.into_iter().map(|(_, key)| key).find(|key| key.id == id);
    found.ok_or_else(|| error("InvalidKeyPair.NotFound", format!("The key pair ID '{id}' does not exist")))
}

/// Makes a key pair. Its private half is in the answer alone.
pub async fn create(request: Request<'_>) -> Reply {
    let name = new_name(&request)?.to_owned();
    if request.optional("KeyFormat").is_some_and(|format| format != "pem") {
        return Err(lacking("CreateKeyPair with KeyFormat ppk"));
    }
    let kind = request.given("KeyType").unwrap_or("rsa").to_owned();
    request.dry_run()?;
    check_new(request.cloud(), &name)?;
    let named = name.clone();
    let made = tokio::task::spawn_blocking(move || generate(&kind, &named)).await;
    let made = made.map_err(|_| AwsError::internal("no key pair could be made"))??;
    let (kind, of_public) = fingerprint(&made.public)
        .ok_or_else(|| AwsError::internal("ssh-keygen made no key that EC2 knows"))?;
    let fingerprint = if kind == "rsa" { private_fingerprint(&made.private) } else { Some(of_public) };
    let key = KeyPair {
        id: new_id("key"),
        name,
        fingerprint: fingerprint.ok_or_else(|| AwsError::internal("ssh-keygen made no RSA key"))?,
        kind: kind.to_owned(),
        public_key: made.public,
        created: Timestamp::now(),
    };
    let mut answer = keep(&request, &key)?;
    answer["KeyMaterial"] = json!(made.private);
    Ok(answer)
}

/// Returns the name that a request has for a new key pair.
fn new_name<'a>(request: &Request<'a>) -> Result<&'a str, AwsError> {
    let name = request.given("KeyName").ok_or_else(|| missing("KeyName"))?;
    if name.len() > 255 || !name.is_ascii() {
        return Err(invalid("KeyName", name, "Up to 255 ASCII characters are supported."));
    }
    Ok(name)
}

fn check_new(cloud: &Cloud, name: &str) -> Result<(), AwsError> {
    match cloud.store.get::<KeyPair>(KEY, name)? {
        None => Ok(()),
        Some(_) => Err(duplicate()),
    }
}

fn duplicate() -> AwsError {
    error("InvalidKeyPair.Duplicate", "The keypair already exists")
}

/// Stores a new key pair with the request's tags.
fn keep(request: &Request, key: &KeyPair) -> Reply {
    let (cloud, tags) = (request.cloud(), given_tags(request)?);
    if !cloud.store.insert(KEY, &key.name, key)? {
        return Err(duplicate());
    }
    tags::put(cloud, &key.id, &tags)?;
    Ok(json!({
        "KeyFingerprint": key.fingerprint,
        "KeyName": key.name,
        "KeyPairId": key.id,
        "Tags": Some(tags::of(cloud, &key.id)?).filter(|tags| *tags != json!([])),
    }))
}

/// Returns the access that CreateKeyPair or ImportKeyPair needs.
pub fn new_needs(request: &Request) -> Needed {
    let name = request.given("KeyName").ok_or_else(|| missing("KeyName"))?;
    let (arn, tags) = (request.arn("key-pair", name), given_tags(request)?);
    let own = request.access(&*arn, tags::context(&tags));
    Ok([own].into_iter().chain(tags::access_with(request, &arn, &tags)).collect())
}

fn given_tags(request: &Request) -> Result<tags::Tags, AwsError> {
    tags::specified(request, "key-pair", &["key-pair"])
}

pub fn import(request: &Request) -> Reply {
    let name = new_name(request)?;
    let material = request.given("PublicKeyMaterial").ok_or_else(|| missing("PublicKeyMaterial"))?;
    given_tags(request)?;
    let text = BASE64_STANDARD.decode(material).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let (kind, fingerprint) = text
        .as_deref()
        .and_then(fingerprint)
        .ok_or_else(|| error("InvalidKey.Format", "Key is not in valid OpenSSH public key format"))?;
    request.dry_run()?;
    let key = KeyPair {
        id: new_id("key"),
        name: name.to_owned(),
        fingerprint,
        kind: kind.to_owned(),
        public_key: text.unwrap_or_default().trim().to_owned(),
        created: Timestamp::now(),
    };
    keep(request, &key)
}

const FILTERS: Filters =
    &[("key-pair-id", "KeyPairId"), ("key-name", "KeyName"), ("fingerprint", "KeyFingerprint")];

pub fn describe(request: &Request) -> Reply {
    request.dry_run()?;
    let cloud = request.cloud();
    let (names, ids) = (request.texts("KeyNames"), request.texts("KeyPairIds"));
    let keys: Vec<KeyPair> = if names.is_empty() && ids.is_empty() {
        cloud.store.list(KEY)?.into_iter().map(|(_, key)| key).collect()
    } else {
        let names = names.iter().map(|name| by_name(cloud, name));
        names.chain(ids.iter().map(|id| by_id(cloud, id))).collect::<Result<_, _>>()?
    };
    let with_key = request.flag("IncludePublicKey");
    let described = |key: &KeyPair| -> Reply {
        Ok(json!({
            "CreateTime": key.created.to_string(),
            "KeyFingerprint": key.fingerprint,
            "KeyName": key.name,
            "KeyPairId": key.id,
            "KeyType": key.kind,
            "PublicKey": if with_key { json!(key.public_key) } else { Value::Null },
            "Tags": tags::of(cloud, &key.id)?,
        }))
    };
    let items = keys.iter().map(described).collect::<Result<_, _>>()?;
    request.listed("KeyPairs", items, FILTERS)
}

/// Returns the key pair that DeleteKeyPair names, and the name in the ARN on which it must be allowed.
fn named(request: &Request) -> Result<(Option<KeyPair>, String), AwsError> {
    match (request.given("KeyName"), request.given("KeyPairId")) {
        (Some(name), _) => Ok((request.cloud().store.get(KEY, name)?, name.to_owned())),
        (None, Some(id)) => {
            let key = by_id(request.cloud(), id).ok();
            let name = key.as_ref().map_or_else(|| "*".to_owned(), |key| key.name.clone());
            Ok((key, name))
        }
        (None, None) => Err(missing("KeyName")),
    }
}

pub fn delete_needs(request: &Request) -> Needed {
    let (_, name) = named(request)?;
    Ok(vec![request.access(request.arn("key-pair", &name), Context::new())])
}

/// Deletes a key pair. As on AWS, it is no error if there is none.
pub fn delete(request: &Request) -> Reply {
    let cloud = request.cloud();
    let (key, _) = named(request)?;
    request.dry_run()?;
    let Some(key) = key else { return Ok(json!({"Return": true})) };
    cloud.store.delete(KEY, &key.name)?;
    tags::forget(cloud, &key.id)?;
    Ok(json!({"Return": true, "KeyPairId": key.id}))
}

/// Returns the kind of an OpenSSH public key, and its fingerprint as EC2 computes it for imported keys: the MD5 of the
/// DER form for RSA, the SHA-256 of the OpenSSH form for Ed25519. None: the text is no such key.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/verify-keys.html>
fn fingerprint(text: &str) -> Option<(&'static str, String)> {
    let mut words = text.split_whitespace();
    let (kind, blob) = (words.next()?, BASE64_STANDARD.decode(words.next()?).ok()?);
    let mut rest = blob.as_slice();
    if field(&mut rest)? != kind.as_bytes() {
        return None;
    }
    let first = field(&mut rest)?;
    match kind {
        "ssh-ed25519" => (first.len() == 32 && rest.is_empty())
            .then(|| ("ed25519", BASE64_STANDARD.encode(Sha256::digest(&blob)))),
        "ssh-rsa" => {
            let modulus = field(&mut rest)?;
            let bits = modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
            if !rest.is_empty() || first.is_empty() || !(1024..=16_384).contains(&bits) {
                return None;
            }
            let digest = Md5::digest(public_key_info(modulus, first));
            Some(("rsa", digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")))
        }
        _ => None,
    }
}

/// Reads a length and as many bytes: RFC 4251, section 5.
fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (field, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = after;
    Some(field)
}

/// Returns the SubjectPublicKeyInfo of an RSA key: RFC 3279, section 2.3.1. SSH and DER write integers the same way.
fn public_key_info(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = der(0x30, &[der(0x02, modulus), der(0x02, exponent)].concat());
    let bits = der(0x03, &[&[0], key.as_slice()].concat());
    der(0x30, &[&RSA, bits.as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCuFvL65uhFcRVC8VXpZKlH5uOW7mRqVPkUoivgGBnE67Y0F0baJV62YL7UD8K/\
iH6pvJ2qDst2jKdGpPb+Z4Qb1rxATqMP5qQl3FHOBLWuVJcKKU10RUMXJFg1lqU8Eu2NaTAc7/ZGb4bs10suRQ3zHWulZfZYaS7Och/SNFhwkRDAtoyCH6xx+\
Xlr4z4MEkQUu6hHVfYDH+64vH07i4MioE6qJz6aO/doL3W1D0lKR1zToTWNbAapalwVyUZz4RpF4AMw+uAvAHet5W6FbSOEYKK5AhB5ve4Uodc+EaW7N646O5\
WDAjXYUR4UjOleQtE+B8JydFXS76g9DLFTouq7 c@h\n";
    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOjtahoaqDY59gTRrServZ7ItVcXb+Sqy3+OaUAzUcTi";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJgKNDb2w2dLYbmsUuqNHGfsq\
q8++dgoDuz5hPzn0zX8VFDLmZJx2nQjTOICOv3WAHxF6+9pqrE9uNSvAuqIRh0=";

    #[test]
    fn fingerprints_are_what_openssl_and_ssh_keygen_compute() {
        // ssh-keygen -e -m PKCS8 -f key.pub | openssl pkey -pubin -outform DER | openssl md5 -c
        let rsa = fingerprint(RSA).unwrap();
        assert_eq!(rsa, ("rsa", "a7:6d:9a:b8:b9:fa:bf:14:8b:6b:e1:1b:f5:bd:dd:7a".to_owned()));
        // ssh-keygen -l -f key.pub
        let ed25519 = fingerprint(ED25519).unwrap();
        assert_eq!(ed25519, ("ed25519", "l5UhxNXZAZ1nCDKPa5fyemQdxt2WJvOvWLALaiuenwQ=".to_owned()));
    }

    #[test]
    fn what_is_no_rsa_or_ed25519_key_is_refused() {
        let other_name = ED25519.replace("ssh-ed25519", "ssh-rsa");
        let cut = RSA.replace("c@h", "").replace("ouq7", "");
        for text in [
            ECDSA,
            "",
            "ssh-rsa",
            "ssh-rsa ?",
            "ssh-rsa AAAA",
            "-----BEGIN PUBLIC KEY-----",
            &other_name,
            &cut,
        ] {
            assert_eq!(fingerprint(text), None, "{text}");
        }
    }
}
