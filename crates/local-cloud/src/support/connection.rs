//! Serves the requests of one connection. Time-outs end it, so that a client that stalls doesn't block others.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

/// How long a request's head may take to arrive. A connection without a request is closed after the same time.
const HEAD: Duration = Duration::from_secs(75);
/// How long a body may pause.
const STALLED: Duration = Duration::from_secs(60);

/// Answers the requests of a connection until its client ends it. Once `stop` is true, or its sender is dropped, the request
/// that has begun is the last one.
pub async fn serve<I, F, A>(stream: I, answer: F, mut stop: watch::Receiver<bool>)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Fn(Request<Incoming>) -> A,
    A: Future<Output = Response<Body>>,
{
    let service = service_fn(|request| {
        let answered = answer(request);
        async { Ok::<_, Infallible>(answered.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        // The wait also ends when the sender is dropped.
        _ = stop.wait_for(|stop| *stop) => None,
    };
    // An error is ignored: if a connection breaks off, only its client is affected.
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// Returns a request whose body fails when it stalls.
pub fn timed(request: Request<Incoming>) -> Request<Body> {
    request.map(|body| Body::new(Timed::new(body)))
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
