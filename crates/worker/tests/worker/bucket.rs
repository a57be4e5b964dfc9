//! An S3 with one bucket, as a job sees it: it keeps what is written to it, or refuses.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::job::Job;

pub const NAME: &str = "shared-bucket";
const PREFIX: &str = "some features";
/// What the container's credentials are given for.
const TOKEN: &str = "a-token";

#[derive(Default)]
struct Kept {
    /// Contents by key.
    objects: BTreeMap<String, Vec<u8>>,
    refused: Vec<Method>,
    /// An object that can't be read.
    hidden: Option<String>,
}

/// The server, which ends with the process.
pub struct Bucket {
    kept: Arc<Mutex<Kept>>,
    url: String,
}

impl Bucket {
    pub fn serve() -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&kept));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { kept, url }
    }

    /// Makes it refuse requests of a kind.
    pub fn refuse(&self, methods: &[Method]) {
        let mut kept = self.lock();
        (kept.refused, kept.hidden) = (methods.to_vec(), None);
    }

    /// Makes it refuse to read one object.
    pub fn refuse_one(&self) {
        let mut kept = self.lock();
        kept.hidden = kept.objects.keys().next().cloned();
    }

    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().objects.clone()
    }

    pub fn change(&self, change: impl Fn(&mut Vec<u8>)) {
        self.lock().objects.values_mut().for_each(change);
    }

    pub fn clear(&self) {
        self.lock().objects.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place that jobs share, as a hyperparameter.
    pub fn place(&self) -> String {
        format!("s3://{NAME}/{PREFIX}")
    }

    /// Returns the command of a job whose role's credentials are in its environment.
    pub fn command(&self, job: &Job) -> Command {
        let mut command = self.bare_command(job);
        command
            .env("AWS_ACCESS_KEY_ID", "AKID")
            .env("AWS_SECRET_ACCESS_KEY", "key")
            .env("AWS_SESSION_TOKEN", "t");
        command
    }

    /// Returns the command of a job that has no credentials yet.
    pub fn bare_command(&self, job: &Job) -> Command {
        let mut command = job.command("train");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("NO_PROXY", "127.0.0.1");
        command
    }

    /// Returns the command of a job that gets its role's credentials as on SageMaker.
    pub fn container_command(&self, job: &Job, token: &str) -> Command {
        let mut command = self.bare_command(job);
        command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/credentials", self.url));
        command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", token);
        command
    }

    /// Trains, and returns the log. Fails the test if training fails.
    pub fn train(&self, job: &Job) -> String {
        log(&self.command(job).output().unwrap())
    }
}

/// Returns the log of a job, which must not have failed.
pub fn log(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn answer(State(kept): State<Arc<Mutex<Kept>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if parts.uri.path() == "/credentials" {
        if header("authorization") != TOKEN {
            return StatusCode::FORBIDDEN.into_response();
        }
        return r#"{"AccessKeyId": "AKID", "SecretAccessKey": "key", "Token": "t", "Expiration": "2030-01-01T00:00:00Z"}"#.into_response();
    }
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let signed = header("authorization");
    assert!(signed.contains("Credential=AKID/") && signed.contains("/eu-west-1/s3/aws4_request"), "{signed}");
    assert_eq!(header("x-amz-security-token"), "t");
    assert_eq!(header("x-amz-content-sha256"), hex::encode(Sha256::digest(&body)));
    let error = |status: StatusCode, code: &str| {
        (status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>")).into_response()
    };
    let prefix = format!("/{NAME}/some%20features/");
    let Some(key) = parts.uri.path().strip_prefix(&prefix).map(str::to_owned) else {
        return error(StatusCode::NOT_FOUND, "NoSuchBucket");
    };
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.refused.contains(&parts.method)
        || (parts.method == Method::GET && kept.hidden.as_ref() == Some(&key))
    {
        return error(StatusCode::FORBIDDEN, "AccessDenied");
    }
    match parts.method {
        Method::PUT => {
            kept.objects.insert(key, body.to_vec());
            StatusCode::OK.into_response()
        }
        _ => match kept.objects.get(&key) {
            Some(content) => Bytes::from(content.clone()).into_response(),
            None => error(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
    }
}
