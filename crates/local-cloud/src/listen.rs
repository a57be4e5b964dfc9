//! Takes connections: so many at once, each with time-outs, so that a client that stalls keeps nobody else out.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep};

/// Connections at once. A job's worker holds a few, an SDK a dozen.
const CONNECTIONS: u32 = 512;
/// How long a request's head may take to come; so long is a connection kept between requests, too.
const HEAD: Duration = Duration::from_secs(75);
/// How long nothing may come of a body that isn't whole yet.
const STALLED: Duration = Duration::from_secs(60);

/// Answers requests until `stop` is true, and then those that are under way.
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
            // A sender that is gone stops as well.
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok((stream, _)) = accepted else {
            // The client is gone, or there are too many files open: the next one may do better.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        // Small answers must not wait for the client's acknowledgement; where that can't be set, they do.
        let _ = stream.set_nodelay(true);
        let (answer, mut stop) = (answer.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answered = answer(request.map(|body| Body::new(Timed::new(body))));
                async move { Ok::<_, Infallible>(answered.await) }
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
            // A connection that breaks off is the client's affair.
            if ended.is_none() {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
            drop(place);
        });
    }
    // Every place is free once every connection has ended.
    let _ = places.acquire_many(CONNECTIONS).await;
}

/// A body that fails where nothing comes any more.
struct Timed {
    body: Incoming,
    /// Boxed, since it must not move.
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
                let error = format!("nothing came of the body for {} s", STALLED.as_secs());
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
