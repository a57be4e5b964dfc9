//! Accepts connections, with TLS or without, and refuses requests that don't name this server. The number of connections is
//! limited.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use opsml_contract::names_loopback;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::certificates::Certificates;
use super::connection::{self, HEAD, OverTls};
use super::tunnel::{self, PATIENCE};

/// The greatest number of connections at once. A job's worker holds a few, an SDK a dozen.
const CONNECTIONS: u32 = 512;

/// Answers requests until `stop` is true or its sender is dropped. Returns when all requests that have begun are
/// answered. With certificates, connections may begin TLS, and requests that a client sends to AWS's own hosts through this
/// server as its proxy are answered, too.
pub async fn serve<F, A>(
    listener: TcpListener,
    answer: F,
    certificates: Option<Arc<Certificates>>,
    mut stop: watch::Receiver<bool>,
) where
    F: Fn(Request<Body>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS as usize));
    loop {
        // The semaphore is never closed.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // The wait also ends when the sender is dropped.
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok((stream, _)) = accepted else {
            // The client has disconnected, or too many files are open. The next connection may succeed.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        // So that small answers don't wait for the client's acknowledgement. If this fails, they wait.
        let _ = stream.set_nodelay(true);
        let (answer, certificates, stop) = (answer.clone(), certificates.clone(), stop.clone());
        let stopping = stop.clone();
        let place = Arc::new(place);
        tokio::spawn(async move {
            let over_tls = match &certificates {
                Some(_) => begins_tls(&stream, stop.clone()).await,
                None => Some(false),
            };
            let Some(over_tls) = over_tls else { return };
            let own = certificates.as_ref().filter(|_| over_tls).map(|certificates| certificates.own());
            let entrance = |mut request: Request<Incoming>| {
                if over_tls {
                    request.extensions_mut().insert(OverTls);
                }
                let (answer, certificates) = (answer.clone(), certificates.clone());
                let (stop, place) = (stopping.clone(), place.clone());
                async move {
                    match certificates {
                        // A tunnel keeps the place of its connection.
                        Some(certificates) if request.method() == Method::CONNECT => {
                            tunnel::open(request, answer, certificates, stop, place)
                        }
                        _ if names_us(&request) => connection::answered(request, answer).await,
                        _ => stranger(),
                    }
                }
            };
            match own {
                None => connection::serve(stream, entrance, stop).await,
                Some(settings) => {
                    let Ok(settings) = settings else { return };
                    let accepted = timeout(PATIENCE, TlsAcceptor::from(settings).accept(stream)).await;
                    // A client that doesn't trust the authority ends the handshake.
                    let Ok(Ok(stream)) = accepted else { return };
                    connection::serve(stream, entrance, stop).await;
                }
            }
        });
    }
    // All permits are free once all connections have ended.
    let _ = places.acquire_many(CONNECTIONS).await;
}

/// Returns whether a connection's first byte is that of a TLS handshake (RFC 8446, section 5.1). No request begins with it.
/// None: no byte comes.
async fn begins_tls(stream: &TcpStream, mut stop: watch::Receiver<bool>) -> Option<bool> {
    let mut first = [0];
    tokio::select! {
        peeked = timeout(HEAD, stream.peek(&mut first)) => matches!(peeked, Ok(Ok(1))).then(|| first == [22]),
        _ = stop.wait_for(|stop| *stop) => None,
    }
}

fn names_us(request: &Request<Incoming>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().map(HeaderValue::as_bytes);
    names_loopback(hosts, request.uri().authority().map(Authority::as_str))
}

/// Returns the answer to a request that names another server.
fn stranger() -> Response<Body> {
    let mut response = Response::new(Body::from("The Host header must name the loopback interface.\n"));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
