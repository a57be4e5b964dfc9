//! Accepts connections, and refuses requests that don't name this server. The number of connections is limited and each
//! has time-outs, so that a client that stalls doesn't block others.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use opsml_contract::names_loopback;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep};

/// The greatest number of connections at once. A job's worker holds a few, an SDK a dozen.
const CONNECTIONS: u32 = 512;
/// How long a request's head may take to arrive. A connection without a request is closed after the same time.
const HEAD: Duration = Duration::from_secs(75);
/// How long a body may pause.
const STALLED: Duration = Duration::from_secs(60);

/// Answers requests until `stop` is true or its sender is dropped. Returns when all requests that have begun are
/// answered.
pub async fn serve<F, A>(listener: TcpListener, answer: F, mut stop: watch::Receiver<bool>)
where
    F: Fn(Request<Body>) -> A + Clone + Send + 'static,
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
        let (answer, mut stop) = (answer.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (parts, body) = request.into_parts();
                let answered =
                    names_us(&parts).then(|| answer(Request::from_parts(parts, Body::new(Timed::new(body)))));
                async move {
                    Ok::<_, Infallible>(match answered {
                        Some(answered) => answered.await,
                        None => stranger(),
                    })
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), service);
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => Some(ended),
                _ = stop.wait_for(|stop| *stop) => None,
            };
            // An error is ignored: if a connection breaks off, only its client is affected.
            if ended.is_none() {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
            drop(place);
        });
    }
    // All permits are free once all connections have ended.
    let _ = places.acquire_many(CONNECTIONS).await;
}

fn names_us(request: &Parts) -> bool {
    let hosts = request.headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
    names_loopback(hosts, request.uri.authority().map(Authority::as_str))
}

/// Returns the answer to a request that names another server.
fn stranger() -> Response<Body> {
    let mut response = Response::new(Body::from("The Host header must name the loopback interface.\n"));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// A body that fails when nothing has arrived for [`STALLED`].
struct Timed {
    body: Incoming,
    /// Pinned, since a Sleep must not move.
    deadline: Pin<Box<Sleep>>,
}

impl Timed {
    fn new(body: Incoming) -> Self {
        Self { body, deadline: Box::pin(tokio::time::sleep(STALLED)) }
    }
}

impl hyper::body::Body for Timed {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                self.deadline.as_mut().reset(Instant::now() + STALLED);
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending if self.deadline.as_mut().poll(context).is_ready() => {
                let error = format!("nothing of the body arrived for {} s", STALLED.as_secs());
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
