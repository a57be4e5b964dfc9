//! The two services that the program calls: Lambda's Runtime API, and SageMaker's runtime.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The endpoint's answer.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    /// `x-amzn-errortype`, or nothing.
    pub error_type: &'static str,
    pub body: Vec<u8>,
}

/// A request to an endpoint: its name, the content type, the body.
pub type Asked = (String, String, Vec<u8>);

struct Services {
    events: AsyncMutex<mpsc::UnboundedReceiver<Vec<u8>>>,
    /// `response` or `error`, and its JSON.
    answers: mpsc::UnboundedSender<(String, Value)>,
    endpoint: Mutex<Answer>,
    asked: Mutex<Vec<Asked>>,
}

/// A running function, and the services around it.
pub struct Function {
    services: Arc<Services>,
    events: mpsc::UnboundedSender<Vec<u8>>,
    answers: mpsc::UnboundedReceiver<(String, Value)>,
    pub child: Child,
}

impl Function {
    /// Starts the program. `endpoint` is the value of `ENDPOINT_NAME`, which is unset if None.
    pub async fn start(endpoint: Option<&str>) -> Self {
        let (events, next_events) = mpsc::unbounded_channel();
        let (answer, answers) = mpsc::unbounded_channel();
        let services = Arc::new(Services {
            events: AsyncMutex::new(next_events),
            answers: answer,
            endpoint: Mutex::new(Answer { status: 200, error_type: "", body: b"[[1.5, -2]]".to_vec() }),
            asked: Mutex::default(),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{outcome}", post(answered))
            .route("/endpoints/{name}/invocations", post(invoke))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(services.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut command = Command::new(env!("CARGO_BIN_EXE_opsml-handler"));
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "function")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_SESSION_TOKEN", "token")
            .env("AWS_ENDPOINT_URL", format!("http://{address}"))
            .envs(endpoint.map(|name| ("ENDPOINT_NAME", name)))
            .stderr(Stdio::piped());
        Self { services, events, answers, child: command.spawn().unwrap() }
    }

    /// Sends an event, and returns `response` or `error`, and its JSON.
    pub async fn send(&mut self, event: impl Into<Vec<u8>>) -> (String, Value) {
        self.events.send(event.into()).unwrap();
        tokio::time::timeout(PATIENCE, self.answers.recv()).await.expect("no answer").unwrap()
    }

    /// Sends an event that must fail, and returns errorType and errorMessage.
    pub async fn fail(&mut self, event: impl Into<Vec<u8>>) -> (String, String) {
        let (outcome, error) = self.send(event).await;
        assert_eq!(outcome, "error", "{error}");
        let text = |key: &str| error[key].as_str().unwrap().to_owned();
        (text("errorType"), text("errorMessage"))
    }

    pub fn endpoint_answers(&self, status: u16, error_type: &'static str, body: impl Into<Vec<u8>>) {
        *self.services.endpoint.lock().unwrap() = Answer { status, error_type, body: body.into() };
    }

    /// Returns the requests to the endpoint since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.services.asked.lock().unwrap())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn next(State(services): State<Arc<Services>>) -> Response {
    // Like Lambda, wait until there is an event.
    match services.events.lock().await.recv().await {
        Some(event) => {
            let headers = [
                ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
                ("lambda-runtime-deadline-ms", "4102444800000"),
                ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:f"),
                ("content-type", "application/json"),
            ];
            (headers, event).into_response()
        }
        None => StatusCode::GONE.into_response(),
    }
}

async fn answered(
    State(services): State<Arc<Services>>,
    Path((_, outcome)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    services.answers.send((outcome, serde_json::from_slice(&body).unwrap())).unwrap();
    StatusCode::ACCEPTED
}

async fn invoke(
    State(services): State<Arc<Services>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    assert!(headers["authorization"].to_str().unwrap().contains("/us-east-1/sagemaker/aws4_request"));
    let content_type = headers["content-type"].to_str().unwrap().to_owned();
    services.asked.lock().unwrap().push((name, content_type, body.to_vec()));
    let answer = services.endpoint.lock().unwrap().clone();
    let error_type = Some(("x-amzn-errortype", answer.error_type)).filter(|(_, text)| !text.is_empty());
    let status = StatusCode::from_u16(answer.status).unwrap();
    (status, axum::response::AppendHeaders(error_type), answer.body).into_response()
}
