//! Conversions between s3s's types and ours, for uploads and answers, and checks of requests.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use s3s::dto::*;
use s3s::{S3Request, S3Result, TrailingHeaders, s3_error};

use super::blobs::{WriteError, Written};
use super::checksums::{by_name, default_hasher, hasher, is_known};
use super::error::{disk, to_s3};
use super::index::{Cursor, Deleted, Headers, NULL_VERSION, Page, Record, Version, Versioning};
use super::storage::class;
use super::store::ObjectStore;
use crate::call::AwsError;

/// The greatest number of keys on a page, as on AWS.
pub(super) const PAGE: i32 = 1000;

/// Sets the checksum members that many of S3's shapes share.
macro_rules! set_checksums {
    ($to:expr, $sums:expr) => {{
        let sums = $sums;
        $to.checksum_crc32 = sums.get("crc32").cloned();
        $to.checksum_crc32c = sums.get("crc32c").cloned();
        $to.checksum_crc64nvme = sums.get("crc64nvme").cloned();
        $to.checksum_sha1 = sums.get("sha1").cloned();
        $to.checksum_sha256 = sums.get("sha256").cloned();
    }};
}

/// Reads an upload's checksums of its body, from members that PutObject and UploadPart share.
macro_rules! claims {
    ($input:expr, $trailers:expr) => {
        Claims {
            sums: [
                ("crc32", $input.checksum_crc32.clone()),
                ("crc32c", $input.checksum_crc32c.clone()),
                ("crc64nvme", $input.checksum_crc64nvme.clone()),
                ("sha1", $input.checksum_sha1.clone()),
                ("sha256", $input.checksum_sha256.clone()),
            ],
            md5: $input.content_md5.clone(),
            length: $input.content_length,
            trailers: $trailers,
        }
    };
}

/// Reads the headers from members that all uploads have.
macro_rules! headers {
    ($input:expr) => {
        Headers {
            content_type: Some($input.content_type.clone().unwrap_or_else(|| DEFAULT_TYPE.to_owned())),
            content_encoding: kept_encoding($input.content_encoding.as_deref()),
            content_disposition: $input.content_disposition.clone(),
            content_language: $input.content_language.clone(),
            cache_control: $input.cache_control.clone(),
            expires: $input.expires.as_ref().and_then(http_date),
            metadata: $input.metadata.clone().unwrap_or_default().into_iter().collect(),
            storage_class: kept_class($input.storage_class.as_ref())?,
            tags: header_tags($input.tagging.as_deref())?,
            website_redirect: redirect($input.website_redirect_location.as_deref())?,
        }
    };
}

/// Refuses members that aren't supported and so would have no effect.
macro_rules! refuse {
    ($input:expr, $($member:ident),+) => {
        $(if $input.$member.is_some() {
            return Err(s3_error!(NotImplemented, "The local cloud does not support {} here.", stringify!($member)));
        })+
    };
}

/// An upload's length and checksums of its body, as the client sent them.
pub(super) struct Claims {
    pub(super) sums: [(&'static str, Option<String>); 5],
    pub(super) md5: Option<String>,
    pub(super) length: Option<i64>,
    pub(super) trailers: Option<TrailingHeaders>,
}

impl ObjectStore {
    /// Stores a body, and compares it with the client's checksums.
    pub(super) async fn receive(
        &self,
        body: Option<StreamingBlob>,
        claims: Claims,
        announced: Announced,
        encrypted: bool,
    ) -> S3Result<Written> {
        let named: Vec<&str> =
            claims.sums.iter().filter(|(_, sum)| sum.is_some()).map(|(name, _)| *name).collect();
        let wanted = announced.trailers.iter().chain(&announced.algorithms).map(String::as_str);
        let names: Vec<&str> = named.into_iter().chain(wanted).collect();
        let hashes = if names.is_empty() { default_hasher() } else { hasher(names) };
        let written = match self.blobs.write(body, hashes, encrypted).await {
            Ok(written) => written,
            Err(WriteError::Disk(error)) => return Err(to_s3(disk(error))),
            Err(WriteError::Body(error)) => return Err(body_error(&error.to_string())),
        };
        match verify(&written, &claims, &announced.trailers) {
            Ok(()) => Ok(written),
            Err(error) => {
                self.blobs.remove(vec![written.file]).await;
                Err(error)
            }
        }
    }
}

/// Returns the error for a body that broke off, or whose hash or chunk signature is wrong.
pub(super) fn body_error(cause: &str) -> s3s::S3Error {
    let lower = cause.to_ascii_lowercase();
    if lower.contains("hash") || lower.contains("checksum") || lower.contains("digest") {
        to_s3(AwsError::new(
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ))
    } else if lower.contains("signature") {
        s3_error!(
            SignatureDoesNotMatch,
            "The request signature we calculated does not match the signature you provided."
        )
    } else {
        s3_error!(
            IncompleteBody,
            "You did not provide the number of bytes specified by the Content-Length HTTP header ({cause})"
        )
    }
}

fn verify(written: &Written, claims: &Claims, announced: &[String]) -> S3Result<()> {
    if let Some(length) = claims.length
        && u64::try_from(length).ok() != Some(written.size)
    {
        return Err(body_error(&format!("{length} announced, {} received", written.size)));
    }
    if let Some(md5) = &claims.md5 {
        let given = BASE64_STANDARD.decode(md5).unwrap_or_default();
        if given.len() != written.md5.len() {
            return Err(s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid."));
        }
        if given != written.md5 {
            return Err(s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received."
            ));
        }
    }
    let computed = by_name(written.checksums.clone());
    for (name, sum) in &claims.sums {
        let trailer = claims.trailers.as_ref().and_then(|trailers| {
            trailers.read(|headers| {
                headers.get(format!("x-amz-checksum-{name}"))?.to_str().ok().map(str::to_owned)
            })?
        });
        if trailer.is_none() && announced.iter().any(|announced| announced == name) {
            let message = "The request contained trailing data that was not well-formed or did not conform to our \
                           published schema.";
            return Err(to_s3(AwsError::new(400, "MalformedTrailerError", message)));
        }
        if let Some(claimed) = sum.clone().or(trailer)
            && let calculated = computed.get(*name)
            && calculated != Some(&claimed)
        {
            let bytes = |sum: &String| BASE64_STANDARD.decode(sum).ok().map(|bytes| bytes.len());
            if bytes(&claimed) != calculated.and_then(bytes) {
                return Err(s3_error!(InvalidRequest, "Value for x-amz-checksum-{name} header is invalid."));
            }
            let name = name.to_uppercase();
            return Err(s3_error!(
                BadDigest,
                "The {name} you specified did not match the calculated checksum."
            ));
        }
    }
    Ok(())
}

/// The checksums that an upload announces, in lower case.
#[derive(Default)]
pub(super) struct Announced {
    /// Those whose values will be in the trailers.
    pub(super) trailers: Vec<String>,
    /// Those that are computed for another reason: the SDK names it, or the upload's parts have it.
    pub(super) algorithms: Vec<String>,
}

/// Reads what an upload announces.
pub(super) fn announced<T>(request: &S3Request<T>) -> S3Result<Announced> {
    let listed = |header: &str| -> Vec<String> {
        let values = request.headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
    };
    let mut trailers = Vec::new();
    for name in listed("x-amz-trailer") {
        match name.strip_prefix("x-amz-checksum-") {
            Some(algorithm) if is_known(algorithm) => trailers.push(algorithm.to_owned()),
            _ => {
                return Err(s3_error!(
                    InvalidRequest,
                    "The value specified in the x-amz-trailer header is not supported"
                ));
            }
        }
    }
    Ok(Announced { trailers, algorithms: listed("x-amz-sdk-checksum-algorithm") })
}

/// Checks the number of a part.
pub(super) fn check_part_number(number: i32) -> S3Result<()> {
    if (1..=10_000).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"))
}

pub(super) fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
}

pub(super) fn strong(etag: &str) -> Option<ETag> {
    Some(ETag::Strong(etag.to_owned()))
}

pub(super) fn size(bytes: u64) -> Option<i64> {
    i64::try_from(bytes).ok()
}

/// Returns the version id for an answer. None: versioning was never on.
pub(super) fn shown_version(found: &Version, versioning: Versioning) -> Option<String> {
    (versioning != Versioning::Off || found.version != NULL_VERSION).then(|| found.version.clone())
}

/// Returns a key for a listing. It is percent-encoded if the client asked for that.
pub(super) fn encode(text: &str, encoding: Option<&EncodingType>) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
    match encoding {
        Some(_) => percent_encoding::utf8_percent_encode(text, KEPT).to_string(),
        None => text.to_owned(),
    }
}

/// Returns how many entries a page has at most. The number that is asked for was checked.
pub(super) fn page_size(asked: Option<i32>) -> i32 {
    asked.unwrap_or(PAGE).clamp(0, PAGE)
}

/// Returns the objects of a page, with their owner if the client asked for it.
pub(super) fn objects(
    page: &Page,
    encoding: Option<&EncodingType>,
    owner: Option<&Owner>,
) -> Option<ObjectList> {
    let list = page.versions.iter().map(|found| Object {
        key: Some(encode(&found.key, encoding)),
        size: size(found.record.size),
        e_tag: strong(&found.record.etag),
        last_modified: Some(timestamp(found.record.modified_ms)),
        storage_class: Some(class(&found.record).to_owned().into()),
        checksum_algorithm: algorithms(&found.record),
        owner: owner.cloned(),
        ..Object::default()
    });
    Some(list.collect())
}

pub(super) fn algorithms(record: &Record) -> Option<ChecksumAlgorithmList> {
    Some(record.checksums.keys().map(|name| ChecksumAlgorithm::from(name.to_uppercase())).collect())
}

pub(super) fn prefixes(page: &Page, encoding: Option<&EncodingType>) -> Option<CommonPrefixList> {
    Some(page.prefixes.iter().map(|p| CommonPrefix { prefix: Some(encode(p, encoding)) }).collect())
}

pub(super) fn bad_token() -> s3s::S3Error {
    s3_error!(InvalidArgument, "The continuation token provided is incorrect")
}

impl ObjectStore {
    pub(super) fn page(
        &self,
        bucket: &str,
        prefix: &Option<String>,
        delimiter: &Option<String>,
        after: Option<String>,
        max: i32,
    ) -> S3Result<Page> {
        let cursor = after.map(|key| Cursor { key, version: None });
        let delimiter = delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let prefix = prefix.as_deref().unwrap_or_default();
        let max = usize::try_from(max).unwrap_or_default();
        self.index.list(bucket, prefix, delimiter, cursor.as_ref(), max, false).map_err(to_s3)
    }
}

pub(super) fn token(key: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(key)
}

pub(super) fn read_token(token: &str) -> S3Result<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| bad_token())?;
    if bytes.is_empty() {
        return Err(bad_token());
    }
    String::from_utf8(bytes).map_err(|_| bad_token())
}

/// Returns a Content-Encoding without `aws-chunked`, which is of the request and not of the object.
pub(super) fn kept_encoding(encoding: Option<&str>) -> Option<String> {
    let kept: Vec<&str> =
        encoding?.split(',').map(str::trim).filter(|it| !it.eq_ignore_ascii_case("aws-chunked")).collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// Returns where an object's redirect leads.
pub(super) fn redirect(location: Option<&str>) -> S3Result<Option<String>> {
    let starts = ["/", "http://", "https://"];
    match location {
        Some(location) if !starts.iter().any(|start| location.starts_with(start)) => {
            let message =
                "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
            Err(to_s3(AwsError::new(400, "InvalidRedirectLocation", message)))
        }
        location => Ok(location.map(str::to_owned)),
    }
}

/// Returns a time as HTTP writes it.
pub(super) fn http_date(time: &Timestamp) -> Option<String> {
    let mut text = Vec::new();
    time.format(TimestampFormat::HttpDate, &mut text).ok()?;
    String::from_utf8(text).ok()
}

/// Returns the time of an `Expires` header.
pub(super) fn expires(headers: &Headers) -> Option<Timestamp> {
    Timestamp::parse(TimestampFormat::HttpDate, headers.expires.as_deref()?).ok()
}

/// Returns the error for a read of a delete marker by its version id.
pub(super) fn marker_error() -> s3s::S3Error {
    let error =
        AwsError::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
    to_s3(error.with("x-amz-delete-marker", "true").with("allow", "DELETE"))
}

pub(super) fn checksum_type(record: &Record) -> Option<ChecksumType> {
    let composite = record.checksums.values().any(|sum| sum.contains('-'));
    Some(ChecksumType::from_static(if composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    }))
}

pub(super) fn deleted_object(object: ObjectIdentifier, done: Deleted) -> DeletedObject {
    let made = object.version_id.is_none();
    DeletedObject {
        key: Some(object.key),
        delete_marker: done.marker.then_some(true),
        delete_marker_version_id: done.version.filter(|_| done.marker),
        version_id: object.version_id.filter(|_| !made),
    }
}

pub(super) use {claims, headers, refuse, set_checksums};
