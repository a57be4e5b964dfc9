//! Requests of browsers, from pages of other origins (CORS), which a URL's settings allow.
//!
//! What the settings say wins over what the function says.
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors>

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::{Method, Response};
use serde_json::Value;

/// The headers that the settings decide.
const DECIDED: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// Answers a browser that asks whether it may send a request. The function isn't invoked. None: it asks nothing of the
/// sort.
pub fn preflight(cors: &Value, request: &Parts) -> Option<Response<Body>> {
    let asks = request.method == Method::OPTIONS
        && request.headers.contains_key(ORIGIN)
        && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !asks {
        return None;
    }
    let mut response = Response::new(Body::empty());
    if allow(cors, request, response.headers_mut()) {
        let headers = response.headers_mut();
        set(headers, ACCESS_CONTROL_ALLOW_METHODS, listed(cors, "AllowMethods"));
        set(headers, ACCESS_CONTROL_ALLOW_HEADERS, listed(cors, "AllowHeaders"));
        set(headers, ACCESS_CONTROL_MAX_AGE, cors["MaxAge"].as_u64().map(|seconds| seconds.to_string()));
    }
    Some(response)
}

/// Replaces what a function says about other origins by what the settings say.
pub fn apply(cors: &Value, request: &Parts, headers: &mut HeaderMap) {
    for name in DECIDED {
        headers.remove(name);
    }
    if allow(cors, request, headers) {
        set(headers, ACCESS_CONTROL_EXPOSE_HEADERS, listed(cors, "ExposeHeaders"));
    }
}

/// Names the request's origin, if it is allowed, and returns whether it is.
fn allow(cors: &Value, request: &Parts, headers: &mut HeaderMap) -> bool {
    let Some(origin) = request.headers.get(ORIGIN) else { return false };
    let mut allowed = cors["AllowOrigins"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if !allowed.any(|each| each == "*" || each.as_bytes() == origin.as_bytes()) {
        return false;
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if cors["AllowCredentials"] == true {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}

fn listed(cors: &Value, member: &str) -> Option<String> {
    let items = cors[member].as_array()?.iter().filter_map(Value::as_str);
    Some(items.collect::<Vec<_>>().join(","))
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_settings_say_which_origins_may_ask() {
        let cors = json!({
            "AllowOrigins": ["https://a.test"], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-mine"],
            "ExposeHeaders": ["x-theirs"], "MaxAge": 60, "AllowCredentials": true,
        });
        let request = |method: &str, origin: &str| {
            let request = http::Request::builder().method(method).header("Origin", origin);
            request.header("Access-Control-Request-Method", "POST").body(()).unwrap().into_parts().0
        };
        let mine = preflight(&cors, &request("OPTIONS", "https://a.test")).unwrap();
        assert_eq!(mine.headers()["access-control-allow-origin"], "https://a.test");
        assert_eq!(mine.headers()["access-control-allow-methods"], "GET,POST");
        assert_eq!(mine.headers()["access-control-max-age"], "60");
        assert!(preflight(&cors, &request("OPTIONS", "https://b.test")).unwrap().headers().is_empty());
        assert!(preflight(&cors, &request("GET", "https://a.test")).is_none());

        let said = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("the function's"));
            apply(&cors, &request("GET", origin), &mut headers);
            headers
        };
        let mine = said("https://a.test");
        assert_eq!(mine["access-control-allow-origin"], "https://a.test");
        assert_eq!(mine["access-control-expose-headers"], "x-theirs");
        assert_eq!(mine["access-control-allow-credentials"], "true");
        assert!(said("https://b.test").is_empty());
        let all = json!({"AllowOrigins": ["*"]});
        assert!(allow(&all, &request("GET", "https://b.test"), &mut HeaderMap::new()));
    }
}
