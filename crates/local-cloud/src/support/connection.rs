//! Serves the requests of one connection. Time-outs end it, so that a client that stalls doesn't block others.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, timeout};

/// How long a request's head may take to arrive. A connection without a request is closed after the same time.
pub(super) const HEAD: Duration = Duration::from_secs(75);
/// How long a body may pause.
const STALLED: Duration = Duration::from_secs(60);
/// How much of a body, in bytes, is read after its request was answered, and how long it may pause meanwhile: a client that
/// waits for the answer before it sends the body gets it then.
const REST: usize = 64 << 20;
const REST_PAUSE: Duration = Duration::from_millis(300);

/// A request's extension: it came over TLS.
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

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

/// Answers a request whose body fails when it stalls. What the answer has left of the body is read, so that the client has
/// sent it when it reads the answer, and can send its next request. If that is too much, or if the client still waits for
/// leave to send its body, the connection is closed, and the answer says so (RFC 9110, sections 9.3 and 10.1.1): botocore
/// takes a status that comes in place of `100 Continue` for that of the connection's next answer, too.
pub async fn answered<A>(
    request: Request<Incoming>,
    answer: impl FnOnce(Request<Body>) -> A,
) -> Response<Body>
where
    A: Future<Output = Response<Body>>,
{
    let (parts, body) = request.into_parts();
    let expected = parts.headers.get(EXPECT).is_some_and(|value| value == "100-continue");
    let body = Arc::new(Mutex::new(Timed::new(body)));
    let left = Left(Arc::clone(&body));
    let mut response = answer(Request::from_parts(parts, Body::new(left))).await;
    // Whoever still reads the body reads it to its end.
    let Some(body) = Arc::into_inner(body) else { return response };
    let mut body = body.into_inner().unwrap_or_else(PoisonError::into_inner);
    let read = match expected && !body.begun {
        // Reading it would be the leave to send it.
        true => false,
        false => body.read_rest().await,
    };
    if !read {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The body of a request, of which the rest is read after its answer is made.
struct Left(Arc<Mutex<Timed>>);

impl Left {
    fn body(&self) -> MutexGuard<'_, Timed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Left {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}

/// A body that fails when nothing has arrived for [`STALLED`].
struct Timed {
    body: Incoming,
    /// Whether someone has read of it. An empty one can't be read of.
    begun: bool,
    /// Pinned, since a Sleep must not move.
    deadline: Pin<Box<Sleep>>,
}

impl Timed {
    fn new(body: Incoming) -> Self {
        Self { body, begun: false, deadline: Box::pin(tokio::time::sleep(STALLED)) }
    }

    /// Reads the rest, of at most [`REST`] bytes and without a pause of [`REST_PAUSE`]. Returns whether that was all.
    async fn read_rest(&mut self) -> bool {
        let mut read = 0;
        while read <= REST {
            let next = poll_fn(|context| HttpBody::poll_frame(Pin::new(&mut *self), context));
            match timeout(REST_PAUSE, next).await {
                Ok(Some(Ok(frame))) => read += frame.data_ref().map_or(0, Bytes::len),
                Ok(None) => return true,
                Ok(Some(Err(_))) | Err(_) => return false,
            }
        }
        false
    }
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.begun |= !self.body.is_end_stream();
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
