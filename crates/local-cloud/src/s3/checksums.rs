//! The checksums that S3 knows.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::Checksum;

use super::index::Record;

/// Returns a hasher for the algorithms of these names. Unknown names are ignored.
pub fn hasher<'a>(names: impl IntoIterator<Item = &'a str>) -> ChecksumHasher {
    let mut hashes = ChecksumHasher::default();
    for name in names {
        match name.to_ascii_lowercase().as_str() {
            "crc32" => hashes.crc32 = Some(Crc32::new()),
            "crc32c" => hashes.crc32c = Some(Crc32c::new()),
            "crc64nvme" => hashes.crc64nvme = Some(Crc64Nvme::new()),
            "sha1" => hashes.sha1 = Some(Sha1::new()),
            "sha256" => hashes.sha256 = Some(Sha256::new()),
            _ => {}
        }
    }
    hashes
}

/// Returns whether this is the name of an algorithm, in lower case.
pub fn is_known(name: &str) -> bool {
    ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"].contains(&name)
}

/// Returns the hasher of CRC64NVME, which S3 computes if the client sends no checksum.
pub fn default_hasher() -> ChecksumHasher {
    hasher(["crc64nvme"])
}

/// Returns checksums by the names of their algorithms, in lower case.
pub fn by_name(sums: Checksum) -> BTreeMap<String, String> {
    [
        ("crc32", sums.checksum_crc32),
        ("crc32c", sums.checksum_crc32c),
        ("crc64nvme", sums.checksum_crc64nvme),
        ("sha1", sums.checksum_sha1),
        ("sha256", sums.checksum_sha256),
    ]
    .into_iter()
    .filter_map(|(name, sum)| Some((name.to_owned(), sum?)))
    .collect()
}

/// Returns the checksum of the parts' checksums, with `-N` for N parts.
pub fn composite(algorithm: &str, parts: &[Record]) -> Checksum {
    let mut hashes = hasher([algorithm]);
    for part in parts {
        let sum = part.checksums.get(&algorithm.to_ascii_lowercase());
        hashes.update(&sum.and_then(|sum| BASE64_STANDARD.decode(sum).ok()).unwrap_or_default());
    }
    let suffix = |sum: Option<String>| sum.map(|sum| format!("{sum}-{}", parts.len()));
    let sums = hashes.finalize();
    Checksum {
        checksum_crc32: suffix(sums.checksum_crc32),
        checksum_crc32c: suffix(sums.checksum_crc32c),
        checksum_crc64nvme: suffix(sums.checksum_crc64nvme),
        checksum_sha1: suffix(sums.checksum_sha1),
        checksum_sha256: suffix(sums.checksum_sha256),
        checksum_type: None,
    }
}
