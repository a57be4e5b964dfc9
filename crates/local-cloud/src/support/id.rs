//! Random identifiers.

/// Returns a random UUID (version 4), such as AWS uses for request ids.
pub fn uuid() -> String {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}

/// Returns random bytes in lower-case hexadecimal.
pub fn hex<const BYTES: usize>() -> String {
    hex::encode(rand::random::<[u8; BYTES]>())
}
