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

/// The ACLs that a bucket without ACLs accepts, since they say what is so anyway.
const HARMLESS: [&str; 2] = ["private", "bucket-owner-full-control"];

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

    /// Refuses headers that S3 understands and the local cloud doesn't: buckets of another namespace, ranges for which S3
    /// returns the whole object, and ETags with one quotation mark or with spaces.
    pub(super) fn check_understood(&self) -> Result<(), AwsError> {
        let namespace = self.header("x-amz-bucket-namespace").is_none_or(|name| name == "global");
        let range = self.header("range").is_none_or(|range| Range::parse(range).is_ok());
        let is_odd = |tag: &str| tag.matches('"').count() == 1 || tag.contains(' ');
        let etag = |name| !self.header(name).is_some_and(is_odd);
        for (name, understood) in [
            ("x-amz-bucket-namespace", namespace),
            ("range", range),
            ("if-match", etag("if-match")),
            ("if-none-match", etag("if-none-match")),
            ("x-amz-copy-source-if-match", etag("x-amz-copy-source-if-match")),
            ("x-amz-copy-source-if-none-match", etag("x-amz-copy-source-if-none-match")),
        ] {
            if !understood {
                let value = self.header(name).unwrap_or_default();
                let message = format!("The local cloud does not support the header {name}: {value}");
                return Err(AwsError::new(501, "NotImplemented", message));
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
