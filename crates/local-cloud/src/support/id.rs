//! Random identifiers.

/// A random UUID (version 4), as AWS's request ids are.
pub fn uuid() -> String {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}

/// So many random bytes in lower-case hexadecimal.
pub fn hex<const BYTES: usize>() -> String {
    hex::encode(rand::random::<[u8; BYTES]>())
}
