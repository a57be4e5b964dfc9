//! HTTP with a container that serves: `/ping` and `/invocations`.
//! <https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html>

use std::error::Error;
use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, timeout_at};

/// AWS's limit for a body, of requests and answers (botocore: `Body`, max).
pub const MAX_BODY: usize = 6_291_456;
const CUSTOM_ATTRIBUTES: HeaderName = HeaderName::from_static("x-amzn-sagemaker-custom-attributes");

static CLIENT: LazyLock<Client<HttpConnector, Full<Bytes>>> =
    LazyLock::new(|| Client::builder(TokioExecutor::new()).build_http());

/// The error of a container, as in InvokeEndpoint's ModelError.
pub struct ModelError {
    /// The container's status. 0: there was no answer.
    pub original_status: u16,
    pub original_message: String,
    pub message: String,
}

impl ModelError {
    /// Returns the error if the container didn't answer in time.
    pub fn timed_out() -> Self {
        Self::unanswered(
            "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for \
             each container in Amazon CloudWatch, resolve the issue, and try again.",
        )
    }

    fn unanswered(message: &str) -> Self {
        Self {
            original_status: 0,
            original_message: message.to_owned(),
            message: format!("Received server error (0) from primary with message \"{message}\"."),
        }
    }

    /// Returns the error for an answer that isn't a success.
    fn answered(status: StatusCode, body: &[u8]) -> Self {
        let text: String = String::from_utf8_lossy(body).chars().take(1000).collect();
        let side = if status.is_client_error() { "client" } else { "server" };
        let code = status.as_u16();
        Self {
            original_status: code,
            message: format!("Received {side} error ({code}) from primary with message \"{text}\"."),
            original_message: text,
        }
    }
}

/// Why there is no answer for the client.
pub enum Failure {
    /// The container never got the request.
    Unreached,
    Model(ModelError),
}

/// Returns whether a container answers `/ping` with 200.
pub async fn ping(port: u16) -> bool {
    let uri = format!("http://127.0.0.1:{port}/ping");
    let Ok(request) = Request::get(uri).body(Full::default()) else { return false };
    CLIENT.request(request).await.is_ok_and(|response| response.status() == StatusCode::OK)
}

/// Sends an invocation to a container, and returns the answer. Of the headers, only those are passed on that AWS passes
/// on.
///
/// # Errors
/// The container's error; there is no answer by `deadline`.
pub async fn invoke(
    port: u16,
    headers: &HeaderMap,
    body: Bytes,
    deadline: Instant,
) -> Result<Response<Bytes>, Failure> {
    let unanswered = |message: &str| Failure::Model(ModelError::unanswered(message));
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://127.0.0.1:{port}/invocations"))
        .body(Full::new(body))
        .map_err(|error| unanswered(&error.to_string()))?;
    copy(headers, request.headers_mut(), &[CONTENT_TYPE, ACCEPT, CUSTOM_ATTRIBUTES]);
    let (parts, body) = match timeout_at(deadline, exchange(request)).await {
        Err(_) => return Err(Failure::Model(ModelError::timed_out())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(unanswered("the response is larger than 6 MB"));
        }
        Ok(Err(error)) if error.downcast_ref::<ClientError>().is_some_and(ClientError::is_connect) => {
            return Err(Failure::Unreached);
        }
        Ok(Err(_)) => return Err(unanswered("the container closed the connection before it answered")),
        Ok(Ok(answer)) => answer,
    };
    if !parts.status.is_success() {
        return Err(Failure::Model(ModelError::answered(parts.status, &body)));
    }
    let mut response = Response::new(body);
    copy(&parts.headers, response.headers_mut(), &[CONTENT_TYPE, CUSTOM_ATTRIBUTES]);
    Ok(response)
}

async fn exchange(request: Request<Full<Bytes>>) -> Result<(Parts, Bytes), Box<dyn Error + Send + Sync>> {
    let (parts, body) = CLIENT.request(request).await?.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await?.to_bytes();
    Ok((parts, body))
}

fn copy(from: &HeaderMap, to: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        if let Some(value) = from.get(name) {
            to.insert(name, value.clone());
        }
    }
}
