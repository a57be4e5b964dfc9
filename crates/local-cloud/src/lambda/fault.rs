//! What is told of an invocation that the function did not answer, in the words of AWS's own supervisor.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use bytes::Bytes;
use serde_json::{Value, json};

use super::api::MAX_RESPONSE;

/// Why there is no answer of the function's.
#[derive(Clone, Debug)]
pub struct Fault {
    /// `Runtime.ExitError`.
    pub kind: String,
    pub payload: Bytes,
}

pub const TIMED_OUT: &str = "Sandbox.Timedout";
pub const TOO_LARGE: &str = "Function.ResponseSizeTooLarge";
pub const INVALID_ENTRYPOINT: &str = "Runtime.InvalidEntrypoint";
/// Stands for the request in the message of a fault that came before there was one.
pub const NO_REQUEST: &str = "RequestId: -";
/// After these the process is of no use.
pub const ENDS: [&str; 3] = [TIMED_OUT, INVALID_ENTRYPOINT, "Runtime.ExitError"];

pub fn error_payload(kind: &str, message: &str) -> Bytes {
    Bytes::from(json!({"errorType": kind, "errorMessage": message}).to_string())
}

pub fn error_type(body: &[u8]) -> Option<String> {
    let told: Value = serde_json::from_slice(body).ok()?;
    told["errorType"].as_str().map(str::to_owned)
}

pub fn told_fault(payload: Bytes, default: &str) -> Fault {
    Fault { kind: error_type(&payload).unwrap_or_else(|| default.to_owned()), payload }
}

pub fn too_large(length: usize) -> Bytes {
    let message = format!(
        "Response payload size ({length} bytes) exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
    );
    error_payload(TOO_LARGE, &message)
}

/// A process that ended by itself, in the words of AWS's own supervisor.
pub fn exit_fault(status: Option<ExitStatus>, id: &str) -> Fault {
    let request = if id.is_empty() { NO_REQUEST.to_owned() } else { format!("RequestId: {id}") };
    let how = match status.map(|status| (status.code(), status.signal())) {
        Some((Some(0), _)) | None => "Runtime exited without providing a reason".to_owned(),
        Some((Some(code), _)) => format!("Runtime exited with error: exit status {code}"),
        Some((None, signal)) => {
            let name = match signal.unwrap_or_default() {
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
    };
    let kind = "Runtime.ExitError";
    Fault { kind: kind.to_owned(), payload: error_payload(kind, &format!("{request} Error: {how}")) }
}
