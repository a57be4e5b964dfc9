//! The zips of functions, for clients that have got their location from GetFunction.
//!
//! As on AWS, a location is at a host of S3's, which clients reach by the cloud's proxy. It needs no signature of the
//! client's, since it has one already, and it is good for ten minutes. AWS signs it for S3. Here it has a random number, which
//! only the server that gave it knows.

use std::sync::Mutex;

use axum::body::Body;
use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use super::code;
use super::record::Version;
use crate::cloud::Cloud;
use crate::support::clock::now_ms;
use crate::support::id;
use crate::support::lock::locked;

/// How long a location is good, in seconds.
const LASTS: i64 = 600;

/// The locations that are good now.
#[derive(Debug, Default)]
pub struct Downloads(Mutex<Vec<Location>>);

#[derive(Debug)]
struct Location {
    /// The random number.
    signature: String,
    /// The folder of the code.
    folder: String,
    until_ms: i64,
}

/// Returns whether a request is for a location, by its host: `awslambda-REGION-tasks.s3.REGION.amazonaws.com`.
pub fn is_location(request: &Parts) -> bool {
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let mut parts = host.split('.');
    let bucket = parts.next().and_then(|first| first.strip_prefix("awslambda-")?.strip_suffix("-tasks"));
    bucket.is_some() && parts.next() == Some("s3") && host.contains(".amazonaws.com")
}

impl Downloads {
    /// Returns a location of a version's zip. None: an older opsml made the version, and has kept no zip.
    pub fn location(&self, cloud: &Cloud, function: &str, version: &Version) -> Option<String> {
        let folder = &version.code.folder;
        if !code::zip_of(&code::folder(cloud, folder)).is_file() {
            return None;
        }
        let signature = self.offer(folder, now_ms());
        let (region, account) = (&cloud.region, &cloud.account);
        let host = format!("awslambda-{region}-tasks.s3.{region}.amazonaws.com");
        Some(format!(
            "https://{host}/snapshots/{account}/{function}-{folder}?X-Amz-Expires={LASTS}&X-Amz-Signature={signature}"
        ))
    }

    fn offer(&self, folder: &str, now_ms: i64) -> String {
        let signature = id::hex::<32>();
        let mut good = locked(&self.0);
        good.retain(|location| location.until_ms > now_ms);
        let until_ms = now_ms + LASTS * 1000;
        good.push(Location { signature: signature.clone(), folder: folder.to_owned(), until_ms });
        signature
    }

    fn folder(&self, query: &str, now_ms: i64) -> Option<String> {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let (_, signature) = pairs.find(|(name, _)| name == "X-Amz-Signature")?;
        let good = locked(&self.0);
        let found = good.iter().find(|each| each.signature == signature && each.until_ms > now_ms);
        found.map(|location| location.folder.clone())
    }

    /// Answers a request for a location.
    pub async fn answer(&self, cloud: &Cloud, request: &Parts) -> Response<Body> {
        if ![Method::GET, Method::HEAD].contains(&request.method) {
            return refused(
                405,
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
            );
        }
        let Some(folder) = self.folder(request.uri.query().unwrap_or_default(), now_ms()) else {
            return refused(403, "AccessDenied", "Request has expired");
        };
        match tokio::fs::read(code::zip_of(&code::folder(cloud, &folder))).await {
            Ok(zip) => {
                let mut response = Response::new(Body::from(zip));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
                response
            }
            Err(_) => refused(404, "NoSuchKey", "The specified key does not exist."),
        }
    }
}

/// Returns an error as S3 writes it.
fn refused(status: u16, code: &str, message: &str) -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_good_for_ten_minutes() {
        let downloads = Downloads::default();
        let query = format!("X-Amz-Expires=600&X-Amz-Signature={}", downloads.offer("f", 0));
        assert_eq!(downloads.folder(&query, 599_999).as_deref(), Some("f"));
        assert_eq!(downloads.folder(&query, 600_000), None);
        assert_eq!(downloads.folder("X-Amz-Signature=0", 0), None);
        downloads.offer("g", 700_000);
        assert_eq!(downloads.0.lock().unwrap().len(), 1);
    }
}
