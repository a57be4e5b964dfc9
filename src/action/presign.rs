//! Presigned URLs, with which anybody can read an object for some time.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;

use crate::aws::{Aws, Target, failure};
use crate::failure::{Failure, Outcome};
use crate::resource::split_uri;

/// How long a URL is valid: longer than a test event takes to reach the endpoint.
const GOOD_FOR: Duration = Duration::from_secs(300);

/// Returns a presigned URL for an S3 URI, and any other URL unchanged.
pub async fn presigned(aws: &Aws, url: &str) -> Outcome<String> {
    if !url.starts_with("s3://") {
        return Ok(url.to_owned());
    }
    let (bucket, key) = split_uri(url)?;
    let config = PresigningConfig::expires_in(GOOD_FOR)
        .map_err(|error| Failure::new("InvalidStep", error.to_string()))?;
    let request = aws.s3.get_object().bucket(bucket).key(key).presigned(config).await;
    Ok(request.map_err(|error| failure("GetObject", error))?.uri().to_owned())
}

/// Returns what a container's environment must name, so that it may fetch from an origin. For `s3://BUCKET` on AWS, that
/// is the origin of the presigned URLs of the bucket's objects. Elsewhere it is `s3://BUCKET` itself: where a server is
/// may change, and the container finds out when it starts. Any other origin is unchanged.
pub async fn origin(aws: &Aws, origin: &str) -> Outcome<String> {
    let url = match origin.strip_prefix("s3://") {
        Some(bucket) if aws.target == Target::Aws => {
            presigned(aws, &format!("s3://{}/any", bucket.trim_end_matches('/'))).await?
        }
        _ => return Ok(origin.trim_end_matches('/').to_owned()),
    };
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..].find('/').map_or(url.len(), |at| after_scheme + at);
    Ok(url[..end].to_owned())
}
