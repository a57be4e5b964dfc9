//! Events: reads an image, or the URL of one, from each form that an event may have.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use opsml_contract::{image_type, worded};
use serde_json::{Map, Value, json};

const EXPECTED: &str = r#"an event is {"url": "https://…"}, {"image": "BASE64"}, or API Gateway's {"body": "…", "isBase64Encoded": true} around an image or one of these two"#;

/// The body that is sent to the endpoint, and its type.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

/// Reads an event. A URL is passed to the endpoint, which fetches it if it is allowed to.
///
/// # Errors
/// A message that says what is wrong with the event, and what was expected.
pub fn read(event: &str) -> Result<Request, String> {
    let event = object(event)?;
    match (event.get("body"), event.get("isBase64Encoded")) {
        (None, _) => url_or_image(&event),
        (Some(Value::String(body)), Some(Value::Bool(true))) => {
            let body = decode("body", body)?;
            match (image_type(&body), std::str::from_utf8(&body)) {
                (Some(content_type), _) => Ok(Request { content_type, body }),
                (None, Ok(text)) => url_or_image(&object(text)?),
                (None, Err(_)) => Err(format!(r#""body" is neither an image nor JSON: {EXPECTED}"#)),
            }
        }
        (Some(Value::String(body)), _) => url_or_image(&object(body)?),
        (Some(_), _) => Err(format!(r#""body" isn't text: {EXPECTED}"#)),
    }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(format!("that isn't an object: {EXPECTED}")),
        Err(error) => Err(format!("that isn't JSON ({}): {EXPECTED}", worded(&error))),
    }
}

fn url_or_image(event: &Map<String, Value>) -> Result<Request, String> {
    match (event.get("url"), event.get("image")) {
        (Some(Value::String(url)), None) => {
            Ok(Request { content_type: "application/json", body: json!({ "url": url }).to_string().into() })
        }
        (None, Some(Value::String(image))) => {
            let body = decode("image", image)?;
            let content_type = image_type(&body)
                .ok_or_else(|| format!(r#""image" is no image that can be read: {EXPECTED}"#))?;
            Ok(Request { content_type, body })
        }
        (None, None) => Err(format!(r#"there is neither "url" nor "image": {EXPECTED}"#)),
        (Some(_), Some(_)) => Err(format!(r#"there are both "url" and "image": {EXPECTED}"#)),
        (Some(_), None) => Err(format!(r#""url" isn't text: {EXPECTED}"#)),
        (None, Some(_)) => Err(format!(r#""image" isn't text: {EXPECTED}"#)),
    }
}

fn decode(key: &str, text: &str) -> Result<Vec<u8>, String> {
    BASE64.decode(text).map_err(|error| format!(r#""{key}" isn't base64 ({error}): {EXPECTED}"#))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n...";
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0...";

    fn base64(bytes: &[u8]) -> String {
        BASE64.encode(bytes)
    }

    fn read_json(event: Value) -> Result<Request, String> {
        read(&event.to_string())
    }

    #[test]
    fn a_url_is_passed_to_the_endpoint() {
        let wanted = Request { content_type: "application/json", body: br#"{"url":"http://a/\""}"#.to_vec() };
        let event = json!({"url": "http://a/\""});
        assert_eq!(read_json(event.clone()).unwrap(), wanted);
        // As API Gateway sends it: with and without base64, and among its other keys.
        let proxied = json!({"body": event.to_string(), "isBase64Encoded": false, "headers": {}});
        assert_eq!(read_json(proxied).unwrap(), wanted);
        let proxied = json!({"body": base64(event.to_string().as_bytes()), "isBase64Encoded": true});
        assert_eq!(read_json(proxied).unwrap(), wanted);
    }

    #[test]
    fn an_image_is_sent_with_its_type() {
        for (bytes, content_type) in [(PNG, "image/png"), (JPEG, "image/jpeg")] {
            let wanted = Request { content_type, body: bytes.to_vec() };
            assert_eq!(read_json(json!({"image": base64(bytes)})).unwrap(), wanted);
            let proxied = json!({"body": base64(bytes), "isBase64Encoded": true});
            assert_eq!(read_json(proxied).unwrap(), wanted);
            let inside = json!({"body": json!({"image": base64(bytes)}).to_string()});
            assert_eq!(read_json(inside).unwrap(), wanted);
        }
    }

    #[test]
    fn the_error_for_any_other_event_says_what_is_expected() {
        let deep = "[".repeat(100_000);
        let proxied = |body: &[u8]| json!({"body": base64(body), "isBase64Encoded": true}).to_string();
        for (event, why) in [
            ("".to_owned(), "isn't JSON"),
            (deep.clone(), "isn't JSON"),
            ("null".into(), "isn't an object"),
            (r#"["http://a"]"#.into(), "isn't an object"),
            ("{}".into(), r#"neither "url" nor "image""#),
            (r#"{"url": 3}"#.into(), r#""url" isn't text"#),
            (r#"{"url": null}"#.into(), r#""url" isn't text"#),
            (r#"{"image": {}}"#.into(), r#""image" isn't text"#),
            (r#"{"url": "http://a", "image": ""}"#.into(), "both"),
            (r#"{"image": ""}"#.into(), "no image that can be read"),
            (r#"{"image": "\u0000é"}"#.into(), "isn't base64"),
            (json!({"image": base64(b"%PDF-1.7")}).to_string(), "no image that can be read"),
            (r#"{"body": 3}"#.into(), r#""body" isn't text"#),
            (r#"{"body": null, "isBase64Encoded": true}"#.into(), r#""body" isn't text"#),
            (r#"{"body": "%", "isBase64Encoded": true}"#.into(), "isn't base64"),
            (json!({ "body": deep }).to_string(), "isn't JSON"),
            (proxied(b"\xff\xfe"), "neither an image nor JSON"),
            (proxied(b"{"), "isn't JSON"),
            // Only one wrapper is removed.
            (json!({"body": r#"{"body": "{\"url\": \"http://a\"}"}"#}).to_string(), "neither"),
        ] {
            let error = read(&event).unwrap_err();
            assert!(error.contains(why) && error.contains(EXPECTED), "{error}");
            assert!(error.len() < 400, "{error}");
        }
    }
}
