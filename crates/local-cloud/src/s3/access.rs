//! Finds the caller of each request, and authorises every operation before its handler is called.

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Request, S3Result, s3_error};

use super::arn::{bucket_arn, object_arn};
use super::error::to_s3;
use super::operations::{Needs, needs};
use super::store::ObjectStore;
use crate::authority::Access;
use crate::call::Caller;
use crate::policy::Context;

const TOKEN_HEADER: &str = "x-amz-security-token";

#[async_trait::async_trait]
impl S3Auth for ObjectStore {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.iam.credential(access_key) {
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
impl S3Access for ObjectStore {
    /// Authorises a request. s3s calls this for every operation that it has, after it has verified the signature and
    /// before it reads a body.
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let caller = self.signer(cx)?;
        let operation = cx.s3_op().name();
        let action = match needs(operation) {
            Some(Needs::Action(action)) => Some(action),
            Some(Needs::Version { latest, named }) => {
                Some(if query(cx, "versionId").is_some() { named } else { latest })
            }
            Some(Needs::EachObject) => None,
            None => {
                return Err(s3_error!(NotImplemented, "The local cloud does not support {operation} of S3."));
            }
        };
        if let Some(action) = action {
            let (bucket, access) = match cx.s3_path() {
                S3Path::Root => ("", Access::new(action, "*")),
                S3Path::Bucket { bucket } => {
                    let prefix = query(cx, "prefix");
                    let context = prefix.map(|prefix| Context::new().with("s3:prefix", prefix));
                    (&**bucket, Access::new(action, bucket_arn(bucket)).with(context.unwrap_or_default()))
                }
                S3Path::Object { bucket, key } => (&**bucket, Access::new(action, object_arn(bucket, key))),
            };
            self.authorize(&caller, bucket, access).map_err(to_s3)?;
        }
        cx.extensions_mut().insert(caller);
        Ok(())
    }
}

impl ObjectStore {
    /// Returns the caller whose key signed. An unsigned request has the anonymous caller.
    fn signer(&self, cx: &S3AccessContext<'_>) -> S3Result<Caller> {
        let Some(credentials) = cx.credentials() else { return Ok(Caller::anonymous()) };
        let Some(credential) = self.iam.credential(&credentials.access_key) else {
            return Err(s3_error!(InvalidAccessKeyId));
        };
        if let Some(expected) = &credential.session_token
            && presented_token(cx).as_deref() != Some(expected)
        {
            return Err(s3_error!(InvalidToken, "The provided token is malformed or otherwise invalid."));
        }
        self.iam.used(&credential, "s3", &self.cloud.region);
        Ok(credential.caller.clone())
    }
}

/// Returns the session token in a header or in a presigned URL.
fn presented_token(cx: &S3AccessContext<'_>) -> Option<String> {
    let header = cx.headers().get(TOKEN_HEADER).and_then(|value| value.to_str().ok());
    header.map(str::to_owned).or_else(|| query(cx, "X-Amz-Security-Token"))
}

/// Returns a parameter of the query, decoded.
fn query(cx: &S3AccessContext<'_>, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(cx.uri().query()?.as_bytes());
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Returns the caller of a request that [`S3Access::check`] has allowed.
pub fn caller<T>(request: &S3Request<T>) -> S3Result<Caller> {
    request.extensions.get().cloned().ok_or_else(|| s3_error!(AccessDenied, "Access Denied"))
}
