//! The answer to an invocation that the function itself didn't answer, in the words of AWS's supervisor.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use bytes::Bytes;
use serde_json::{Value, json};

use super::api::MAX_RESPONSE;

/// Why the function gave no answer.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The error type, such as `Runtime.ExitError`.
    pub kind: String,
    pub payload: Bytes,
}

pub const TIMED_OUT: &str = "Sandbox.Timedout";
pub const TOO_LARGE: &str = "Function.ResponseSizeTooLarge";
pub const INVALID_ENTRYPOINT: &str = "Runtime.InvalidEntrypoint";
pub const EXITED: &str = "Runtime.ExitError";
/// After these errors, there is no process that could get another event.
pub const FATAL: [&str; 3] = [TIMED_OUT, INVALID_ENTRYPOINT, EXITED];
/// The beginning of the message of a fault before the first request.
pub const NO_REQUEST: &str = "RequestId: -";

impl Fault {
    pub fn timed_out() -> Self {
        Self { kind: TIMED_OUT.to_owned(), payload: Bytes::new() }
    }

    /// Returns the fault that a process reported. `default` is its type if the report names none.
    pub fn reported(payload: Bytes, default: &str) -> Self {
        Self { kind: error_type(&payload).unwrap_or_else(|| default.to_owned()), payload }
    }

    /// Returns the fault of a process that ended by itself. `id` is the request's id, or empty.
    pub fn exited(status: Option<ExitStatus>, id: &str) -> Self {
        let request = if id.is_empty() { NO_REQUEST.to_owned() } else { format!("RequestId: {id}") };
        let message = format!("{request} Error: {}", exit_message(status));
        Self { kind: EXITED.to_owned(), payload: error_payload(EXITED, &message) }
    }
}

pub fn error_payload(kind: &str, message: &str) -> Bytes {
    Bytes::from(json!({"errorType": kind, "errorMessage": message}).to_string())
}

pub fn error_type(body: &[u8]) -> Option<String> {
    let error: Value = serde_json::from_slice(body).ok()?;
    error["errorType"].as_str().map(str::to_owned)
}

pub fn too_large(length: usize) -> Bytes {
    let message = format!(
        "Response payload size ({length} bytes) exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
    );
    error_payload(TOO_LARGE, &message)
}

fn exit_message(status: Option<ExitStatus>) -> String {
    let signal = match status.map(|status| (status.code(), status.signal())) {
        Some((Some(0), _)) | None => return "Runtime exited without providing a reason".to_owned(),
        Some((Some(code), _)) => return format!("Runtime exited with error: exit status {code}"),
        Some((None, signal)) => signal.unwrap_or_default(),
    };
    // AWS's supervisor is written in Go, so the names are those of its syscall.Signal.
    let name = match signal {
        4 => "illegal instruction".to_owned(),
        6 => "aborted".to_owned(),
        7 => "bus error".to_owned(),
        8 => "floating point exception".to_owned(),
        9 => "killed".to_owned(),
        11 => "segmentation fault".to_owned(),
        15 => "terminated".to_owned(),
        other => format!("signal {other}"),
    };
    format!("Runtime exited with error: signal: {name}")
}
