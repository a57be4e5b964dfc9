//! The further elements of S3's errors, such as the key that isn't there. s3s writes the code and the message alone.

use http::request::Parts;

use super::sent::{Sent, UNSIGNED};

/// Returns an error's XML with the elements that AWS has there. It is returned as it is if it is no error's.
pub(super) fn detailed(xml: &str, request: &Parts, request_id: &str) -> String {
    let Some((start, end)) = xml.rsplit_once("</Error>") else { return xml.to_owned() };
    let mut elements = of_request(text(xml, "Code"), text(xml, "Message"), request);
    elements.push(("RequestId", request_id.to_owned()));
    elements.push(("HostId", request_id.to_owned()));
    let written = elements.iter().filter(|(_, value)| is_xml(value));
    let written = written.map(|(name, value)| format!("<{name}>{}</{name}>", escaped(value)));
    format!("{start}{}</Error>{end}", written.collect::<String>())
}

/// Returns the elements that follow from the request, by the error's code.
fn of_request(code: &str, message: &str, request: &Parts) -> Vec<(&'static str, String)> {
    let sent = Sent::new(&request.headers, request.uri.query());
    let path = request.uri.path().strip_prefix('/').unwrap_or_default();
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let query = |name: &str| sent.query(name).unwrap_or_default().to_owned();
    match code {
        "NoSuchKey" => vec![("Key", decoded(key))],
        "NoSuchVersion" => vec![("Key", decoded(key)), ("VersionId", query("versionId"))],
        "NoSuchUpload" => vec![("UploadId", query("uploadId"))],
        "InvalidPartNumber" => vec![("PartNumberRequested", query("partNumber"))],
        "InvalidRange" => vec![("RangeRequested", sent.header("range").unwrap_or_default().to_owned())],
        "PreconditionFailed" => {
            condition(&sent).map(|name| ("Condition", name.to_owned())).into_iter().collect()
        }
        "AccessDenied" if message == UNSIGNED => vec![("HeadersNotSigned", sent.unsigned().join(", "))],
        "BucketAlreadyOwnedByYou"
        | "BucketNotEmpty"
        | "InvalidBucketName"
        | "NoSuchBucket"
        | "NoSuchBucketPolicy"
        | "NoSuchCORSConfiguration"
        | "NoSuchLifecycleConfiguration"
        | "NoSuchPublicAccessBlockConfiguration"
        | "NoSuchTagSet"
        | "NoSuchWebsiteConfiguration"
        | "ObjectLockConfigurationNotFoundError"
        | "ReplicationConfigurationNotFoundError" => vec![("BucketName", decoded(bucket))],
        _ => Vec::new(),
    }
}

/// Returns the condition that failed. One by ETag counts more than one by time.
fn condition(sent: &Sent<'_>) -> Option<&'static str> {
    let names = [
        "If-Match",
        "If-None-Match",
        "If-Unmodified-Since",
        "x-amz-copy-source-if-match",
        "x-amz-copy-source-if-none-match",
        "x-amz-copy-source-if-unmodified-since",
        "x-amz-copy-source-if-modified-since",
    ];
    names.into_iter().find(|name| sent.header(name).is_some())
}

fn text<'a>(xml: &'a str, element: &str) -> &'a str {
    let inside = || xml.split_once(&format!("<{element}>"))?.1.split_once(&format!("</{element}>"));
    inside().map_or("", |(text, _)| text)
}

/// Returns whether XML 1.0 can carry a text, which it can't with control characters.
fn is_xml(text: &str) -> bool {
    text.chars().all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}
