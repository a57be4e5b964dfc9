//! `opsml-worker serve`: the HTTP side of an endpoint's container, `/ping` and `/invocations`.
//!
//! One thread has the model and computes, because libtorch uses all cores. The runtime's blocking threads decode images, a
//! few at a time. The runtime's other threads only transfer bytes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, body::Bytes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use opsml_contract::{
    BIND_ADDRESS_ENV, BIND_PORT_ENV, IMAGE_ORIGINS_ENV, IMAGE_TYPES, names_loopback, worded,
};
use opsml_pictures::Picture;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::error::{Error, Result};
use crate::fetch::{Fetcher, MAX_BODY};
use crate::served::Served;

/// How long a request may take: InvokeEndpoint's limit.
const REQUEST_TIME: Duration = Duration::from_secs(60);
/// How long open requests may take after SIGTERM. SageMaker sends SIGKILL after 30 s.
const DRAIN_TIME: Duration = Duration::from_secs(25);
/// The most URLs that are fetched at the same time.
const FETCHES: usize = 16;
/// The most decoded images that wait for the model. More wait as undecoded bodies.
const QUEUE: usize = 8;

/// The most images that are computed together.
const TOGETHER: usize = 8;

/// A picture of the model's size, and the channel for its logits.
type Job = (Picture, oneshot::Sender<Result<Vec<f64>>>);

#[derive(Clone)]
struct Endpoint {
    model: mpsc::Sender<Job>,
    image_size: u32,
    decoders: Arc<Semaphore>,
    fetcher: Fetcher,
    fetches: Arc<Semaphore>,
}

/// A response with another status than 200: `{"error": message}`.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json(self.0, &serde_json::json!({ "error": self.1 }))
    }
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// Loads the model and serves until SIGTERM. Then accepts no new connection, completes the open requests and returns.
pub fn serve(model: &Path) -> Result<()> {
    let address = bind_address()?;
    let fetcher = Fetcher::new(&read(IMAGE_ORIGINS_ENV).unwrap_or_default(), s3_url().as_deref());
    let fetcher = fetcher.map_err(Error::new)?;
    let (sender, jobs) = mpsc::channel(QUEUE);
    let image_size = begin_to_compute(model.to_owned(), jobs)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(format!("can't start the server: {error}")))?;
    let served = runtime.block_on(answer(address, sender, image_size, fetcher));
    // Does not wait for a decoder that still runs after that time.
    runtime.shutdown_background();
    served
}

/// Returns an environment variable that is set and not empty.
fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the URL of S3, if the environment names it as the SDKs expect it. It does so where S3 isn't AWS's.
fn s3_url() -> Option<String> {
    read("AWS_ENDPOINT_URL_S3").or_else(|| read("AWS_ENDPOINT_URL"))
}

/// Returns the address and port that the environment names.
fn bind_address() -> Result<SocketAddr> {
    let address = match read(BIND_ADDRESS_ENV) {
        Some(text) => {
            text.parse().map_err(|_| Error::new(format!("{BIND_ADDRESS_ENV}={text} isn't an IP address")))?
        }
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let port = match read(BIND_PORT_ENV) {
        Some(text) => text.parse().map_err(|_| Error::new(format!("{BIND_PORT_ENV}={text} isn't a port")))?,
        None => 8080,
    };
    Ok(SocketAddr::new(address, port))
}

/// Starts the thread that loads the model and computes. Returns the width and height of the images that the model takes.
///
/// No other thread computes: each that did would have a pool of OpenMP's threads of its own, and where these are more than there
/// are cores, they sleep after each kernel and must be woken for the next.
fn begin_to_compute(model: PathBuf, jobs: mpsc::Receiver<Job>) -> Result<u32> {
    let (loaded, result) = oneshot::channel();
    thread::spawn(move || match Served::load(&model) {
        Ok(model) => {
            // It fails if the server has ended meanwhile.
            let _ = loaded.send(Ok(model.image_size()));
            compute(&model, jobs);
        }
        Err(error) => drop(loaded.send(Err(error))),
    });
    result.blocking_recv().unwrap_or_else(|_| Err(Error::new("the thread that loads the model died")))
}

async fn answer(
    address: SocketAddr,
    model: mpsc::Sender<Job>,
    image_size: u32,
    fetcher: Fetcher,
) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|error| Error::new(format!("can't listen for SIGTERM: {error}")))?;
    let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Error::new(format!("{address} is in use: set {BIND_PORT_ENV} to a free port"))
        }
        _ => Error::new(format!("can't listen on {address}: {error}")),
    })?;
    let address = listener.local_addr().unwrap_or(address);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (decoders, fetches) = (Arc::new(Semaphore::new(cores)), Arc::new(Semaphore::new(FETCHES)));
    let endpoint = Endpoint { model, image_size, decoders, fetcher, fetches };
    let router = Router::new()
        .route(
            "/ping",
            get(|State(endpoint): State<Endpoint>| async move {
                // The channel is closed only if the thread that computes has panicked.
                if endpoint.model.is_closed() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
            }),
        )
        .route("/invocations", post(invoke))
        .layer(axum::middleware::from_fn(limit_time))
        .layer(axum::middleware::from_fn_with_state(address, refuse_strangers))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(endpoint);
    println!("listening on {address}");

    let (drain, mut draining) = tokio::sync::watch::channel(false);
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        terminate.recv().await;
        let _ = drain.send(true);
    });
    tokio::select! {
        served = server.into_future() => served.map_err(|error| Error::new(format!("the server failed: {error}")))?,
        () = async {
            let _ = draining.wait_for(|draining| *draining).await;
            tokio::time::sleep(DRAIN_TIME).await;
        } => eprintln!("requests were still under way {} s after SIGTERM", DRAIN_TIME.as_secs()),
    }
    Ok(())
}

/// Computes logits until all senders are dropped. Pictures that wait are computed together, and none waits for others.
fn compute(model: &Served, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Vec::with_capacity(TOGETHER);
    while jobs.blocking_recv_many(&mut waiting, TOGETHER) > 0 {
        let (pictures, replies): (Vec<Picture>, Vec<_>) = waiting.drain(..).unzip();
        for (logits, reply) in model.logits(&pictures).into_iter().zip(replies) {
            // It fails if the client has disconnected.
            let _ = reply.send(logits);
        }
    }
}

/// Refuses requests that name another server, where this one is on the loopback interface: a web page in a browser may
/// reach it under a host name of its own. In a container, it is reached by names that it can't know.
async fn refuse_strangers(
    State(address): State<SocketAddr>,
    request: Request,
    next: axum::middleware::Next,
) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    let known = names_loopback(hosts, request.uri().authority().map(|named| named.as_str()));
    if known || !address.ip().is_loopback() {
        return next.run(request).await;
    }
    Refusal(StatusCode::FORBIDDEN, "the Host header must name the loopback interface".to_owned())
        .into_response()
}

async fn limit_time(request: Request, next: axum::middleware::Next) -> Response {
    match tokio::time::timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Refusal(StatusCode::REQUEST_TIMEOUT, format!("no answer within {} s", REQUEST_TIME.as_secs()))
                .into_response()
        }
    }
}

async fn invoke(
    State(endpoint): State<Endpoint>,
    headers: HeaderMap,
    body: std::result::Result<Bytes, BytesRejection>,
) -> std::result::Result<Response, Refusal> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is over {MAX_BODY} bytes: send a smaller image"),
        ),
        status => Refusal(status, rejection.body_text()),
    })?;
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let image = match media_type.as_str() {
        "application/x-image" => body,
        image if IMAGE_TYPES.contains(&image) => body,
        "application/json" => match image_in_json(&body)? {
            ImageSource::Image(image) => image,
            ImageSource::Url(url) => endpoint.fetch(url).await?,
        },
        _ => {
            return Err(Refusal(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!(
                    "content type {content_type:?} isn't supported: send application/json, application/x-image, or {}",
                    IMAGE_TYPES.join(", ")
                ),
            ));
        }
    };
    // Decoded images are large, so the number of decoders is limited.
    let permit = endpoint.decoders.clone().acquire_owned().await.map_err(|_| internal("shutting down"))?;
    let size = endpoint.image_size;
    let decoded = tokio::task::spawn_blocking(move || {
        let picture = Picture::decode(&image).and_then(|picture| picture.resize(size));
        drop(permit);
        picture
    });
    let picture = decoded
        .await
        .unwrap_or_else(|_| Err("its decoder failed".to_owned()))
        .map_err(|why| Refusal(StatusCode::BAD_REQUEST, format!("the image can't be used: {why}")))?;
    let (reply, answer) = oneshot::channel();
    endpoint.model.send((picture, reply)).await.map_err(|_| internal("the model has failed"))?;
    let logits = answer
        .await
        .map_err(|_| internal("the model has failed"))?
        .map_err(|error| internal(&error.to_string()))?;
    if logits.iter().any(|logit| !logit.is_finite()) {
        return Err(internal("the model gave a number that JSON can't represent: its weights are broken"));
    }
    Ok(json(StatusCode::OK, &serde_json::json!([logits])))
}

fn internal(why: &str) -> Refusal {
    Refusal(StatusCode::INTERNAL_SERVER_ERROR, why.to_owned())
}

impl Endpoint {
    async fn fetch(&self, url: String) -> std::result::Result<Bytes, Refusal> {
        let permit = self.fetches.clone().acquire_owned().await.map_err(|_| internal("shutting down"))?;
        let fetcher = self.fetcher.clone();
        let fetched = tokio::task::spawn_blocking(move || {
            let image = fetcher.get(&url);
            drop(permit);
            image
        });
        let image = fetched.await.unwrap_or_else(|_| Err("fetching it failed".to_owned()));
        image
            .map(Bytes::from)
            .map_err(|why| Refusal(StatusCode::BAD_REQUEST, format!("the URL can't be used: {why}")))
    }
}

/// The image of a JSON body, or its URL.
enum ImageSource {
    Image(Bytes),
    Url(String),
}

/// Reads `{"image": base64}` or `{"url": …}`.
fn image_in_json(body: &[u8]) -> std::result::Result<ImageSource, Refusal> {
    let bad = |why: &str| Refusal(StatusCode::BAD_REQUEST, why.to_owned());
    let value: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| bad(&format!("the body isn't JSON: {}", worded(&error))))?;
    let text = |key: &str| value.get(key).and_then(|value| value.as_str());
    match (text("image"), text("url")) {
        (Some(image), None) => BASE64
            .decode(image)
            .map(|image| ImageSource::Image(image.into()))
            .map_err(|error| bad(&format!("\"image\" isn't base64: {error}"))),
        (None, Some(url)) => Ok(ImageSource::Url(url.to_owned())),
        _ => Err(bad("the body needs one of {\"image\": base64} and {\"url\": …}")),
    }
}
