//! The further elements of S3's errors, such as the key that isn't there. s3s writes the code and the message alone.

use http::request::Parts;

use super::sent::{Sent, UNSIGNED};

/// What an error is about, as far as the request doesn't say it.
#[derive(Default)]
pub(super) struct Facts<'a> {
    /// The object's size, in bytes, where the error is about its bytes.
    pub(super) size: Option<&'a str>,
    /// The object's storage class, where the error is about that.
    pub(super) class: Option<&'a str>,
    pub(super) is_marker: bool,
}

/// Returns an error's XML with the elements that AWS has there. It is returned as it is if it is no error's.
pub(super) fn detailed(xml: &str, request: &Parts, facts: &Facts, request_id: &str) -> String {
    let Some((start, end)) = xml.rsplit_once("</Error>") else { return xml.to_owned() };
    let code = text(xml, "Code");
    let mut elements = of_request(code, text(xml, "Message"), request);
    if facts.is_marker && code == "MethodNotAllowed" {
        elements.push(("Method", request.method.to_string()));
        elements.push(("ResourceType", "DeleteMarker".to_owned()));
    }
    elements.extend(facts.size.map(|size| ("ActualObjectSize", size.to_owned())));
    elements.extend(facts.class.map(|class| ("StorageClass", class.to_owned())));
    if let Some(message) = standard_message(code).filter(|_| lacks_message(xml)) {
        elements.push(("Message", message.to_owned()));
    }
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
        "NoSuchKey" => match sent.header("x-amz-copy-source") {
            Some(source) => vec![("Key", copied_key(&decoded(source)))],
            None => vec![("Key", decoded(key))],
        },
        "NoSuchVersion" => vec![("Key", decoded(key)), ("VersionId", query("versionId"))],
        "NoSuchUpload" => vec![("UploadId", query("uploadId"))],
        "InvalidPartNumber" => vec![("PartNumberRequested", query("partNumber"))],
        "InvalidArgument" if message.starts_with("Part number must be") => {
            vec![("ArgumentName", "partNumber".to_owned()), ("ArgumentValue", query("partNumber"))]
        }
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

/// Returns the key of a copy's source, `/BUCKET/KEY?versionId=VERSION` or without the first slash and the version.
fn copied_key(source: &str) -> String {
    let source = source.strip_prefix('/').unwrap_or(source);
    let key = source.split_once('/').map_or(source, |(_, key)| key);
    key.rsplit_once("?versionId=").map_or(key, |(key, _)| key).to_owned()
}

/// Whether s3s has written no message of its own.
fn lacks_message(xml: &str) -> bool {
    !xml.contains("<Message>")
}

/// Returns AWS's message of an error that s3s gives without one.
fn standard_message(code: &str) -> Option<&'static str> {
    Some(match code {
        "InvalidBucketName" => "The specified bucket is not valid.",
        "KeyTooLongError" => "Your key is too long",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your key and signing \
             method."
        }
        _ => return None,
    })
}

/// Returns the condition that failed. One by ETag counts more than one by time.
fn condition(sent: &Sent<'_>) -> Option<&'static str> {
    let names = [
        "If-Match",
        "If-None-Match",
        "If-Unmodified-Since",
        "x-amz-copy-source-If-Match",
        "x-amz-copy-source-If-None-Match",
        "x-amz-copy-source-If-Unmodified-Since",
        "x-amz-copy-source-If-Modified-Since",
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
