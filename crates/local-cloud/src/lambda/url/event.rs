//! The event of a request to a function's URL: payload format 2.0, as API Gateway's HTTP APIs have it.
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, TRANSFER_ENCODING, USER_AGENT};
use http::request::Parts;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::door::Signer;

/// Where every client of the cloud is.
const CLIENT: &str = "127.0.0.1";

/// A request to a function's URL.
pub struct Received<'a> {
    pub parts: &'a Parts,
    pub body: &'a Bytes,
    /// The host's name, and its first part.
    pub host: &'a str,
    pub id: &'a str,
    pub request_id: &'a str,
    pub account: &'a str,
    /// Who signed it, if the URL asks for that.
    pub signer: Option<&'a Signer>,
}

impl Received<'_> {
    /// Returns the event, as it is at this time.
    pub fn event(&self, now: Timestamp) -> Value {
        let (path, query) = (self.parts.uri.path(), self.parts.uri.query().unwrap_or_default());
        let headers = &self.parts.headers;
        let mut context = json!({
            "accountId": self.signer.map_or("anonymous", |_| self.account),
            "apiId": self.id,
            "domainName": self.host,
            "domainPrefix": self.id,
            "http": {
                "method": self.parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": CLIENT,
                "userAgent": text(headers, &USER_AGENT),
            },
            "requestId": self.request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        });
        if let Some(Signer { caller, access_key_id }) = self.signer {
            context["authorizer"] = json!({"iam": {
                "accessKey": access_key_id,
                "accountId": self.account,
                "callerId": caller.user_id,
                "cognitoIdentity": null,
                "principalOrgId": null,
                "userArn": caller.arn,
                "userId": caller.user_id,
            }});
        }
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": event_headers(headers),
            "requestContext": context,
            "isBase64Encoded": false,
        });
        let cookies = cookies(headers);
        if !cookies.is_empty() {
            event["cookies"] = json!(cookies);
        }
        if !query.is_empty() {
            event["queryStringParameters"] = parameters(query);
        }
        if !self.body.is_empty() {
            let readable = str::from_utf8(self.body).ok().filter(|_| is_text(headers));
            event["isBase64Encoded"] = json!(readable.is_none());
            event["body"] = readable.map_or_else(|| json!(STANDARD.encode(self.body)), |text| json!(text));
        }
        event
    }
}

/// Returns the headers with lower-case names. The values of headers that are there more than once are joined by commas.
fn event_headers(headers: &HeaderMap) -> Value {
    let mut all = Map::new();
    for name in headers.keys() {
        // The first two are the connection's own, and cookies have a place of their own.
        if ![CONNECTION, TRANSFER_ENCODING, COOKIE].contains(name) {
            all.insert(name.as_str().to_owned(), json!(text(headers, name)));
        }
    }
    for (name, value) in
        [("x-forwarded-for", CLIENT), ("x-forwarded-port", "443"), ("x-forwarded-proto", "https")]
    {
        all.insert(name.to_owned(), json!(value));
    }
    Value::Object(all)
}

/// Returns a header's values. It is empty if the header is absent.
fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect::<Vec<_>>().join(",")
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let all =
        headers.get_all(COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    all.flat_map(|each| each.split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>())
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// Returns the parameters of a query. The values of one that is there more than once are joined by commas.
fn parameters(query: &str) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let joined = match all.get(&*name).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value.into_owned(),
        };
        all.insert(name.into_owned(), json!(joined));
    }
    Value::Object(all)
}

/// Whether a body is text by its type. A form isn't: AWS encodes it.
fn is_text(headers: &HeaderMap) -> bool {
    let r#type = text(headers, &CONTENT_TYPE).to_ascii_lowercase();
    let r#type = r#type.split(';').next().unwrap_or_default().trim();
    r#type.starts_with("text/")
        || r#type.ends_with("+json")
        || r#type.ends_with("+xml")
        || ["application/json", "application/javascript", "application/xml"].contains(&r#type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(request: http::request::Builder, body: &'static [u8]) -> Value {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let (id, host) = ("abc", "abc.lambda-url.us-east-1.on.aws");
        let (request_id, account, body) = ("r", "1", Bytes::from_static(body));
        let received = Received { parts: &parts, body: &body, host, id, request_id, account, signer: None };
        received.event(Timestamp::from_millisecond(1_583_348_638_390).unwrap())
    }

    #[test]
    fn a_request_becomes_an_event_of_format_2() {
        let request = http::Request::get("/a%20b/c?x=1&x=2&y=a+b&z")
            .header("Cookie", "one=1; two=2")
            .header("X-Twice", "a")
            .header("X-Twice", "b")
            .header("User-Agent", "curl");
        let event = event(request, b"");
        assert_eq!(
            (&event["rawPath"], &event["rawQueryString"]),
            (&json!("/a%20b/c"), &json!("x=1&x=2&y=a+b&z"))
        );
        assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "y": "a b", "z": ""}));
        assert_eq!(event["cookies"], json!(["one=1", "two=2"]));
        assert_eq!(
            (&event["headers"]["x-twice"], &event["headers"]["cookie"]),
            (&json!("a,b"), &Value::Null)
        );
        let context = &event["requestContext"];
        assert_eq!(context["time"], "04/Mar/2020:19:03:58 +0000");
        assert_eq!(
            (&context["timeEpoch"], &context["accountId"]),
            (&json!(1_583_348_638_390_i64), &json!("anonymous"))
        );
        assert_eq!(context["http"]["userAgent"], "curl");
        assert!(event.get("body").is_none() && event.get("authorizer").is_none());
    }

    #[test]
    fn what_is_no_text_is_encoded() {
        let body = |r#type: &str, body: &'static [u8]| {
            let event = event(http::Request::post("/").header("Content-Type", r#type), body);
            (event["body"].as_str().unwrap().to_owned(), event["isBase64Encoded"].as_bool().unwrap())
        };
        for r#type in ["application/json", "text/plain; charset=utf-8", "application/problem+json"] {
            assert_eq!(body(r#type, b"[1]"), ("[1]".to_owned(), false), "{}", r#type);
        }
        for r#type in
            ["application/x-www-form-urlencoded", "image/png", "multipart/form-data; boundary=x", ""]
        {
            assert_eq!(body(r#type, b"a=1"), ("YT0x".to_owned(), true), "{}", r#type);
        }
        assert_eq!(body("text/plain", b"\xff"), ("/w==".to_owned(), true));
    }
}
