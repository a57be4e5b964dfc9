//! The answer of a function's URL, from the value that the function returned.
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-response-payload>

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Returns the answer for a function's value, in JSON. An object with a `statusCode` says status, headers, cookies and
/// body; any other value is the body itself. None: the object doesn't say it as it must.
pub fn answer(value: &[u8]) -> Option<Response<Body>> {
    match serde_json::from_slice(value).ok()? {
        Value::Object(said) if said.contains_key("statusCode") => said_by(&said),
        Value::String(text) => Some(plain(text.into_bytes())),
        _ => Some(plain(value.to_vec())),
    }
}

/// Returns the answer if a function has failed.
pub fn failed() -> Response<Body> {
    let mut response = plain(b"Internal Server Error".to_vec());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

fn plain(body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn said_by(said: &Map<String, Value>) -> Option<Response<Body>> {
    let member = |name: &str| said.get(name).unwrap_or(&Value::Null);
    let status = match member("statusCode") {
        Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    let body = text(member("body"))?;
    let body = match member("isBase64Encoded") {
        Value::Bool(true) => STANDARD.decode(body).ok()?,
        _ => body.into_bytes(),
    };
    let mut response = plain(body);
    *response.status_mut() = StatusCode::from_u16(status).ok().filter(|status| !status.is_informational())?;
    let headers = match member("headers") {
        Value::Null => &Map::new(),
        Value::Object(headers) => headers,
        _ => return None,
    };
    for (name, value) in headers {
        let name = HeaderName::try_from(name).ok()?;
        // The server says how long the answer is.
        if name != CONTENT_LENGTH && name != TRANSFER_ENCODING {
            response.headers_mut().insert(name, HeaderValue::try_from(text(value)?).ok()?);
        }
    }
    for cookie in member("cookies").as_array().into_iter().flatten() {
        response.headers_mut().append(SET_COOKIE, HeaderValue::from_str(cookie.as_str()?).ok()?);
    }
    Some(response)
}

/// Returns a member as text: what isn't text is its JSON, and what isn't there is empty.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        other => serde_json::to_string(other).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the status, the type, the cookies and the body of an answer.
    fn read(value: &str) -> Option<(u16, String, Vec<String>, Vec<u8>)> {
        let (parts, body) = answer(value.as_bytes())?.into_parts();
        let body = futures::executor::block_on(axum::body::to_bytes(body, 1 << 20)).unwrap();
        let cookies = parts.headers.get_all(SET_COOKIE).iter();
        let cookies = cookies.map(|cookie| cookie.to_str().unwrap().to_owned()).collect();
        Some((
            parts.status.as_u16(),
            parts.headers[CONTENT_TYPE].to_str().unwrap().to_owned(),
            cookies,
            body.to_vec(),
        ))
    }

    #[test]
    fn a_value_is_the_body_or_says_it() {
        let json = "application/json";
        for (value, status, r#type, body) in [
            (r#"{"a": [1]}"#, 200, json, &br#"{"a": [1]}"#[..]),
            (r#""text""#, 200, json, b"text"),
            ("3.5", 200, json, b"3.5"),
            ("null", 200, json, b"null"),
            (r#"{"statusCode": 404}"#, 404, json, b""),
            (r#"{"statusCode": "201", "body": {"a": 1}}"#, 201, json, br#"{"a":1}"#),
            (
                r#"{"statusCode": 200, "headers": {"Content-Type": "image/gif", "X": 1}, "body": "/w==", "isBase64Encoded": true}"#,
                200,
                "image/gif",
                b"\xff",
            ),
        ] {
            assert_eq!(read(value), Some((status, r#type.to_owned(), vec![], body.to_vec())), "{value}");
        }
        let cookies =
            read(r#"{"statusCode": 200, "cookies": ["a=1; Secure", "b=2"], "body": ""}"#).unwrap().2;
        assert_eq!(cookies, ["a=1; Secure", "b=2"]);
        for wrong in [
            "",
            r#"{"statusCode": null}"#,
            r#"{"statusCode": 99}"#,
            r#"{"statusCode": 200, "headers": "x"}"#,
            r#"{"statusCode": 200, "headers": {"a b": "x"}}"#,
            r#"{"statusCode": 200, "body": "?", "isBase64Encoded": true}"#,
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
