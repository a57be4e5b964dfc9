//! Answers what a client sends to AWS's own hosts through this server as its proxy (`HTTPS_PROXY`).
//!
//! SageMaker's Python SDK builds the URL of STS itself, and reports its use to a bucket of AWS's: no setting of an endpoint
//! changes that. Its HTTP client asks the proxy for a connection to such a host (CONNECT, RFC 9110, section 9.3.6). This
//! server then is that host, with a certificate of its own authority, which `opsml cloud env` has the client trust. A
//! connection to any other host is passed through.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::HOST;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::certificates::Certificates;
use super::connection::{self, OverTls};

/// How long a TLS handshake, or a connection to another host, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Answers a CONNECT request, and then what comes through the tunnel, until it ends or `stop` is true. It keeps `place`
/// meanwhile.
pub fn open<F, A>(
    request: Request<Incoming>,
    answer: F,
    certificates: Arc<Certificates>,
    mut stop: watch::Receiver<bool>,
    place: Arc<OwnedSemaphorePermit>,
) -> Response<Body>
where
    F: Fn(Request<Body>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let Some(target) = request.uri().authority().filter(|target| target.port().is_some()).cloned() else {
        return refused("CONNECT names a host and a port.\n");
    };
    tokio::spawn(async move {
        let _place = place;
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut client = TokioIo::new(upgraded);
        if !is_of_aws(target.host()) {
            // Where the host can't be reached, the tunnel closes: a proxy can't say more once it has agreed.
            let through = async {
                let host = timeout(PATIENCE, TcpStream::connect(target.as_str())).await.ok()?;
                tokio::io::copy_bidirectional(&mut client, &mut host.ok()?).await.ok()
            };
            tokio::select! {
                _ = through => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            return;
        }
        let Ok(settings) = certificates.of(target.host()) else { return };
        let accepted = timeout(PATIENCE, TlsAcceptor::from(settings).accept(client)).await;
        // A client that doesn't trust the authority ends the handshake.
        let Ok(Ok(stream)) = accepted else { return };
        let host = target.host().to_owned();
        let entrance = |mut request: Request<Incoming>| {
            request.extensions_mut().insert(OverTls);
            let (answer, is_for_it) = (answer.clone(), names(&request, &host));
            async move {
                match is_for_it {
                    true => connection::answered(request, answer).await,
                    false => refused("The Host header must name the host of the tunnel.\n"),
                }
            }
        };
        connection::serve(stream, entrance, stop).await;
    });
    Response::new(Body::empty())
}

/// Whether a host is one of AWS's. The URLs of functions end with `.on.aws`.
fn is_of_aws(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    [".amazonaws.com", ".amazonaws.com.cn", ".on.aws"].iter().any(|domain| host.ends_with(domain))
}

fn names(request: &Request<Incoming>, host: &str) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter().map(HeaderValue::as_bytes);
    let (first, second) = (hosts.next().and_then(|host| str::from_utf8(host).ok()), hosts.next());
    let without_port = first.map(|first| first.split(':').next().unwrap_or(first));
    second.is_none() && without_port.is_some_and(|name| name.eq_ignore_ascii_case(host))
}

fn refused(why: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(why));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_aws_and_no_others() {
        for host in [
            "sts.us-east-1.amazonaws.com",
            "s3.cn-north-1.amazonaws.com.cn",
            "STS.AmazonAWS.com",
            "abc.lambda-url.us-east-1.on.aws",
        ] {
            assert!(is_of_aws(host), "{host}");
        }
        for host in
            ["amazonaws.com.evil.test", "notamazonaws.com", "pypi.org", "amazonaws.com", "moon.aws", ""]
        {
            assert!(!is_of_aws(host), "{host}");
        }
    }
}
