//! One synchronous request to a function.

use std::time::Instant;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::aws::{Aws, failure};
use crate::failure::Outcome;

#[derive(Clone, Debug)]
pub struct Answer {
    /// 200 even if the function failed.
    pub status_code: i32,
    /// What the function returned, or a description of its error.
    pub payload: Vec<u8>,
    /// `Handled` or `Unhandled` if the function failed.
    pub function_error: Option<String>,
    /// The last 4 KB of the request's log.
    pub log: String,
    pub executed_version: Option<String>,
    /// Seconds from the request's start to the answer's end.
    pub seconds: f64,
}

/// Sends `payload` to a function, or to the version or alias `qualifier` of it.
pub async fn invoke_function(
    aws: &Aws,
    name: &str,
    qualifier: Option<&str>,
    payload: Vec<u8>,
) -> Outcome<Answer> {
    let started = Instant::now();
    let answer = aws
        .lambda
        .invoke()
        .function_name(name)
        .set_qualifier(qualifier.map(str::to_owned))
        .log_type(LogType::Tail)
        .payload(Blob::new(payload))
        .send()
        .await
        .map_err(|error| failure("Invoke", error))?;
    let log = STANDARD.decode(answer.log_result().unwrap_or_default()).unwrap_or_default();
    Ok(Answer {
        status_code: answer.status_code(),
        function_error: answer.function_error().map(str::to_owned),
        log: String::from_utf8_lossy(&log).into_owned(),
        executed_version: answer.executed_version().map(str::to_owned),
        seconds: started.elapsed().as_secs_f64(),
        payload: answer.payload.map(Blob::into_inner).unwrap_or_default(),
    })
}
