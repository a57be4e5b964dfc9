//! What a request's XML asks for and s3s doesn't know. It would drop it, so such a request is refused before s3s reads it.

use http::Method;
use http::request::Parts;

/// The greatest body, in bytes, that may hold such XML. S3 allows no greater XML.
pub const LIMIT: u64 = 2 << 20;

const CHECKSUMS: &[&str] =
    &["ChecksumMD5", "ChecksumSHA512", "ChecksumXXHASH128", "ChecksumXXHASH3", "ChecksumXXHASH64"];

/// Returns the elements that s3s doesn't know of the XML that a request has. Empty: it has none of them.
pub fn elements(request: &Parts) -> &'static [&'static str] {
    let path = request.uri.path().trim_matches('/');
    let query: Vec<&str> = request.uri.query().unwrap_or_default().split('&').collect();
    let has = |name: &str| query.iter().any(|part| part.split('=').next() == Some(name));
    match (&request.method, path.contains('/')) {
        (&Method::PUT, false) if has("encryption") => &["BlockedEncryptionTypes"],
        (&Method::PUT, false) if query == [""] || has("x-id") => &["Tags"],
        (&Method::POST, true) if has("uploadId") => CHECKSUMS,
        _ => &[],
    }
}

/// Returns the first of these elements that a body has.
pub fn found(body: &[u8], elements: &[&'static str]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(body);
    let has = |name: &str| {
        text.split('<').any(|tag| {
            let rest = tag.strip_prefix(name);
            rest.is_some_and(|rest| {
                rest.starts_with(|c: char| c == '>' || c == '/' || c.is_ascii_whitespace())
            })
        })
    };
    elements.iter().find(|name| has(name)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_found_by_its_whole_name() {
        for (body, expected) in [
            ("<A><Tags><Tag/></Tags></A>", Some("Tags")),
            ("<A><Tags /></A>", Some("Tags")),
            ("<A><TagSet/></A>", None),
            ("<A>Tags</A>", None),
            ("", None),
        ] {
            assert_eq!(found(body.as_bytes(), &["Other", "Tags"]), expected, "{body}");
        }
    }

    #[test]
    fn requests_with_other_bodies_are_left_alone() {
        for (method, uri, empty) in [
            ("PUT", "/bucket", false),
            ("PUT", "/bucket/", false),
            ("PUT", "/bucket?encryption", false),
            ("PUT", "/bucket?tagging", true),
            ("PUT", "/bucket/key", true),
            ("POST", "/bucket/key?uploadId=1", false),
            ("POST", "/bucket/key?uploads", true),
            ("POST", "/bucket?delete", true),
        ] {
            let request = http::Request::builder().method(method).uri(uri).body(()).unwrap();
            assert_eq!(elements(&request.into_parts().0).is_empty(), empty, "{method} {uri}");
        }
    }
}
