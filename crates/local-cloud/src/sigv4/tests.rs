//! Tests with the signatures that AWS publishes, and with changed requests.

use http::Request;

use super::*;
use crate::call::Caller;

const TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";

fn credential() -> Credential {
    Credential {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: None,
        expiration: None,
        caller: Caller::new("arn", "id"),
    }
}

fn now() -> Timestamp {
    "2015-08-30T12:36:00Z".parse().unwrap()
}

/// The credential scope of the suite.
const SCOPE: &str = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";

/// Returns a request of AWS's suite, with `signature` in its header.
fn request(method: &str, uri: &str, headers: &[(&str, &str)], signature: &str) -> Parts {
    let mut names = vec!["host", "x-amz-date"];
    names.extend(headers.iter().map(|(name, _)| *name));
    let header =
        format!("{ALGORITHM} Credential={SCOPE}, SignedHeaders={}, Signature={signature}", joined(names));
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "example.amazonaws.com")
        .header("x-amz-date", "20150830T123600Z")
        .header("authorization", header);
    with(request, headers)
}

/// Returns the same request as a presigned URL.
fn presigned(method: &str, uri: &str, headers: &[(&str, &str)], signature: &str) -> Parts {
    let names = std::iter::once("host").chain(headers.iter().map(|(name, _)| *name)).collect();
    let uri = format!(
        "{uri}{}X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders={}\
         &X-Amz-Expires=3600&X-Amz-Signature={signature}",
        if uri.contains('?') { "&" } else { "?" },
        SCOPE.replace('/', "%2F"),
        joined(names).replace(';', "%3B"),
    );
    let request = Request::builder().method(method).uri(uri).header("host", "example.amazonaws.com");
    with(request, headers)
}

fn with(request: http::request::Builder, headers: &[(&str, &str)]) -> Parts {
    let add = |request: http::request::Builder, (name, value): &(&str, &str)| request.header(*name, *value);
    headers.iter().fold(request, add).body(()).unwrap().into_parts().0
}

fn joined(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    names.dedup();
    names.join(";")
}

fn verify(request: &Parts, body: &[u8], now: Timestamp) -> Result<(), SignatureError> {
    Authorization::find(request).unwrap().unwrap().verify(request, body, &credential(), now)
}

/// A case of AWS's published signing test suite.
struct Case {
    request: (&'static str, &'static str),
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
    /// The signature in the header, and the one in a presigned URL.
    signatures: [&'static str; 2],
}

const fn case(
    method: &'static str,
    uri: &'static str,
    in_header: &'static str,
    in_url: &'static str,
) -> Case {
    Case { request: (method, uri), headers: &[], body: b"", signatures: [in_header, in_url] }
}

const VANILLA: [&str; 2] = [
    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d",
];

const SUITE: &[Case] = &[
    Case {
        headers: &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")],
        ..case(
            "GET",
            "/",
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            "3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97",
        )
    },
    Case {
        headers: &[
            ("my-header1", "value4"),
            ("my-header1", "value1"),
            ("my-header1", "value3"),
            ("my-header1", "value2"),
        ],
        ..case(
            "GET",
            "/",
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
            "313720e71ca6202fdcfa9b20f88de01a4eb0638a83c833b1c184359a4eda864e",
        )
    },
    Case {
        headers: &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
        ..case(
            "GET",
            "/",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            "e7bb0fd515e125e1aec2ecc4c0c17484fb06f6846b927c35e46005dd3df3acd4",
        )
    },
    case("GET", "/example/..", VANILLA[0], VANILLA[1]),
    case("GET", "/example1/example2/../..", VANILLA[0], VANILLA[1]),
    case("GET", "/./", VANILLA[0], VANILLA[1]),
    case("GET", "//", VANILLA[0], VANILLA[1]),
    case(
        "GET",
        "/./example",
        "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
        "35034b1a0bdd969f346975386daf8aedfd4976573b8348cf4f67eaa41c5857de",
    ),
    case(
        "GET",
        "//example//",
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
        "c1834e8fb0307243711f0f907f6ab7311ed300d87f13792d7ee4da89ab93e082",
    ),
    case(
        "GET",
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        "95968482db1b9e0fadef6efc1bd24689f77c77d9ef56919c96a28cc92e0d6005",
    ),
    case(
        "GET",
        "/\u{1234}",
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        "10eae3f14a260bd3911cc6d008d3c576d143b05b62f09782a7a4b37f52178e44",
    ),
    case("GET", "/", VANILLA[0], VANILLA[1]),
    case(
        "GET",
        "/?Param1=value1",
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        "49096700cbbaa5753443850f40df10f904fc2fdb544dc9512203cc77c471a9de",
    ),
    case("GET", "/", VANILLA[0], VANILLA[1]),
    case(
        "GET",
        "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787",
    ),
    case(
        "GET",
        "/?Param2=value2&Param1=value1",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        "86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5",
    ),
    case(
        "GET",
        "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        "8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf",
    ),
    case(
        "GET",
        "/?\u{1234}=bar",
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        "0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600",
    ),
    case(
        "POST",
        "/",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        "2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b",
    ),
    Case {
        headers: &[("my-header1", "value1")],
        ..case(
            "POST",
            "/",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            "c09d07e0d55871f10f2a6d350d994acf6825a3cae70673d7def55616e6119dd7",
        )
    },
    Case {
        headers: &[("my-header1", "VALUE1")],
        ..case(
            "POST",
            "/",
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            "0698bc9e4f7f9139065ba2909c0e99da257e8e2a42492a097bcd46d792391fed",
        )
    },
    case(
        "POST",
        "/",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        "2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b",
    ),
    case(
        "POST",
        "/?Param1=value1",
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        "a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682",
    ),
    case(
        "POST",
        "/?Param1=value1",
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        "a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682",
    ),
    Case {
        headers: &[("content-type", "application/x-www-form-urlencoded"), ("content-length", "13")],
        body: b"Param1=value1",
        ..case(
            "POST",
            "/",
            "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            "89a40deed0f26f9461242825a082d2222717248abc7ab41f552ad84a94ad46e9",
        )
    },
    Case {
        headers: &[
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("content-length", "13"),
        ],
        body: b"Param1=value1",
        ..case(
            "POST",
            "/",
            "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
            "0dbeb9b026c7b6675f266b8427efec9b4fa8b1f6ef1477d717aea231106eab4d",
        )
    },
];

#[test]
fn aws_suite_holds() {
    for case in SUITE {
        let ((method, uri), headers) = (case.request, case.headers);
        let [in_header, in_url] = case.signatures;
        let verified = verify(&presigned(method, uri, headers, in_url), case.body, now());
        assert!(verified.is_ok(), "{method} {uri} {headers:?} presigned: {verified:?}");
        // The suite also signs the hash of a body.
        let hash = hex::encode(Sha256::digest(case.body));
        let stated = [("x-amz-content-sha256", hash.as_str())];
        let more = if case.body.is_empty() { &stated[..0] } else { &stated[..] };
        let verified = verify(&request(method, uri, &[headers, more].concat(), in_header), case.body, now());
        assert!(verified.is_ok(), "{method} {uri} {headers:?}: {verified:?}");
    }
}

#[test]
fn paths_are_encoded_once_more() {
    // The suite's case of a path with a percent sign.
    let path = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-west-2%3A892717189312%3Afunction%3Amy-rusty-fun/invocations";
    let scope = "AKIDEXAMPLE/20210511/us-east-2/lambda/aws4_request";
    let header = format!(
        "{ALGORITHM} Credential={scope}, SignedHeaders=host;x-amz-date, Signature=4b93abbcc68be32bd64c18e2c71150660ab4c29bbd6c32a383a7517a88fc1804"
    );
    let headers = [
        ("host", "lambda.us-east-2.amazonaws.com"),
        ("x-amz-date", "20210511T154045Z"),
        ("authorization", header.as_str()),
    ];
    let parts = with(Request::post(path), &headers);
    let authorization = Authorization::find(&parts).unwrap().unwrap();
    authorization.verify(&parts, b"", &credential(), "2021-05-11T15:40:45Z".parse().unwrap()).unwrap();
}

#[test]
fn a_plus_in_a_query_is_a_plus() {
    let escaped = request("GET", "/?a=b%2Bc", &[], "");
    let found = Authorization::find(&escaped).unwrap().unwrap();
    let (hash, secret) = (hex::encode(Sha256::digest(b"")), credential().secret_access_key);
    let signature = found.expected(&escaped, hash, &secret, now()).unwrap();
    assert!(verify(&request("GET", "/?a=b+c", &[], &signature), b"", now()).is_ok());
    assert_eq!(verify(&request("GET", "/?a=b%20c", &[], &signature), b"", now()), Err(mismatch()));
}

#[test]
fn what_the_signer_cannot_take_is_a_mismatch() {
    let long = format!("/?a={}", "!".repeat(22_000));
    assert_eq!(verify(&request("GET", &long, &[], VANILLA[0]), b"", now()), Err(mismatch()));
    let mut binary = request("GET", "/", &[("my-header1", "x")], VANILLA[0]);
    binary.headers.insert("my-header1", http::HeaderValue::from_bytes(b"\xFF").unwrap());
    assert_eq!(verify(&binary, b"", now()), Err(mismatch()));
    let mut unnamed = request("GET", "/", &[], VANILLA[0]);
    let header = unnamed.headers["authorization"].to_str().unwrap().replace("host;", "a b;host;");
    unnamed.headers.insert("authorization", header.parse().unwrap());
    assert_eq!(verify(&unnamed, b"", now()), Err(mismatch()));
}

#[test]
fn a_presigned_url_holds_until_it_expires() {
    let get = |from: &str, to: &str| {
        let uri = presigned("GET", "/", &[], VANILLA[1]).uri.to_string().replace(from, to);
        Request::get(uri).header("host", "example.amazonaws.com").body(()).unwrap().into_parts().0
    };
    let after = |seconds| now() + SignedDuration::from_secs(seconds);
    assert!(verify(&get("", ""), b"", after(3600)).is_ok());
    assert!(matches!(verify(&get("", ""), b"", after(3601)), Err(SignatureError::Time(_))));
    assert_eq!(verify(&get("=3600", "=3601"), b"", now()), Err(mismatch()));
    for expires in ["=604801", "=0", "=-1", "=x"] {
        let found = Authorization::find(&get("=3600", expires));
        assert!(matches!(found, Err(SignatureError::Incomplete(_))), "{expires}");
    }
    for more in ["&X-Amz-Date=20150830T123600Z", "&a=b"] {
        assert_eq!(
            verify(&get("&X-Amz-Expires", &format!("{more}&X-Amz-Expires")), b"", now()),
            Err(mismatch())
        );
    }
}

#[test]
fn whatever_is_changed_breaks_the_signature() {
    let signature = VANILLA[0];
    let good = request("GET", "/", &[], signature);
    assert_eq!(verify(&good, b"body", now()).unwrap_err(), mismatch());
    for changed in [
        request("PUT", "/", &[], signature),
        request("GET", "/x", &[], signature),
        request("GET", "/?x", &[], signature),
        request("GET", "/", &[("x-amz-target", "T")], signature),
        request("GET", "/", &[], &signature[1..]),
        request("GET", "/", &[], ""),
    ] {
        assert_eq!(verify(&changed, b"", now()).unwrap_err(), mismatch(), "{changed:?}");
    }
    let mut more = good.clone();
    more.headers.insert("x-amz-target", "Other.Operation".parse().unwrap());
    let unsigned = verify(&more, b"", now()).unwrap_err();
    assert!(matches!(unsigned, SignatureError::Mismatch(why) if why.contains("x-amz-target")));
    let mut stray = good;
    stray.headers.insert("x-amz-security-token", TOKEN.parse().unwrap());
    assert_eq!(verify(&stray, b"", now()).unwrap_err(), SignatureError::UnknownKey);
}

#[test]
fn the_clock_may_be_off_by_fifteen_minutes() {
    let good = request("GET", "/", &[], VANILLA[0]);
    for seconds in [-900, 900] {
        assert!(verify(&good, b"", now() + SignedDuration::from_secs(seconds)).is_ok());
    }
    for seconds in [-901, 901] {
        let error = verify(&good, b"", now() + SignedDuration::from_secs(seconds)).unwrap_err();
        assert!(matches!(error, SignatureError::Time(_)), "{error:?}");
    }
}

#[test]
fn sessions_need_their_token_and_end() {
    let session = Credential {
        session_token: Some(TOKEN.to_owned()),
        expiration: Some(now() + SignedDuration::from_secs(60)),
        ..credential()
    };
    let verify = |request: &Parts, credential: &Credential, seconds| {
        let at = now() + SignedDuration::from_secs(seconds);
        Authorization::find(request).unwrap().unwrap().verify(request, b"", credential, at)
    };
    let in_header = [("x-amz-security-token", TOKEN)];
    let header = "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8";
    let url = "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c";
    let in_url = format!("/?X-Amz-Security-Token={TOKEN}");
    // For some services, clients add the token after signing.
    let mut after = request("GET", "/", &[], VANILLA[0]);
    after.headers.insert("x-amz-security-token", TOKEN.parse().unwrap());
    let signed = [request("GET", "/", &in_header, header), presigned("GET", &in_url, &[], url), after];
    for request in &signed {
        assert_eq!(verify(request, &session, 59), Ok(()));
        assert_eq!(verify(request, &session, 61), Err(SignatureError::ExpiredToken));
        assert_eq!(verify(request, &credential(), 0), Err(SignatureError::UnknownKey));
        let other = Credential { session_token: Some("other".to_owned()), ..session.clone() };
        assert_eq!(verify(request, &other, 0), Err(SignatureError::UnknownKey));
    }
    let without = request("GET", "/", &[], VANILLA[0]);
    assert_eq!(verify(&without, &session, 0), Err(SignatureError::UnknownKey));
}

#[test]
fn headers_without_sense_are_refused() {
    for header in
        ["", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 x", "Bearer x", "AWS4-HMAC-SHA256 Credential=a/b,"]
    {
        let request = Request::get("/").header("authorization", header).header("x-amz-date", "x");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        assert!(matches!(Authorization::find(&parts), Err(SignatureError::Incomplete(_))), "{header}");
    }
    let mut undated = request("GET", "/", &[], VANILLA[0]);
    undated.headers.insert("x-amz-date", "2015".parse().unwrap());
    assert!(matches!(verify(&undated, b"", now()), Err(SignatureError::Incomplete(_))));
}
