//! S3's errors, in AWS's words, and their conversion into s3s's type.

use s3s::{S3Error, S3ErrorCode};
use serde_json::Value;

use crate::call::AwsError;

pub fn no_such_bucket() -> AwsError {
    AwsError::new(404, "NoSuchBucket", "The specified bucket does not exist")
}

pub fn no_such_key() -> AwsError {
    AwsError::new(404, "NoSuchKey", "The specified key does not exist.")
}

/// Returns the error for a failure of the disk. Nothing was changed.
pub fn disk(error: std::io::Error) -> AwsError {
    AwsError::internal(format!("the local cloud could not use its disk: {error}"))
}

/// Returns the error in s3s's type. Its members become headers.
pub fn to_s3(error: AwsError) -> S3Error {
    let code = match error.code.as_str() {
        "InternalFailure" => S3ErrorCode::InternalError,
        code => S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InternalError),
    };
    let mut mapped = S3Error::with_message(code, error.message);
    if let Ok(status) = hyper::StatusCode::from_u16(error.status) {
        mapped.set_status_code(status);
    }
    if !error.members.is_empty() {
        let xml = ("content-type".to_owned(), Value::from("application/xml"));
        let members = error.members.into_iter().chain([xml]);
        let headers = members.filter_map(|(name, value)| {
            Some((name.parse::<http::HeaderName>().ok()?, value.as_str()?.parse().ok()?))
        });
        mapped.set_headers(headers.collect());
    }
    mapped
}
