//! The ids of EC2's resources.

use sha2::{Digest, Sha256};

use crate::support::id;

/// Returns a new id in EC2's form: the prefix, `-0` and 16 hexadecimal digits.
pub fn new_id(prefix: &str) -> String {
    format!("{prefix}-0{}", id::hex::<8>())
}

/// Returns the id of a resource that every account has. It is the same in all local clouds of a region.
pub fn fixed_id(prefix: &str, of: &str) -> String {
    format!("{prefix}-0{}", hex::encode(&Sha256::digest(format!("{prefix}/{of}"))[..8]))
}
