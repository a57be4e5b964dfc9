//! Verifies AWS Signature Version 4, in the Authorization header or in the query of a presigned URL.
//!
//! The rules: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>. S3's
//! requests are verified by s3s, whose signatures reach into the body. Own code, since the crates that
//! verify bring more dependencies than this has lines.

use std::borrow::Cow;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use http::header::{HeaderMap, HeaderName};
use http::request::Parts;
use jiff::{SignedDuration, Timestamp, civil, tz};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::call::AwsError;
use crate::iam::{Credential, Iam};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How far a request's clock may be off, as on AWS.
const SKEW: SignedDuration = SignedDuration::from_mins(15);

/// All but RFC 3986's unreserved characters is encoded.
pub(crate) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// Why a signature does not hold; the codes differ by protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureError {
    Missing,
    /// Not to be understood; the message says what is wrong.
    Incomplete(String),
    UnknownKey,
    ExpiredToken,
    /// The clock is off by more than 15 minutes, or a presigned URL has had its time.
    Time(String),
    Mismatch(String),
}

impl SignatureError {
    /// As the awsJson and restJson services word it.
    pub fn json(self) -> AwsError {
        let (code, message) = match self {
            Self::Missing => {
                ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned())
            }
            Self::Incomplete(message) => ("IncompleteSignatureException", message),
            Self::UnknownKey => ("UnrecognizedClientException", UNKNOWN_KEY.to_owned()),
            Self::ExpiredToken => ("ExpiredTokenException", EXPIRED_TOKEN.to_owned()),
            Self::Time(message) | Self::Mismatch(message) => ("InvalidSignatureException", message),
        };
        AwsError::new(400, code, message)
    }

    /// As the awsQuery services word it.
    pub fn query(self) -> AwsError {
        let (status, code, message) = match self {
            Self::Missing => {
                (403, "MissingAuthenticationToken", "Request is missing Authentication Token".to_owned())
            }
            Self::Incomplete(message) => (400, "IncompleteSignature", message),
            Self::UnknownKey => (403, "InvalidClientTokenId", UNKNOWN_KEY.to_owned()),
            Self::ExpiredToken => (403, "ExpiredToken", EXPIRED_TOKEN.to_owned()),
            Self::Time(message) | Self::Mismatch(message) => (403, "SignatureDoesNotMatch", message),
        };
        AwsError::new(status, code, message)
    }

    /// As EC2 words it, which tells no reason.
    pub fn ec2(self) -> AwsError {
        match self {
            Self::ExpiredToken => AwsError::new(400, "RequestExpired", "Request has expired."),
            Self::Missing | Self::Incomplete(_) => self.query(),
            Self::UnknownKey | Self::Time(_) | Self::Mismatch(_) => AwsError::new(
                401,
                "AuthFailure",
                "AWS was not able to validate the provided access credentials",
            ),
        }
    }
}

const UNKNOWN_KEY: &str = "The security token included in the request is invalid.";
const EXPIRED_TOKEN: &str = "The security token included in the request is expired";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your \
                        AWS Secret Access Key and signing method. Consult the service documentation for details.";

fn mismatch() -> SignatureError {
    SignatureError::Mismatch(MISMATCH.to_owned())
}

/// What a request says of its signature, before any of it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    pub access_key_id: String,
    /// The credential scope's parts: `20150830`, `us-east-1`, `iam`.
    pub date: String,
    pub region: String,
    pub service: String,
    signed_headers: Vec<String>,
    signature: String,
    /// `20150830T123600Z`.
    timestamp: String,
    session_token: Option<String>,
    /// Seconds; a presigned URL's.
    expires: Option<i64>,
}

impl Authorization {
    /// None: the request is not signed.
    pub fn find(request: &Parts) -> Result<Option<Self>, SignatureError> {
        let query = request.uri.query().unwrap_or_default();
        if let Some(header) = request.headers.get("authorization") {
            let header = header.to_str().map_err(|_| incomplete("Authorization header is not ASCII."))?;
            Self::from_header(header, &request.headers).map(Some)
        } else if query.contains("X-Amz-Algorithm=") {
            Self::from_query(query).map(Some)
        } else {
            Ok(None)
        }
    }

    fn from_header(header: &str, headers: &HeaderMap) -> Result<Self, SignatureError> {
        let fields =
            header.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' ')).ok_or_else(|| {
                incomplete(&format!(
                    "Unsupported AWS 'algorithm' in the Authorization header: only {ALGORITHM} is."
                ))
            })?;
        let field = |name: &str| {
            let mut pairs = fields.split(',').filter_map(|pair| pair.trim().split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).ok_or_else(|| {
                incomplete(&format!(
                    "Authorization header requires '{name}' parameter. Authorization={ALGORITHM}"
                ))
            })
        };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let timestamp = text("x-amz-date").ok_or_else(|| {
            incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        })?;
        let token = text("x-amz-security-token");
        Self::new(
            &field("Credential")?,
            &field("SignedHeaders")?,
            field("Signature")?,
            timestamp,
            token,
            None,
        )
    }

    fn from_query(query: &str) -> Result<Self, SignatureError> {
        let optional =
            |name: &str| pairs(query).find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let field = |name: &str| {
            optional(name)
                .ok_or_else(|| incomplete(&format!("AWS query-string parameters must include '{name}'.")))
        };
        if field("X-Amz-Algorithm")? != ALGORITHM {
            return Err(incomplete(&format!("Unsupported X-Amz-Algorithm: only {ALGORITHM} is.")));
        }
        let expires = field("X-Amz-Expires")?.parse().ok().filter(|seconds| (1..=604_800).contains(seconds));
        let expires =
            expires.ok_or_else(|| incomplete("X-Amz-Expires must be between 1 and 604800 seconds."))?;
        let token = optional("X-Amz-Security-Token");
        let (credential, headers) = (field("X-Amz-Credential")?, field("X-Amz-SignedHeaders")?);
        Self::new(
            &credential,
            &headers,
            field("X-Amz-Signature")?,
            field("X-Amz-Date")?,
            token,
            Some(expires),
        )
    }

    fn new(
        credential: &str,
        signed_headers: &str,
        signature: String,
        timestamp: String,
        session_token: Option<String>,
        expires: Option<i64>,
    ) -> Result<Self, SignatureError> {
        let [access_key_id, date, region, service, "aws4_request"] =
            credential.split('/').collect::<Vec<_>>()[..]
        else {
            return Err(incomplete(&format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
                 '{credential}'"
            )));
        };
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
            signature,
            timestamp,
            session_token,
            expires,
        })
    }

    /// Verifies key, token, time, body and signature of `request`.
    pub fn verify(
        &self,
        request: &Parts,
        body: &[u8],
        iam: &Iam,
        now: Timestamp,
    ) -> Result<Arc<Credential>, SignatureError> {
        let credential = iam.credential(&self.access_key_id).ok_or(SignatureError::UnknownKey)?;
        let given = self.session_token.as_deref().unwrap_or_default();
        if !same(given, credential.session_token.as_deref().unwrap_or_default()) {
            return Err(SignatureError::UnknownKey);
        }
        self.check_time(now)?;
        let body_hash = hex::encode(Sha256::digest(body));
        if request.headers.get("x-amz-content-sha256").is_some_and(|stated| *stated != *body_hash) {
            return Err(mismatch());
        }
        if !same(&self.expected(request, &body_hash, &credential.secret_access_key)?, &self.signature) {
            return Err(mismatch());
        }
        if credential.expired_at(now) {
            return Err(SignatureError::ExpiredToken);
        }
        Ok(credential)
    }

    fn check_time(&self, now: Timestamp) -> Result<(), SignatureError> {
        let stamp = &self.timestamp;
        let time = civil::DateTime::strptime("%Y%m%dT%H%M%SZ", stamp)
            .and_then(|time| time.to_zoned(tz::TimeZone::UTC))
            .map_err(|_| incomplete(&format!("Date must be in ISO-8601 'basic format'. Got '{stamp}'.")))?
            .timestamp();
        if !stamp.starts_with(&self.date) || self.date.len() != 8 {
            let date = &self.date;
            return Err(SignatureError::Mismatch(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{date}' != '{stamp}'"
            )));
        }
        let written = |time: Timestamp| time.strftime("%Y%m%dT%H%M%SZ").to_string();
        let valid = self.expires.map_or(SKEW, SignedDuration::from_secs);
        if now.duration_since(time) > valid {
            let (now, oldest) = (written(now), written(now - valid));
            let error =
                format!("Signature expired: {stamp} is now earlier than {oldest} ({now} - {valid:#}.)");
            return Err(SignatureError::Time(error));
        }
        if time.duration_since(now) > SKEW {
            let (now, newest) = (written(now), written(now + SKEW));
            let error = format!(
                "Signature not yet current: {stamp} is still later than {newest} ({now} + {SKEW:#}.)"
            );
            return Err(SignatureError::Time(error));
        }
        Ok(())
    }

    /// The signature that `secret` gives to this request.
    fn expected(&self, request: &Parts, body_hash: &str, secret: &str) -> Result<String, SignatureError> {
        let canonical = self.canonical_request(request, body_hash)?;
        let scope = format!("{}/{}/{}/aws4_request", self.date, self.region, self.service);
        let hash = hex::encode(Sha256::digest(canonical));
        let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{hash}", self.timestamp);
        let key = [&self.date, &self.region, &self.service, "aws4_request"]
            .iter()
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| sign(&key, part));
        Ok(hex::encode(sign(&key, &to_sign)))
    }

    fn canonical_request(&self, request: &Parts, body_hash: &str) -> Result<String, SignatureError> {
        let signed = |name: &str| self.signed_headers.iter().any(|each| each == name);
        if !signed("host") {
            return Err(SignatureError::Mismatch(
                "'Host' must be a 'SignedHeader' in the AWS Authorization.".into(),
            ));
        }
        // What names the operation must not be changed on the way. The token is compared by itself, and some
        // services want it added after signing.
        let mut names = request.headers.keys().map(HeaderName::as_str);
        let unsigned =
            |name: &&str| name.starts_with("x-amz-") && *name != "x-amz-security-token" && !signed(name);
        if let Some(name) = names.find(unsigned) {
            let message = format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.");
            return Err(SignatureError::Mismatch(message));
        }
        let mut canonical = format!(
            "{}\n{}\n{}\n",
            request.method,
            canonical_path(request.uri.path()),
            canonical_query(request.uri.query().unwrap_or_default())
        );
        for name in &self.signed_headers {
            let values = request.headers.get_all(name).iter();
            let values = values.map(|value| collapsed(&String::from_utf8_lossy(value.as_bytes())));
            canonical += &format!("{name}:{}\n", values.collect::<Vec<_>>().join(","));
        }
        canonical += &format!("\n{}\n{body_hash}", self.signed_headers.join(";"));
        Ok(canonical)
    }
}

fn incomplete(message: &str) -> SignatureError {
    SignatureError::Incomplete(message.to_owned())
}

fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

fn sign(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The path as it came, its dot segments resolved, encoded once more: S3 alone does neither.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    let closed = segments.is_empty() || !["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    let normal = format!("/{}{}", segments.join("/"), if closed { "" } else { "/" });
    utf8_percent_encode(&normal, ENCODED_IN_PATH).to_string()
}

fn canonical_query(query: &str) -> String {
    let encode = |text: Cow<str>| utf8_percent_encode(&text, ENCODED).to_string();
    let mut sorted: Vec<(String, String)> = pairs(query)
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    sorted.sort();
    sorted.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The parameters of a query, decoded; a `+` is a plus.
fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decode_str(name).decode_utf8_lossy(), percent_decode_str(value).decode_utf8_lossy())
    })
}

/// A header's value without the space around it, and with each run of spaces in it as one.
fn collapsed(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::call::Caller;
    use crate::iam::AccessKey;
    use crate::store::Store;

    const TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";

    fn caller() -> Caller {
        Caller::new("arn", "id")
    }

    fn iam() -> (tempfile::TempDir, Iam) {
        let dir = tempfile::tempdir().unwrap();
        let iam = Iam::open(Store::open(&dir.path().join("state.db")).unwrap()).unwrap();
        let key = AccessKey {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        iam.add_key(&key, caller()).unwrap();
        (dir, iam)
    }

    fn now() -> Timestamp {
        "2015-08-30T12:36:00Z".parse().unwrap()
    }

    /// A request of AWS's suite, signed with `signature`.
    fn request(method: &str, uri: &str, headers: &[(&str, &str)], signature: &str) -> Parts {
        let mut names = vec!["host", "x-amz-date"];
        names.extend(headers.iter().map(|(name, _)| *name));
        names.sort_unstable();
        names.dedup();
        let scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
        let signed = names.join(";");
        let header = format!("{ALGORITHM} Credential={scope}, SignedHeaders={signed}, Signature={signature}");
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "example.amazonaws.com")
            .header("x-amz-date", "20150830T123600Z")
            .header("authorization", header);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn verify(request: &Parts, body: &[u8], now: Timestamp) -> Result<Arc<Credential>, SignatureError> {
        let (_dir, iam) = iam();
        Authorization::find(request).unwrap().unwrap().verify(request, body, &iam, now)
    }

    type Example = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

    /// Method, URI, headers and signature of AWS's published signing test suite; bodies are empty.
    const SUITE: &[Example] = &[
        ("GET", "/", &[], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", &[], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "/example1/example2/../..",
            &[],
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        ("GET", "//example//", &[], "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        ("GET", "/\u{1234}", &[], "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        (
            "GET",
            "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            &[],
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        ("GET", "/?Param1=value1", &[], "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            &[],
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET",
            "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            &[],
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            "GET",
            "/",
            &[
                ("my-header1", "value4"),
                ("my-header1", "value1"),
                ("my-header1", "value3"),
                ("my-header1", "value2"),
            ],
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ),
        (
            "GET",
            "/",
            &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
    ];

    #[test]
    fn aws_suite_holds() {
        for (method, uri, headers, signature) in SUITE {
            let verified = verify(&request(method, uri, headers, signature), b"", now());
            assert!(verified.is_ok(), "{method} {uri} {headers:?}: {verified:?}");
        }
    }

    #[test]
    fn a_presigned_url_holds_until_it_expires() {
        let uri = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256\
                   &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request\
                   &X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600\
                   &X-Amz-Signature=e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d";
        let get = |uri: &str| {
            let request = Request::get(uri).header("host", "example.amazonaws.com").body(()).unwrap();
            request.into_parts().0
        };
        let after = |seconds| now() + SignedDuration::from_secs(seconds);
        assert!(verify(&get(uri), b"", after(3600)).is_ok());
        assert!(matches!(verify(&get(uri), b"", after(3601)), Err(SignatureError::Time(_))));
        assert_eq!(verify(&get(&uri.replace("=3600", "=3601")), b"", now()).unwrap_err(), mismatch());
        let long = Authorization::find(&get(&uri.replace("=3600", "=604801")));
        assert!(matches!(long, Err(SignatureError::Incomplete(_))));
    }

    #[test]
    fn whatever_is_changed_breaks_the_signature() {
        let signature = SUITE[0].3;
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
        let good = request("GET", "/", &[], SUITE[0].3);
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
        let (_dir, iam) = iam();
        let session = iam.start_session(caller(), SignedDuration::from_secs(60)).unwrap();
        let at = Timestamp::now();
        let stamp = at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let authorization = Authorization {
            access_key_id: session.access_key_id.clone(),
            date: stamp[..8].to_owned(),
            region: "us-east-1".to_owned(),
            service: "service".to_owned(),
            signed_headers: vec!["host".to_owned()],
            signature: String::new(),
            timestamp: stamp,
            session_token: Some(session.session_token.clone()),
            expires: None,
        };
        let parts = Request::get("/").header("host", "h").body(()).unwrap().into_parts().0;
        let hash = hex::encode(Sha256::digest(b""));
        let signature = authorization.expected(&parts, &hash, &session.secret_access_key).unwrap();
        let signed = Authorization { signature, ..authorization };
        assert!(signed.verify(&parts, b"", &iam, at).is_ok());
        for token in [None, Some(TOKEN.to_owned())] {
            let other = Authorization { session_token: token, ..signed.clone() };
            assert_eq!(other.verify(&parts, b"", &iam, at).unwrap_err(), SignatureError::UnknownKey);
        }
        let ended = at + SignedDuration::from_secs(61);
        assert_eq!(signed.verify(&parts, b"", &iam, ended).unwrap_err(), SignatureError::ExpiredToken);
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
        let mut undated = request("GET", "/", &[], SUITE[0].3);
        undated.headers.insert("x-amz-date", "2015".parse().unwrap());
        assert!(matches!(verify(&undated, b"", now()), Err(SignatureError::Incomplete(_))));
    }
}
