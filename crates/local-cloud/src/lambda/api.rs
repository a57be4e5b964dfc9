//! The Runtime API of an execution environment, on a port of its own. Its process gets events by it and answers them.
//!
//! As in AWS's "Lambda runtime API": `GET …/invocation/next` waits for an event, `POST …/invocation/ID/response` and
//! `…/ID/error` answer it, `POST …/init/error` reports that the process could not be initialised.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::support::clock::now_ms;
use crate::support::id;
use crate::support::listen;
use crate::support::lock::locked;

/// AWS's limit for a response, in bytes.
pub const MAX_RESPONSE: usize = 6_291_556;
const PREFIX: &str = "/2018-06-01/runtime/";

/// An invocation as a process gets it.
#[derive(Clone, Debug)]
pub struct Event {
    pub request_id: String,
    pub payload: Bytes,
    /// Milliseconds since the epoch.
    pub deadline_ms: i64,
    /// The ARN with the qualifier by which it was invoked.
    pub function_arn: String,
    /// In JSON.
    pub client_context: Option<String>,
}

/// A message of a process.
#[derive(Debug)]
pub enum Message {
    /// It asks for the next event.
    Next,
    Response(Bytes),
    /// A response that is longer than allowed, with its length in bytes.
    TooLarge(usize),
    Error(Bytes),
    InitError(Bytes),
}

/// The API of one environment. It ends when this is dropped.
#[derive(Debug)]
pub struct Api {
    pub port: u16,
    events: mpsc::UnboundedSender<Event>,
    messages: mpsc::UnboundedReceiver<Message>,
    _stop: watch::Sender<bool>,
}

struct Shared {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    messages: mpsc::UnboundedSender<Message>,
    /// The id of the request that the process has got and not answered yet.
    current: Mutex<Option<String>>,
}

impl Api {
    /// Starts to listen.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (events, waiting_events) = mpsc::unbounded_channel();
        let (sender, messages) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            events: tokio::sync::Mutex::new(waiting_events),
            messages: sender,
            current: Mutex::default(),
        });
        let answer = move |request: Request<Body>| {
            let shared = Arc::clone(&shared);
            async move { shared.answer(request).await }
        };
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(listen::serve(listener, answer, None, stopping));
        Ok(Self { port, events, messages, _stop: stop })
    }

    /// Gives an event to the process when it asks for one.
    pub fn send(&self, event: Event) {
        // The receiver lives as long as the API.
        let _ = self.events.send(event);
    }

    /// Returns the process's next message, however long that takes.
    pub async fn message(&mut self) -> Message {
        match self.messages.recv().await {
            Some(message) => message,
            None => std::future::pending().await,
        }
    }

    /// Returns a message that has arrived already, if there is one.
    pub fn arrived_message(&mut self) -> Option<Message> {
        self.messages.try_recv().ok()
    }

    /// Drops the messages that have arrived so far.
    pub fn discard_messages(&mut self) {
        while self.messages.try_recv().is_ok() {}
    }
}

impl Shared {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method(), &parts[..]) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, kind @ ("response" | "error")]) => {
                self.answered(id, *kind == "error", request.into_body()).await
            }
            (&Method::POST, ["init", "error"]) => {
                let body = to_bytes(request.into_body(), MAX_RESPONSE).await.unwrap_or_default();
                let _ = self.messages.send(Message::InitError(body));
                accepted()
            }
            _ => refused(StatusCode::NOT_FOUND, "InvalidPath", "The Runtime API has no such path."),
        }
    }

    async fn next(&self) -> Response<Body> {
        let _ = self.messages.send(Message::Next);
        let Some(event) = self.events.lock().await.recv().await else {
            return refused(StatusCode::GONE, "Gone", "The environment has ended.");
        };
        *locked(&self.current) = Some(event.request_id.clone());
        let mut response = Response::new(Body::from(event.payload));
        event_headers(
            response.headers_mut(),
            [
                ("lambda-runtime-aws-request-id", event.request_id),
                ("lambda-runtime-deadline-ms", event.deadline_ms.to_string()),
                ("lambda-runtime-invoked-function-arn", event.function_arn),
                ("lambda-runtime-trace-id", trace_id()),
                ("lambda-runtime-client-context", event.client_context.unwrap_or_default()),
            ],
        );
        response
    }

    async fn answered(&self, id: &str, is_error: bool, body: Body) -> Response<Body> {
        if locked(&self.current).as_deref() != Some(id) {
            return refused(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID");
        }
        // The bytes beyond the limit are counted, but not kept.
        let mut kept = Vec::new();
        let mut length = 0;
        let mut frames = body.into_data_stream();
        while let Some(frame) = futures::StreamExt::next(&mut frames).await {
            let Ok(frame) = frame else {
                return refused(StatusCode::BAD_REQUEST, "InvalidBody", "The body broke off.");
            };
            length += frame.len();
            if length <= MAX_RESPONSE {
                kept.extend_from_slice(&frame);
            }
        }
        // If there are two answers, the first one counts.
        if locked(&self.current).take_if(|current| current == id).is_none() {
            return refused(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID");
        }
        if length > MAX_RESPONSE {
            let _ = self.messages.send(Message::TooLarge(length));
            let message = format!("Exceeded maximum allowed payload size ({MAX_RESPONSE} bytes).");
            return refused(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message);
        }
        let body = Bytes::from(kept);
        let _ = self.messages.send(if is_error { Message::Error(body) } else { Message::Response(body) });
        accepted()
    }
}

fn event_headers<const N: usize>(headers: &mut HeaderMap, values: [(&'static str, String); N]) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes())
            && !value.is_empty()
        {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Returns X-Ray's header for a request that is not traced.
fn trace_id() -> String {
    format!("Root=1-{:08x}-{};Parent={};Sampled=0", now_ms() / 1000, id::hex::<12>(), id::hex::<8>())
}

fn accepted() -> Response<Body> {
    json_response(StatusCode::ACCEPTED, &json!({"status": "OK"}))
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    json_response(status, &json!({"errorMessage": message, "errorType": kind}))
}

fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
