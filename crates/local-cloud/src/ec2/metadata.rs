//! The instance metadata service, IMDSv2. Each instance's is on a port of its own, since 169.254.169.254 can't be
//! served without the kernel's help.
//!
//! As on AWS, an instance gets the credentials of its role only here.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as Clock};

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::instance::Instance;
use super::service::{Ec2, PRINCIPAL};
use super::{group, images, keys};
use crate::authority::Session;
use crate::policy::Context;
use crate::support::clock::iso_seconds;
use crate::support::listen;
use crate::support::lock::locked;

const TOKEN: &str = "x-aws-ec2-metadata-token";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// Credentials that expire sooner than this are replaced. AWS replaces them at least five minutes before they expire.
const RENEW: SignedDuration = SignedDuration::from_mins(15);
/// The highest number of valid tokens. Only a client in an endless loop asks for more.
const TOKENS: usize = 1000;

/// One instance's metadata.
#[derive(Debug)]
pub struct Metadata {
    ec2: Arc<Ec2>,
    instance: Instance,
    /// The tokens, and when they expire.
    tokens: Mutex<HashMap<String, Clock>>,
    /// The role's ARN and its credentials.
    session: Mutex<Option<(String, Session)>>,
    /// When a spot instance will be interrupted.
    notice: Mutex<Option<Timestamp>>,
}

/// The server of an instance's metadata. It ends when this is dropped.
#[derive(Debug)]
pub struct Listener {
    pub port: u16,
    _stop: watch::Sender<bool>,
}

/// An answer.
struct Found {
    body: Vec<u8>,
    /// How many seconds a token lasts.
    ttl: Option<u64>,
}

impl From<String> for Found {
    fn from(text: String) -> Self {
        Self { body: text.into_bytes(), ttl: None }
    }
}

struct Refusal(StatusCode, &'static str);

const NOT_FOUND: Refusal = Refusal(StatusCode::NOT_FOUND, "404 - Not Found");

impl Metadata {
    pub fn new(ec2: Arc<Ec2>, instance: Instance) -> Arc<Self> {
        Arc::new(Self {
            ec2,
            instance,
            tokens: Mutex::default(),
            session: Mutex::default(),
            notice: Mutex::default(),
        })
    }

    pub async fn listen(self: &Arc<Self>) -> std::io::Result<Listener> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let metadata = self.clone();
        let answer = move |request: Request<Body>| {
            let metadata = metadata.clone();
            async move { metadata.answer(&request) }
        };
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(listen::serve(listener, answer, None, stopping));
        Ok(Listener { port, _stop: stop })
    }

    /// Announces to the instance when it will be interrupted.
    pub fn give_notice(&self, at: Timestamp) {
        *locked(&self.notice) = Some(at);
    }

    fn answer(&self, request: &Request<Body>) -> Response<Body> {
        let (status, Found { body, ttl }) = match self.respond(request) {
            Ok(found) => (StatusCode::OK, found),
            Err(Refusal(status, why)) => (status, Found::from(why.to_owned())),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        // This tells a client when to ask for the next token.
        if let Some(seconds) = ttl {
            response.headers_mut().insert(TTL, HeaderValue::from(seconds));
        }
        response
    }

    fn respond(&self, request: &Request<Body>) -> Result<Found, Refusal> {
        let forbidden = Refusal(StatusCode::FORBIDDEN, "403 - Forbidden");
        if !self.instance.metadata.enabled {
            return Err(forbidden);
        }
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let path = request.uri().path();
        match (request.method(), path) {
            // As on AWS, a request for a token that came through a proxy is refused.
            (&Method::PUT, "/latest/api/token") if request.headers().contains_key("x-forwarded-for") => {
                Err(forbidden)
            }
            (&Method::PUT, "/latest/api/token") => self.token(header(TTL)),
            (&Method::GET, _) => {
                let end = header(TOKEN).map(|token| locked(&self.tokens).get(token).copied());
                let valid = match end {
                    Some(end) => end.is_some_and(|end| end > Clock::now()),
                    None => !self.instance.metadata.token_required,
                };
                if !valid {
                    return Err(Refusal(StatusCode::UNAUTHORIZED, "401 - Unauthorized"));
                }
                self.get(path)
            }
            _ => Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "405 - Method Not Allowed")),
        }
    }

    fn token(&self, ttl: Option<&str>) -> Result<Found, Refusal> {
        let seconds = ttl.and_then(|ttl| ttl.parse().ok()).filter(|ttl| (1..=21_600).contains(ttl));
        let seconds = seconds.ok_or(Refusal(StatusCode::BAD_REQUEST, "400 - Bad Request"))?;
        let token = BASE64_URL_SAFE.encode(rand::random::<[u8; 40]>());
        let now = Clock::now();
        let mut tokens = locked(&self.tokens);
        tokens.retain(|_, end| *end > now);
        if tokens.len() >= TOKENS {
            return Err(Refusal(StatusCode::TOO_MANY_REQUESTS, "429 - Too Many Requests"));
        }
        tokens.insert(token.clone(), now + Duration::from_secs(seconds));
        Ok(Found { body: token.into_bytes(), ttl: Some(seconds) })
    }

    fn get(&self, path: &str) -> Result<Found, Refusal> {
        let path = path.strip_prefix("/latest/").ok_or(NOT_FOUND)?;
        match path {
            "user-data" => {
                let data = self.instance.user_data.as_deref().ok_or(NOT_FOUND)?;
                Ok(Found { body: BASE64_STANDARD.decode(data).unwrap_or_default(), ttl: None })
            }
            "dynamic/instance-identity/document" => Ok(self.document().into()),
            _ => {
                let path = path.strip_prefix("meta-data").ok_or(NOT_FOUND)?;
                self.lookup(path.strip_prefix('/').unwrap_or(path)).map(Found::from).ok_or(NOT_FOUND)
            }
        }
    }

    /// Returns one entry of `meta-data/`, or the names in a folder of it.
    fn lookup(&self, path: &str) -> Option<String> {
        let entries = self.entries();
        if let Some((_, text)) = entries.iter().find(|(name, _)| name == path) {
            return Some(text.clone());
        }
        let folder = path.trim_end_matches('/');
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        // A key is listed with its number and its name.
        if let (Some(key), "public-keys") = (&self.instance.key, folder) {
            return Some(format!("0={key}"));
        }
        let mut names: Vec<String> = Vec::new();
        for rest in entries.iter().filter_map(|(name, _)| name.strip_prefix(&prefix)) {
            let name = rest.split_once('/').map_or_else(|| rest.to_owned(), |(name, _)| format!("{name}/"));
            if !names.contains(&name) {
                names.push(name);
            }
        }
        (!names.is_empty()).then(|| names.join("\n"))
    }

    fn entries(&self) -> Vec<(String, String)> {
        let (cloud, instance) = (&self.ec2.cloud, &self.instance);
        let zone = &instance.zone;
        let groups = group::all(cloud).unwrap_or_default();
        let groups: Vec<&str> = groups
            .iter()
            .filter(|group| instance.groups.contains(&group.id))
            .map(|group| &*group.name)
            .collect();
        let life_cycle = if instance.spot.is_some() { "spot" } else { "on-demand" };
        let mut entries: Vec<(String, String)> = [
            ("ami-id", &*instance.image),
            ("ami-launch-index", &instance.index.to_string()),
            ("hostname", &instance.host_name(cloud)),
            ("instance-action", "none"),
            ("instance-id", &instance.id),
            ("instance-life-cycle", life_cycle),
            ("instance-type", &instance.kind),
            ("local-hostname", &instance.host_name(cloud)),
            ("local-ipv4", &instance.address),
            ("placement/availability-zone", zone),
            ("placement/region", &cloud.region),
            ("reservation-id", &instance.reservation),
            ("security-groups", &groups.join("\n")),
            ("services/domain", "amazonaws.com"),
            ("services/partition", "aws"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into();
        let mut add = |name: &str, text: String| entries.push((name.to_owned(), text));
        if let Some(key) = instance.key.as_deref().and_then(|name| keys::by_name(cloud, name).ok()) {
            add("public-keys/0/openssh-key", key.public_key);
        }
        if let Some(at) = *locked(&self.notice) {
            let at = iso_seconds(at);
            add("spot/instance-action", json!({"action": "terminate", "time": at}).to_string());
            add("spot/termination-time", at);
        }
        if let Some(profile) = &instance.profile {
            let now = iso_seconds(Timestamp::now());
            let credentials = self.credentials();
            let code = credentials.as_ref().map_or("AssumeRoleUnauthorizedAccess", |_| "Success");
            let info = json!({
                "Code": code, "LastUpdated": now, "InstanceProfileArn": profile.arn, "InstanceProfileId": profile.id,
            });
            add("iam/info", info.to_string());
            if let Some(role) = self.role() {
                let name = role.rsplit('/').next().unwrap_or_default();
                let answer = match credentials {
                    Some(session) => json!({
                        "Code": "Success",
                        "LastUpdated": now,
                        "Type": "AWS-HMAC",
                        "AccessKeyId": session.access_key_id,
                        "SecretAccessKey": session.secret_access_key,
                        "Token": session.session_token,
                        "Expiration": iso_seconds(session.expiration),
                    }),
                    None => json!({
                        "Code": "AssumeRoleUnauthorizedAccess",
                        "Message": format!("EC2 cannot assume the role {name}."),
                        "LastUpdated": now,
                    }),
                };
                add(&format!("iam/security-credentials/{name}"), answer.to_string());
            }
        }
        entries
    }

    /// Returns the ARN of the present role of the instance's profile.
    fn role(&self) -> Option<String> {
        let profile = self.instance.profile.as_ref()?;
        self.ec2.iam.instance_profile(&profile.name).ok().flatten()?.role_arn
    }

    /// Returns credentials of the role, and renews them before they expire. None: there is no role, or EC2 may not
    /// assume it.
    fn credentials(&self) -> Option<Session> {
        let role = self.role()?;
        let mut kept = locked(&self.session);
        if let Some((of, session)) = &*kept
            && *of == role
            && !ends_soon(session.expiration, Timestamp::now())
        {
            return Some(session.clone());
        }
        let session = self.ec2.iam.assume_role(&role, PRINCIPAL, &self.instance.id, &Context::new()).ok()?;
        *kept = Some((role, session.clone()));
        Some(session)
    }

    fn document(&self) -> String {
        let instance = &self.instance;
        let document = json!({
            "accountId": self.ec2.cloud.account,
            "architecture": images::ARCHITECTURE,
            "availabilityZone": instance.zone,
            "billingProducts": null,
            "devpayProductCodes": null,
            "marketplaceProductCodes": null,
            "imageId": instance.image,
            "instanceId": instance.id,
            "instanceType": instance.kind,
            "kernelId": null,
            "pendingTime": iso_seconds(instance.launched),
            "privateIp": instance.address,
            "ramdiskId": null,
            "region": self.ec2.cloud.region,
            "version": "2017-09-30",
        });
        format!("{document:#}")
    }
}

fn ends_soon(expiration: Timestamp, now: Timestamp) -> bool {
    expiration - RENEW <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_renewed_before_they_end() {
        let now = Timestamp::now();
        assert!(!ends_soon(now + SignedDuration::from_mins(16), now));
        assert!(ends_soon(now + SignedDuration::from_mins(15), now));
        assert!(ends_soon(now - SignedDuration::from_mins(1), now));
    }
}
