//! Verifies AWS Signature Version 4, in the Authorization header or in the query of a presigned URL.
//!
//! The rules: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>. S3's
//! requests are verified by s3s, whose signatures reach into the body. Own code, since the crates that
//! verify bring more dependencies than this has lines.

use std::borrow::Cow;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
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
        if credential.expired() {
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
        // What names the operation must not be changed on the way.
        if let Some(name) =
            request.headers.keys().find(|name| name.as_str().starts_with("x-amz-") && !signed(name.as_str()))
        {
            return Err(SignatureError::Mismatch(format!(
                "'{name}' must be a 'SignedHeader' in the AWS Authorization."
            )));
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
