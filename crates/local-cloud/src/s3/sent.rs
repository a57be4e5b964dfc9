//! What the headers and the query of a request say beside its operation's input: the condition keys that S3 sets from
//! them, and the checks that S3 makes whatever the operation is.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>

use hyper::HeaderMap;
use jiff::Timestamp;
use jiff::fmt::strtime;
use s3s::dto::Range;

use crate::call::AwsError;
use crate::policy::Context;

/// The headers whose values are condition keys of the same names.
const KEYS: [&str; 15] = [
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

/// The headers that S3 understands and the local cloud doesn't, whatever the operation is.
const LACKING: [&str; 21] = [
    "x-amz-bypass-governance-retention",
    "x-amz-checksum-md5",
    "x-amz-checksum-sha512",
    "x-amz-checksum-xxhash128",
    "x-amz-checksum-xxhash3",
    "x-amz-checksum-xxhash64",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key-md5",
    "x-amz-if-match-initiated-time",
    "x-amz-if-match-last-modified-time",
    "x-amz-if-match-size",
    "x-amz-mfa",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-server-side-encryption-context",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
    "x-amz-write-offset-bytes",
];

/// The algorithms of checksums.
const ALGORITHMS: [&str; 5] = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"];
/// Those that S3 has and the local cloud doesn't.
const NEWER: [&str; 5] = ["MD5", "SHA512", "XXHASH128", "XXHASH3", "XXHASH64"];

/// The ACLs that a bucket without ACLs accepts, since they say what is so anyway.
const HARMLESS: [&str; 2] = ["private", "bucket-owner-full-control"];

/// The numbers in the query of operations that list, and what S3's messages call them.
const NUMBERS: [(&str, &str); 4] = [
    ("max-keys", "maxKeys"),
    ("max-parts", "max-parts"),
    ("max-uploads", "max-uploads"),
    ("part-number-marker", "part-number-marker"),
];

/// The headers that needn't be signed: the body's hash is part of what is signed anyway, and SDKs leave out what they
/// call themselves.
const NEVER_SIGNED: [&str; 2] = ["x-amz-content-sha256", "x-amz-user-agent"];

/// The headers and the decoded query of a request.
pub(super) struct Sent<'a> {
    headers: &'a HeaderMap,
    query: Vec<(String, String)>,
}

impl<'a> Sent<'a> {
    pub(super) fn new(headers: &'a HeaderMap, query: Option<&str>) -> Self {
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
        Self { headers, query }
    }

    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns a parameter of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns how the request is signed, in S3's words: where the signature is, and of which version it is.
    fn signature(&self) -> (&'static str, &'static str) {
        const V4: &str = "AWS4-HMAC-SHA256";
        match self.header("authorization") {
            Some(header) if header.starts_with(V4) => ("REST-HEADER", V4),
            Some(_) => ("REST-HEADER", "AWS"),
            None if self.query("X-Amz-Signature").is_some() => ("REST-QUERY-STRING", V4),
            None if self.query("Signature").is_some() => ("REST-QUERY-STRING", "AWS"),
            None => ("POST", V4),
        }
    }

    /// Returns the condition keys of the request.
    pub(super) fn context(&self, operation: &str, signed: bool) -> Context {
        let mut context = Context::new();
        if signed {
            let (place, version) = self.signature();
            context = context.with("s3:authType", place).with("s3:signatureversion", version);
        }
        if let Some(age) = self.query("X-Amz-Date").and_then(age_ms) {
            context = context.with("s3:signatureAge", age.to_string());
        }
        for name in KEYS {
            if let Some(value) = self.header(name) {
                let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
                context = context.with(&format!("s3:{name}"), value);
            }
        }
        for name in ["if-match", "if-none-match"] {
            if let Some(value) =
                self.header(name).filter(|_| operation.contains("Upload") || operation == "PutObject")
            {
                context = context.with(&format!("s3:{name}"), value);
            }
        }
        if operation.starts_with("ListObject") {
            for name in ["prefix", "delimiter", "max-keys"] {
                if let Some(value) = self.query(name) {
                    context = context.with(&format!("s3:{name}"), value);
                }
            }
        }
        if let Some(version) = self.query("versionId") {
            context = context.with("s3:VersionId", version);
        }
        if let Some(tags) = self.header("x-amz-tagging") {
            let tags: Vec<(String, String)> = form_urlencoded::parse(tags.as_bytes()).into_owned().collect();
            for (key, value) in &tags {
                context = context.with(&format!("s3:RequestObjectTag/{key}"), &**value);
            }
            context = context.with_list("s3:RequestObjectTagKeys", tags.into_iter().map(|(key, _)| key));
        }
        context
    }

    /// Returns the `x-amz-` headers that the signature doesn't cover. What they say isn't known to be from the signer.
    pub(super) fn unsigned(&self) -> Vec<&'a str> {
        let header = self.header("authorization").and_then(|header| header.split_once("SignedHeaders="));
        let header = header.map(|(_, rest)| rest.split(',').next().unwrap_or_default());
        let Some(signed) = header.or_else(|| self.query("X-Amz-SignedHeaders")) else { return Vec::new() };
        let signed: Vec<&str> = signed.trim().split(';').collect();
        let covered = |name: &str| signed.contains(&name) || NEVER_SIGNED.contains(&name);
        let names = self.headers.keys().map(http::HeaderName::as_str);
        names.filter(|name| name.starts_with("x-amz-") && !covered(name)).collect()
    }

    /// Checks that all headers that mean something are signed.
    pub(super) fn check_signed(&self) -> Result<(), AwsError> {
        match self.unsigned().is_empty() {
            true => Ok(()),
            false => Err(AwsError::new(403, "AccessDenied", UNSIGNED)),
        }
    }

    /// Checks that the buckets belong to the accounts that the client expects.
    pub(super) fn check_owner(&self, account: &str) -> Result<(), AwsError> {
        let names = ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"];
        match names.iter().filter_map(|name| self.header(name)).all(|expected| expected == account) {
            true => Ok(()),
            false => Err(AwsError::new(403, "AccessDenied", "Access Denied")),
        }
    }

    /// Checks that the request sets no ACL, since every bucket has ACLs disabled.
    pub(super) fn check_acl(&self, operation: &str) -> Result<(), AwsError> {
        let grants = self.headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
        if grants && self.header("x-amz-acl").is_some() {
            let message = "Specifying both Canned ACLs and Header Grants is not allowed";
            return Err(AwsError::new(400, "InvalidRequest", message));
        }
        let canned = self.header("x-amz-acl").is_some_and(|acl| !HARMLESS.contains(&acl));
        if !canned && !grants {
            return Ok(());
        }
        let (code, message) = match operation {
            "CreateBucket" => (
                "InvalidBucketAclWithObjectOwnership",
                "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
            ),
            _ => ("AccessControlListNotSupported", "The bucket does not allow ACLs"),
        };
        Err(AwsError::new(400, code, message))
    }

    /// Refuses what S3 understands and the local cloud doesn't: some headers, buckets of another namespace or with Object
    /// Lock, ranges for which S3 returns the whole object, ETags with one quotation mark or with spaces, and other headers
    /// for the answer to HeadObject.
    pub(super) fn check_understood(&self, operation: &str) -> Result<(), AwsError> {
        let refuse = |what: String| {
            Err(AwsError::new(501, "NotImplemented", format!("The local cloud does not support {what}")))
        };
        if let Some(name) = LACKING.iter().find(|name| self.headers.contains_key(**name)) {
            return refuse(format!("the header {name}"));
        }
        for name in ["x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm"] {
            let Some(algorithm) = self.header(name).filter(|name| !ALGORITHMS.contains(name)) else {
                continue;
            };
            if NEWER.contains(&algorithm) {
                return refuse(format!("the checksum algorithm {algorithm}"));
            }
            let message = format!(
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{}]",
                ALGORITHMS.join(", ")
            );
            return Err(AwsError::new(400, "InvalidRequest", message));
        }
        let overrides = self.query.iter().find(|(name, _)| name.starts_with("response-"));
        if let Some((name, _)) = overrides.filter(|_| operation == "HeadObject") {
            return refuse(format!("{name} in HeadObject"));
        }
        let lock = self.header("x-amz-bucket-object-lock-enabled");
        let namespace = self.header("x-amz-bucket-namespace").is_none_or(|name| name == "global");
        let range = self.header("range").is_none_or(|range| Range::parse(range).is_ok());
        let is_odd = |tag: &str| tag.matches('"').count() == 1 || tag.contains(' ');
        let etag = |name| !self.header(name).is_some_and(is_odd);
        for (name, understood) in [
            ("x-amz-bucket-namespace", namespace),
            ("x-amz-bucket-object-lock-enabled", lock.is_none_or(|lock| lock.eq_ignore_ascii_case("false"))),
            ("range", range),
            ("if-match", etag("if-match")),
            ("if-none-match", etag("if-none-match")),
            ("x-amz-copy-source-if-match", etag("x-amz-copy-source-if-match")),
            ("x-amz-copy-source-if-none-match", etag("x-amz-copy-source-if-none-match")),
        ] {
            if !understood {
                let value = self.header(name).unwrap_or_default();
                return refuse(format!("the header {name}: {value}"));
            }
        }
        Ok(())
    }

    /// Checks the numbers in the query of an operation that lists.
    pub(super) fn check_numbers(&self) -> Result<(), AwsError> {
        let invalid = |message: String| Err(AwsError::new(400, "InvalidArgument", message));
        for (name, named) in NUMBERS {
            match self.query(name).map(str::parse::<i32>) {
                None | Some(Ok(0..)) => {}
                Some(Ok(_)) => {
                    return invalid(format!("Argument {named} must be an integer between 0 and 2147483647"));
                }
                Some(Err(_)) => {
                    return invalid(format!("Provided {name} not an integer or within integer range"));
                }
            }
        }
        Ok(())
    }

    /// Checks that an upload says how long its body is.
    pub(super) fn check_length(&self, operation: &str) -> Result<(), AwsError> {
        let names = ["content-length", "x-amz-decoded-content-length"];
        let uploads = ["PutObject", "UploadPart"].contains(&operation);
        if uploads && names.iter().all(|name| self.header(name).is_none()) {
            let message = "You must provide the Content-Length HTTP header.";
            return Err(AwsError::new(411, "MissingContentLength", message));
        }
        Ok(())
    }
}

/// The message of the error for headers that aren't signed.
pub(super) const UNSIGNED: &str = "There were headers present in the request which were not signed";

/// Returns how many milliseconds ago a presigned URL was signed.
fn age_ms(date: &str) -> Option<i64> {
    let signed = strtime::parse("%Y%m%dT%H%M%SZ", date).ok()?.to_datetime().ok()?;
    let signed = signed.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some((Timestamp::now().as_millisecond() - signed.as_millisecond()).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn unsigned_headers_are_found_wherever_the_signature_is() {
        let sent =
            headers(&[("x-amz-acl", "private"), ("content-type", "text/plain"), ("x-amz-date", "now")]);
        let unsigned = |query| Sent::new(&sent, query).unsigned();
        assert_eq!(unsigned(Some("X-Amz-SignedHeaders=host%3Bx-amz-date")), ["x-amz-acl"]);
        assert!(unsigned(Some("X-Amz-SignedHeaders=host;x-amz-acl;x-amz-date")).is_empty());
        assert!(unsigned(None).is_empty());
        let signed = "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host;x-amz-date, Signature=b";
        let sent = headers(&[("authorization", signed), ("x-amz-meta-a", "b"), ("x-amz-date", "now")]);
        assert_eq!(Sent::new(&sent, None).unsigned(), ["x-amz-meta-a"]);
    }

    #[test]
    fn a_parameter_without_a_value_is_a_key_with_an_empty_one() {
        let none = HeaderMap::new();
        let context = |query| Sent::new(&none, query).context("ListObjectsV2", true);
        assert_eq!(context(Some("list-type=2&prefix=")).single("s3:prefix"), Some(""));
        assert!(!context(Some("list-type=2")).has("s3:prefix"));
        assert_eq!(context(Some("max-keys=5&delimiter=%2F")).single("s3:delimiter"), Some("/"));
    }
}
