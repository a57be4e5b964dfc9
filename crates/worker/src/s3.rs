//! Objects below a prefix of S3, read and written with the credentials of the job's role.
//!
//! What says where S3 is and who asks are the variables that AWS's SDKs read, so AWS and the local cloud are the same here.

use std::env;
use std::fmt;
use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use ureq::http::Response;
use ureq::{Agent, Body};
use url::{Host, Url};

/// How long a name and a connection may take each, an answer after the request, and a request in all. Without a network, as in a job with
/// network isolation, nothing is waited for; in a VPC without a way to S3, the first of them is.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);
const WHOLE: Duration = Duration::from_secs(300);

/// Where a container finds its role's credentials: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>.
const CONTAINER_HOST: &str = "http://169.254.170.2";
/// The most bytes of credentials, and of an error.
const SMALL: u64 = 64 << 10;

/// What the signature's canonical URI leaves as it is, besides letters and digits.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a request came to nothing. The text has nothing in it that an answer said but S3's code.
pub enum Failure {
    /// S3 refuses it.
    Refused(String),
    /// S3 wasn't reached, or not to the end.
    Unreached(String),
}

/// A prefix of a bucket.
pub struct Folder {
    bucket: String,
    prefix: String,
    region: String,
    /// The URL of the bucket, without a slash at its end.
    url: String,
    agent: Agent,
}

impl Folder {
    /// Returns the prefix of a bucket, in the region and at the endpoint that the environment names.
    ///
    /// # Errors
    /// The environment names no region, or what it names is none.
    pub fn new(bucket: &str, prefix: &str) -> Result<Self, String> {
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = region.ok_or("neither AWS_REGION nor AWS_DEFAULT_REGION is set")?;
        if !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err("AWS_REGION is no region".to_owned());
        }
        let endpoint = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
        let agent = Agent::config_builder()
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_global(Some(WHOLE))
            .max_redirects(0)
            .http_status_as_error(false)
            .build();
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            url: bucket_url(bucket, &region, endpoint.as_deref()),
            region,
            agent: agent.into(),
        })
    }

    /// Returns the URI of an object, as people write it.
    pub fn uri(&self, name: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.key(name))
    }

    /// Returns the first `limit` bytes of an object. None: there is no such object.
    ///
    /// # Errors
    /// Why it can't be had. Where a role may not list the bucket, S3 also refuses what isn't there.
    pub fn get(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
        let (url, headers) = self.signed("GET", name, b"").map_err(Failure::Unreached)?;
        let mut request = self.agent.get(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut answer = request.call().map_err(|error| unreached(&error))?;
        if answer.status() == 404 && code(&mut answer) == "NoSuchKey" {
            return Ok(None);
        }
        if answer.status() != 200 {
            return Err(refusal(&mut answer));
        }
        let mut content = Vec::new();
        let read = answer.into_body().into_reader().take(limit).read_to_end(&mut content);
        read.map(|_| Some(content)).map_err(|error| unreached(&ureq::Error::from(error)))
    }

    /// Writes an object, which is there whole afterwards, or not at all.
    ///
    /// # Errors
    /// Why it can't be written.
    pub fn put(&self, name: &str, content: &[u8]) -> Result<(), Failure> {
        let (url, headers) = self.signed("PUT", name, content).map_err(Failure::Unreached)?;
        let mut request = self.agent.put(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut answer = request.send(content).map_err(|error| unreached(&error))?;
        if answer.status() == 200 { Ok(()) } else { Err(refusal(&mut answer)) }
    }

    fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    /// Returns the URL of a request, and the headers of its signature, which includes the content.
    fn signed(
        &self,
        method: &str,
        name: &str,
        content: &[u8],
    ) -> Result<(String, Vec<(String, String)>), String> {
        let key = self.key(name);
        let parts: Vec<String> =
            key.split('/').map(|part| utf8_percent_encode(part, ENCODED).to_string()).collect();
        let url = format!("{}/{}", self.url, parts.join("/"));
        let mut settings = SigningSettings::default();
        // S3 takes the path as it is sent.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = credentials()?.into();
        let unsigned = |_| "a request to S3 can't be signed".to_owned();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let body = SignableBody::Precomputed(hex::encode(Sha256::digest(content)));
        let signable = SignableRequest::new(method, &url, std::iter::empty(), body).map_err(unsigned)?;
        let (instructions, _) = sign(signable, &params).map_err(unsigned)?.into_parts();
        let headers =
            instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok((url, headers))
    }
}

/// Returns the URL of a bucket. A name with a dot has no certificate as a host's.
fn bucket_url(bucket: &str, region: &str, endpoint: Option<&str>) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    match endpoint {
        Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
        None if bucket.contains('.') => format!("https://s3.{region}.{domain}/{bucket}"),
        None => format!("https://{bucket}.s3.{region}.{domain}"),
    }
}

/// Returns the value of an environment variable that is set to something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the credentials of the environment, or those of the container's role. They are asked for again for each request,
/// since a role's last some hours, and a job may last longer.
fn credentials() -> Result<Credentials, String> {
    if let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        return Ok(Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "environment"));
    }
    let (relative, full) =
        (variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    let url = match (relative, full) {
        (Some(path), _) if path.starts_with('/') => format!("{CONTAINER_HOST}{path}"),
        (None, Some(url)) => url,
        _ => {
            return Err(
                "the job has no credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY nor \
                        AWS_CONTAINER_CREDENTIALS_RELATIVE_URI are set"
                    .to_owned(),
            );
        }
    };
    if !may_give_credentials(&url) {
        return Err(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor at a container's own address".to_owned()
        );
    }
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(CONNECT))
        .max_redirects(0)
        .http_status_as_error(false)
        // The address is the container's own.
        .proxy(None)
        .build()
        .into();
    let mut request = agent.get(&url);
    let token = match variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(fs::read_to_string(path).map_err(|error| {
            format!("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE can't be read: {}", error.kind())
        })?),
        None => variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    if let Some(token) = token {
        request = request.header("Authorization", token.trim());
    }
    let wrong = |why: &str| format!("the container's credentials can't be had: {why}");
    let mut answer = request.call().map_err(|error| wrong(&in_words(&error)))?;
    if answer.status() != 200 {
        return Err(wrong(&format!("status {}", answer.status().as_u16())));
    }
    let body = answer.body_mut().with_config().limit(SMALL).read_to_vec();
    let body = body.map_err(|error| wrong(&in_words(&error)))?;
    let given: Given =
        serde_json::from_slice(&body).map_err(|_| wrong("the answer isn't what it must be"))?;
    Ok(Credentials::new(given.access_key_id, given.secret_access_key, given.token, None, "container"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

/// Whether the token may be sent to a URL: as AWS's SDKs have it, by TLS, or to the machine itself and to the addresses at
/// which ECS and EKS give credentials.
fn may_give_credentials(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        _ => return url.scheme() == "https",
    };
    let own = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
    url.scheme() == "https" || address.is_loopback() || own.contains(&address.to_string().as_str())
}

/// Returns what an answer that refuses says.
fn refusal(answer: &mut Response<Body>) -> Failure {
    let status = answer.status().as_u16();
    Failure::Refused(match code(answer) {
        code if code.is_empty() => format!("S3 answered with status {status}"),
        code => format!("S3 answered with status {status}, {code}"),
    })
}

fn unreached(error: &ureq::Error) -> Failure {
    Failure::Unreached(in_words(error))
}

/// Returns the code of S3's error, or nothing.
fn code(answer: &mut Response<Body>) -> String {
    let body = answer.body_mut().with_config().limit(SMALL).read_to_vec().unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    let inside = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = inside.map(|(code, _)| code).unwrap_or_default();
    let is_code = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_code { code.to_owned() } else { String::new() }
}

/// Returns an error's message, with nothing in it that a server sent.
fn in_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "it takes too long".to_owned(),
        ureq::Error::BodyExceedsLimit(limit) => {
            format!("it has more than the {limit} bytes that it may have")
        }
        ureq::Error::HostNotFound => "the host of S3 is unknown".to_owned(),
        ureq::Error::Io(error) => format!("the connection failed: {}", error.kind()),
        ureq::Error::BadUri(_) => "AWS_ENDPOINT_URL isn't a URL".to_owned(),
        _ => "the answer can't be read".to_owned(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Refused(why) | Self::Unreached(why)) = self;
        f.write_str(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_a_host_on_aws_and_a_path_elsewhere() {
        let url = |bucket, region, endpoint| bucket_url(bucket, region, endpoint);
        assert_eq!(url("data", "eu-west-1", None), "https://data.s3.eu-west-1.amazonaws.com");
        assert_eq!(url("data", "cn-north-1", None), "https://data.s3.cn-north-1.amazonaws.com.cn");
        assert_eq!(url("my.data", "eu-west-1", None), "https://s3.eu-west-1.amazonaws.com/my.data");
        let endpoint = Some("http://127.0.0.1:4566/");
        assert_eq!(url("data", "eu-west-1", endpoint), "http://127.0.0.1:4566/data");
    }

    #[test]
    fn a_token_is_sent_to_no_foreign_host_in_the_clear() {
        for url in [
            "https://creds.example.com/x",
            "http://127.0.0.1:80/x",
            "http://[::1]/x",
            "http://169.254.170.23/v1",
        ] {
            assert!(may_give_credentials(url), "{url}");
        }
        for url in [
            "http://creds.example.com/x",
            "http://localhost.example.com/",
            "http://10.0.0.1/x",
            "ftp://127.0.0.1.x/",
            "x",
        ] {
            assert!(!may_give_credentials(url), "{url}");
        }
    }
}
