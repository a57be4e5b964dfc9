//! Creates ids and secrets in AWS's form.

/// Returns a unique id of IAM: the prefix, which says of what kind, and 17 letters and digits.
pub fn unique_id(prefix: &str) -> String {
    format!("{prefix}{}", random(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 17))
}

/// Returns the id of an access key: `AKIA…` of a user's own, `ASIA…` of a session's.
pub fn access_key_id(prefix: &str) -> String {
    unique_id(prefix).chars().take(20).collect()
}

/// Returns a secret access key.
pub fn secret() -> String {
    random(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 40)
}

/// Returns a session's token.
pub fn session_token() -> String {
    let random = random(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 340);
    format!("IQoJb3JpZ2luX2Vj{random}")
}

/// Returns random characters of the thread's generator. The operating system seeds it, so they can be used as secrets.
fn random(alphabet: &[u8], length: usize) -> String {
    (0..length).map(|_| char::from(alphabet[rand::random_range(0..alphabet.len())])).collect()
}
