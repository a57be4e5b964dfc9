//! Who may do what: the key that signed becomes a caller, the operation an IAM action on a bucket or object.

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use super::{Objects, bucket_arn, object_arn};
use crate::call::{AwsError, Caller};
use crate::iam::Context;

const TOKEN_HEADER: &str = "x-amz-security-token";

#[async_trait::async_trait]
impl S3Auth for Objects {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.cloud.iam.credential(access_key) {
            Some(credential) if credential.expired() => {
                Err(s3_error!(ExpiredToken, "The provided token has expired."))
            }
            Some(credential) => Ok(credential.secret_access_key.as_str().into()),
            None => Err(s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            )),
        }
    }
}

#[async_trait::async_trait]
impl S3Access for Objects {
    /// Runs for every operation, after the signature held and before a body is read.
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let who = self.signer(cx)?;
        let versioned = query(cx, "versionId").is_some();
        let (bucket, resource, object) = match cx.s3_path() {
            S3Path::Root => ("", "*".to_owned(), false),
            S3Path::Bucket { bucket } => (&**bucket, bucket_arn(bucket), false),
            S3Path::Object { bucket, key } => (&**bucket, object_arn(bucket, key), true),
        };
        // Each object that DeleteObjects names is checked by itself.
        if cx.s3_op().name() != "DeleteObjects" {
            let action = action(cx.s3_op().name(), versioned);
            let mut context = Context::new();
            if !object && let Some(prefix) = query(cx, "prefix") {
                context = context.with("s3:prefix", prefix);
            }
            self.authorize(&who, &format!("s3:{action}"), bucket, &resource, &context).map_err(to_s3)?;
        }
        cx.extensions_mut().insert(who);
        Ok(())
    }
}

impl Objects {
    /// Whose key signed; a request without a signature may be allowed to everybody.
    fn signer(&self, cx: &S3AccessContext<'_>) -> S3Result<Caller> {
        let Some(credentials) = cx.credentials() else { return Ok(Caller::anonymous()) };
        let Some(credential) = self.cloud.iam.credential(&credentials.access_key) else {
            return Err(s3_error!(InvalidAccessKeyId));
        };
        if let Some(expected) = &credential.session_token
            && presented_token(cx).as_deref() != Some(expected)
        {
            return Err(s3_error!(InvalidToken, "The provided token is malformed or otherwise invalid."));
        }
        self.cloud.iam.used(&credential, "s3", &self.cloud.region);
        Ok(credential.caller.clone())
    }
}

/// The IAM action that an operation needs; most share its name.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>
fn action(operation: &str, versioned: bool) -> &str {
    match operation {
        "GetObject" | "HeadObject" if versioned => "GetObjectVersion",
        "GetObject" | "HeadObject" => "GetObject",
        "PutObject"
        | "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload"
        | "PostObject" => "PutObject",
        "DeleteObject" if versioned => "DeleteObjectVersion",
        "AbortMultipartUpload" => "AbortMultipartUpload",
        "ListParts" => "ListMultipartUploadParts",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        "ListBuckets" => "ListAllMyBuckets",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "PutBucketPublicAccessBlock",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "PutEncryptionConfiguration",
        "DeleteBucketTagging" => "PutBucketTagging",
        other => other,
    }
}

/// The token of a header, or of a presigned URL.
fn presented_token(cx: &S3AccessContext<'_>) -> Option<String> {
    let header = cx.headers().get(TOKEN_HEADER).and_then(|value| value.to_str().ok());
    header.map(str::to_owned).or_else(|| query(cx, "X-Amz-Security-Token"))
}

/// A parameter of the query, decoded.
fn query(cx: &S3AccessContext<'_>, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(cx.uri().query()?.as_bytes());
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Who makes a request that [`S3Access::check`] let through.
pub fn caller<T>(request: &S3Request<T>) -> S3Result<Caller> {
    request.extensions.get().cloned().ok_or_else(|| s3_error!(AccessDenied, "Access Denied"))
}

/// The cloud's error as s3s's.
pub fn to_s3(error: AwsError) -> S3Error {
    let code = S3ErrorCode::from_bytes(error.code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    let code = if error.code == "InternalFailure" { S3ErrorCode::InternalError } else { code };
    let mut mapped = S3Error::with_message(code, error.message);
    if let Ok(status) = hyper::StatusCode::from_u16(error.status) {
        mapped.set_status_code(status);
    }
    mapped
}
