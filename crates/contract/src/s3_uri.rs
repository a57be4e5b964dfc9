//! URIs of places in S3.

/// Returns the bucket and the prefix of `s3://BUCKET` or `s3://BUCKET/PREFIX`. The prefix has no slash at its end. None: it is
/// no such URI, or its bucket has a name that no bucket may have, or its prefix has a part that some programs take for
/// another folder (`..`).
pub fn bucket_and_prefix(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("s3://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_bucket = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|byte| is_plain(byte) || byte == b'-' || byte == b'.')
        && bucket.bytes().next().is_some_and(is_plain);
    let prefix = prefix.trim_end_matches('/');
    let is_prefix = prefix.len() <= 800
        && !prefix.chars().any(char::is_control)
        && prefix.split('/').all(|part| part != "." && part != "..");
    (is_bucket && is_prefix).then_some((bucket, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_a_bucket_is_one() {
        assert_eq!(bucket_and_prefix("s3://a-bucket"), Some(("a-bucket", "")));
        assert_eq!(bucket_and_prefix("s3://a.bucket/a b/ü/"), Some(("a.bucket", "a b/ü")));
        for wrong in [
            "a-bucket/x",
            "s3://",
            "s3:///x",
            "s3://ab",
            "s3://A-bucket",
            "s3://user@host/x",
            "s3://-ab/x",
            "s3://abc/../x",
            "s3://abc/x\n",
        ] {
            assert_eq!(bucket_and_prefix(wrong), None, "{wrong}");
        }
    }
}
