//! Verifies AWS Signature Version 4, in the Authorization header or in the query of a presigned URL.
//!
//! The rules: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>. AWS's own
//! signer (`aws-sigv4`) signs the received request again, and the two signatures are compared. The signer verifies
//! nothing, so the signature's parameters in a request are read and checked here. S3's requests are verified by s3s,
//! since their bodies have signatures too.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use http::header::{HeaderMap, HeaderName};
use http::request::Parts;
use jiff::{SignedDuration, Timestamp, civil, tz};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::authority::Credential;
use crate::call::AwsError;
use crate::protocol::Protocol;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The greatest difference between the request's clock and ours, as on AWS.
const SKEW: SignedDuration = SignedDuration::from_mins(15);

/// The parameters of a presigned URL that the signer adds itself.
const WRITTEN: [&str; 6] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
];

/// The longest URI for the signer, in bytes. It panics at 65535.
const LONGEST_URI: usize = 65_000;

/// Why a signature isn't valid. The error codes differ by protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureError {
    Missing,
    /// It can't be read. The message says why.
    Incomplete(String),
    UnknownKey,
    ExpiredToken,
    /// The clock differs by more than 15 minutes, or a presigned URL has expired.
    Time(String),
    Mismatch(String),
}

impl SignatureError {
    /// Returns the error with the code and message of a protocol.
    pub fn worded(self, protocol: Protocol) -> AwsError {
        match protocol {
            Protocol::Json | Protocol::RestJson => self.json(),
            Protocol::Query => self.query(),
            Protocol::Ec2 => self.ec2(),
        }
    }

    /// Returns the error of awsJson and restJson services.
    fn json(self) -> AwsError {
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

    /// Returns the error of awsQuery services.
    fn query(self) -> AwsError {
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

    /// Returns EC2's error, which has no reason.
    fn ec2(self) -> AwsError {
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

/// The signature's parameters in a request, not verified yet.
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
    /// How long a presigned URL is valid, in seconds.
    expires: Option<u64>,
}

impl Authorization {
    /// Reads a request's signature. None: it isn't signed.
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
        expires: Option<u64>,
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

    /// Verifies the key, the token, the time, the body and the signature of `request`.
    pub fn verify(
        &self,
        request: &Parts,
        body: &[u8],
        credential: &Credential,
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        let given = self.session_token.as_deref().unwrap_or_default();
        if !same(given, credential.session_token.as_deref().unwrap_or_default()) {
            return Err(SignatureError::UnknownKey);
        }
        let time = self.check_time(now)?;
        let body_hash = hex::encode(Sha256::digest(body));
        if request.headers.get("x-amz-content-sha256").is_some_and(|stated| *stated != *body_hash) {
            return Err(mismatch());
        }
        self.check_headers(request)?;
        let expected = self.expected(request, body_hash, &credential.secret_access_key, time);
        if !expected.is_some_and(|expected| same(&expected, &self.signature)) {
            return Err(mismatch());
        }
        if credential.expired_at(now) {
            return Err(SignatureError::ExpiredToken);
        }
        Ok(())
    }

    /// Returns the time at which the request was signed.
    fn check_time(&self, now: Timestamp) -> Result<Timestamp, SignatureError> {
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
        let valid = self.expires.map_or(SKEW, |seconds| SignedDuration::from_secs(seconds.cast_signed()));
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
        Ok(time)
    }

    /// Checks that all headers that must be signed are.
    fn check_headers(&self, request: &Parts) -> Result<(), SignatureError> {
        let signed = |name: &str| self.signed_headers.iter().any(|each| each == name);
        if !signed("host") {
            return Err(SignatureError::Mismatch(
                "'Host' must be a 'SignedHeader' in the AWS Authorization.".into(),
            ));
        }
        // Headers that name the operation must not be changed on the way. The token needn't be signed: it is compared
        // separately, and for some services clients add it after signing.
        let mut names = request.headers.keys().map(HeaderName::as_str);
        let unsigned =
            |name: &&str| name.starts_with("x-amz-") && *name != "x-amz-security-token" && !signed(name);
        if let Some(name) = names.find(unsigned) {
            let message = format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.");
            return Err(SignatureError::Mismatch(message));
        }
        Ok(())
    }

    /// Returns the signature of this request with `secret`. None: the signer can't handle the request.
    fn expected(&self, request: &Parts, body_hash: String, secret: &str, time: Timestamp) -> Option<String> {
        let mut headers = Vec::new();
        for name in &self.signed_headers {
            let before = headers.len();
            for value in request.headers.get_all(name) {
                headers.push((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?));
            }
            // The signed headers may name one that isn't in the request.
            if headers.len() == before {
                headers.push((name.as_str(), ""));
            }
        }
        let (path, query) = (request.uri.path(), self.signed_query(request));
        // Encoding can turn one byte into three.
        if path.len() + 3 * query.len() > LONGEST_URI {
            return None;
        }
        let body = SignableBody::Precomputed(body_hash);
        let uri = format!("{path}?{query}");
        let signable = SignableRequest::new(request.method.as_str(), uri, headers.into_iter(), body).ok()?;
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        if let Some(seconds) = self.expires {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(seconds));
        }
        // The signer must add no token: if the client has signed one, it is among the headers or in the query.
        let identity = Credentials::new(&self.access_key_id, secret, None, None, "local-cloud").into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(SystemTime::from(time))
            .settings(settings)
            .build()
            .ok()?
            .into();
        Some(sign(signable, &params).ok()?.into_parts().1)
    }

    /// Returns the query without the parameters that the signer adds. If one occurs twice, the second stays, and the
    /// signature doesn't match.
    fn signed_query(&self, request: &Parts) -> String {
        let mut left = if self.expires.is_some() { WRITTEN.to_vec() } else { Vec::new() };
        let kept = |pair: &&str| {
            let name = percent_decode_str(pair.split('=').next().unwrap_or_default()).decode_utf8_lossy();
            let written = left.iter().position(|each| *each == name);
            !pair.is_empty() && written.map(|i| left.remove(i)).is_none()
        };
        let pairs = request.uri.query().unwrap_or_default().split('&');
        // The signer would treat a plus as a space.
        pairs.filter(kept).collect::<Vec<_>>().join("&").replace('+', "%2B")
    }
}

fn incomplete(message: &str) -> SignatureError {
    SignatureError::Incomplete(message.to_owned())
}

fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

/// Returns the parameters of a query, decoded. A `+` stays a plus.
fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decode_str(name).decode_utf8_lossy(), percent_decode_str(value).decode_utf8_lossy())
    })
}

#[cfg(test)]
mod tests;
