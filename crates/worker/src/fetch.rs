//! Fetches the image of a URL that an endpoint gets: only from origins that its environment allows, and never from its own
//! network, whatever a name resolves to and wherever a redirect leads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use opsml_contract::IMAGE_ORIGINS_ENV;
use ureq::config::Config;
use ureq::http::{Response, Uri, header::LOCATION};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body};
use url::{Host, Origin, Url};

/// The largest body of a request or of a fetched image: InvokeEndpoint's limit.
pub const MAX_BODY: usize = 6 << 20;
/// How long an image may take, redirects included: a small part of the 60 s of an invocation.
const TIME: Duration = Duration::from_secs(10);
/// The most redirects.
const MAX_REDIRECTS: u32 = 3;

/// Fetches images from some origins.
#[derive(Clone, Debug)]
pub struct Fetcher {
    origins: Vec<Origin>,
    time: Duration,
    resolver: Arc<dyn Resolver>,
}

impl Fetcher {
    /// What [`IMAGE_ORIGINS_ENV`] allows: origins (`https://images.example.com`, `http://127.0.0.1:4566`) with commas
    /// between them. `s3://BUCKET` is the origin of `s3`, the URL of the present S3.
    ///
    /// # Errors
    /// The part of it that isn't an origin.
    pub fn new(origins: &str, s3: Option<&str>) -> Result<Self, String> {
        let parts = origins.split(',').map(str::trim).filter(|part| !part.is_empty());
        let origins =
            parts.map(|part| origin(part, s3).map_err(|why| format!("{IMAGE_ORIGINS_ENV}: {part} {why}")));
        let origins = origins.collect::<Result<_, _>>()?;
        Ok(Self { origins, time: TIME, resolver: Arc::new(DefaultResolver::default()) })
    }

    /// Returns the bytes at a URL, at most [`MAX_BODY`]. It blocks.
    ///
    /// # Errors
    /// A message that contains nothing of a server's response.
    pub fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        if self.origins.is_empty() {
            return Err("URLs are off: an endpoint that fetches any URL can be used to attack its own \
                        network. Send {\"image\": base64}, or deploy it with the `image_origins` that it may fetch from"
                .to_owned());
        }
        let deadline = Instant::now() + self.time;
        let mut url = Url::parse(url).map_err(|error| format!("it isn't a URL: {error}"))?;
        for _ in 0..=MAX_REDIRECTS {
            let mut answer = self.ask(&url, deadline)?;
            let status = answer.status();
            if !status.is_redirection() {
                if !status.is_success() {
                    return Err(format!("its server answered with status {}", status.as_u16()));
                }
                let body = answer.body_mut().with_config().limit(MAX_BODY as u64).read_to_vec();
                return body.map_err(|error| self.in_words(&error));
            }
            let target = answer.headers().get(LOCATION).and_then(|target| target.to_str().ok());
            url = target.and_then(|target| url.join(target).ok()).ok_or("it is redirected to nowhere")?;
        }
        Err(format!("it is redirected more than {MAX_REDIRECTS} times"))
    }

    /// Requests one URL, and follows no redirect.
    fn ask(&self, url: &Url, deadline: Instant) -> Result<Response<Body>, String> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it contains credentials".to_owned());
        }
        let origin = url.origin();
        if !self.origins.contains(&origin) {
            let shown = match origin.is_tuple() {
                true => origin.ascii_serialization(),
                false => url.scheme().to_owned(),
            };
            return Err(format!("this endpoint may not fetch from {shown}"));
        }
        let named = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        let named = named.zip(url.port_or_known_default()).map(SocketAddr::from);
        let config = Agent::config_builder()
            .timeout_global(Some(deadline.saturating_duration_since(Instant::now())))
            .max_redirects(0)
            .http_status_as_error(false)
            // A proxy would resolve the name again.
            .proxy(None)
            .build();
        let guard = Guard { resolver: self.resolver.clone(), named };
        let agent = Agent::with_parts(config, DefaultConnector::default(), guard);
        agent.get(url.as_str()).call().map_err(|error| self.in_words(&error))
    }

    /// Returns an error's message, which contains nothing that a server sent.
    fn in_words(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::Timeout(_) => format!("it takes longer than {:?}", self.time),
            ureq::Error::BodyExceedsLimit(_) => format!("it is over {MAX_BODY} bytes"),
            ureq::Error::HostNotFound => "its host is unknown".to_owned(),
            ureq::Error::Io(error) => format!("the connection failed: {}", error.kind()),
            ureq::Error::Other(guarded) => guarded.to_string(),
            _ => "its server's response can't be read".to_owned(),
        }
    }
}

/// Reads an origin.
fn origin(part: &str, s3: Option<&str>) -> Result<Origin, &'static str> {
    if part.starts_with("s3://") {
        let s3 = s3.ok_or("has no address here: AWS_ENDPOINT_URL isn't set")?;
        return Url::parse(s3)
            .map(|url| url.origin())
            .map_err(|_| "has no address: AWS_ENDPOINT_URL isn't a URL");
    }
    // A path, a query or a user would look like a restriction, but would not be one.
    let bare = |url: &Url| {
        let rest = (url.path(), url.query(), url.fragment(), url.username(), url.password());
        matches!(url.scheme(), "http" | "https") && rest == ("/", None, None, "", None)
    };
    let url = Url::parse(part).ok().filter(bare);
    url.map(|url| url.origin()).ok_or("isn't an origin, such as https://images.example.com")
}

/// Resolves a name, and refuses it if it has an address that isn't public. The connection uses the returned addresses: the
/// name isn't resolved again, so it can't have changed in between.
#[derive(Debug)]
struct Guard {
    resolver: Arc<dyn Resolver>,
    /// The address in the URL, if its host is one: the origin is allowed explicitly.
    named: Option<SocketAddr>,
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        let allowed = |address: &SocketAddr| Some(*address) == self.named || is_public(address.ip());
        match found.iter().all(allowed) {
            true => Ok(found),
            false => Err(ureq::Error::Other("its host has an address that isn't public".into())),
        }
    }
}

/// Whether the internet routes to an address, by IANA's registries of special-purpose addresses:
/// <https://www.iana.org/assignments/iana-ipv4-special-registry>, <https://www.iana.org/assignments/iana-ipv6-special-registry>.
fn is_public(address: IpAddr) -> bool {
    // An address that wraps an IPv4 address counts as that.
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network; private; shared with a carrier (CGNAT); loopback; link-local, where metadata services are.
        [0 | 10 | 127, ..] | [100, 64..=127, ..] | [169, 254, ..] | [172, 16..=31, ..] | [192, 168, ..] => {
            true
        }
        // Assigned by the IETF, old 6to4 relays, benchmarks; documentation; multicast, reserved, broadcast.
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => true,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        [224..=255, ..] => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Global unicast is only 2000::/3, without loopback, unique-local, link-local, multicast and NAT64.
    let segments = address.segments();
    let global = segments[0] & 0xe000 == 0x2000;
    let special = match segments {
        // Assigned by the IETF (Teredo, which wraps IPv4, among them); documentation; 6to4, which wraps IPv4.
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x2002, ..] => true,
        [0x3fff, 0..=0x0fff, ..] => true,
        _ => false,
    };
    global && !special
}

#[cfg(test)]
mod tests;
