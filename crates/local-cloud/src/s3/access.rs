//! Finds the caller of each request, and authorises every operation before its handler is called.

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Request, S3Result, s3_error};

use super::arn::{bucket_arn, object_arn};
use super::error::to_s3;
use super::operations::{Needs, needs};
use super::sent::Sent;
use super::store::ObjectStore;
use crate::authority::Access;
use crate::call::{AwsError, Caller};
use crate::policy::Context;
use crate::support::connection::OverTls;

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
        let headers = cx.headers().clone();
        let sent = Sent::new(&headers, cx.uri().query());
        let caller = self.signer(cx, &sent)?;
        sent.check_signed().map_err(to_s3)?;
        let operation = cx.s3_op().name();
        let mut context = sent.context(operation, !caller.is_anonymous());
        let action = match needs(operation) {
            Some(Needs::Action(action)) => Some(action),
            Some(Needs::Version { latest, named }) => {
                Some(if sent.query("versionId").is_some() { named } else { latest })
            }
            Some(Needs::EachObject) => None,
            None => {
                return Err(s3_error!(NotImplemented, "The local cloud does not support {operation} of S3."));
            }
        };
        if let Some(action) = action {
            let (bucket, access) = match cx.s3_path() {
                S3Path::Root => ("", Access::new(action, "*")),
                S3Path::Bucket { bucket } => (&**bucket, Access::new(action, bucket_arn(bucket))),
                S3Path::Object { bucket, key } => {
                    context = self.with_tags(context, bucket, key, sent.query("versionId")).map_err(to_s3)?;
                    (&**bucket, Access::new(action, object_arn(bucket, key)))
                }
            };
            // Who uploads an object with tags must be allowed both.
            if sent.header("x-amz-tagging").is_some() {
                let tagging = Access::new("s3:PutObjectTagging", &*access.resource).with(context.clone());
                self.authorize(&caller, bucket, tagging).map_err(to_s3)?;
            }
            self.authorize(&caller, bucket, access.with(context.clone())).map_err(to_s3)?;
        }
        sent.check_owner(&self.cloud.account).map_err(to_s3)?;
        sent.check_acl(operation).map_err(to_s3)?;
        sent.check_understood(operation).map_err(to_s3)?;
        sent.check_length(operation).map_err(to_s3)?;
        sent.check_numbers().map_err(to_s3)?;
        cx.extensions_mut().insert(caller);
        cx.extensions_mut().insert(context);
        Ok(())
    }
}

impl ObjectStore {
    /// Returns the caller whose key signed. An unsigned request has the anonymous caller.
    fn signer(&self, cx: &mut S3AccessContext<'_>, sent: &Sent<'_>) -> S3Result<Caller> {
        let (agent, over_tls) = (sent.header("user-agent"), cx.extensions_mut().get::<OverTls>().is_some());
        let Some(credentials) = cx.credentials() else {
            return Ok(Caller::anonymous().calling(agent, over_tls));
        };
        let Some(credential) = self.iam.credential(&credentials.access_key) else {
            return Err(s3_error!(InvalidAccessKeyId));
        };
        if let Some(expected) = &credential.session_token
            && sent.header(TOKEN_HEADER).or(sent.query("X-Amz-Security-Token")) != Some(expected)
        {
            return Err(s3_error!(InvalidToken, "The provided token is malformed or otherwise invalid."));
        }
        self.iam.used(&credential, "s3", &self.cloud.region);
        Ok(credential.caller.clone().calling(agent, over_tls))
    }

    /// Adds the tags of the object that a request names, if it is there.
    fn with_tags(
        &self,
        context: Context,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Context, AwsError> {
        let found = self.index.get(bucket, key, version)?;
        let tags = found.into_iter().flat_map(|found| found.record.headers.tags);
        Ok(tags.fold(context, |context, (key, value)| {
            context.with(&format!("s3:ExistingObjectTag/{key}"), value)
        }))
    }
}

/// Returns the caller of a request that [`S3Access::check`] has allowed.
pub fn caller<T>(request: &S3Request<T>) -> S3Result<Caller> {
    request.extensions.get().cloned().ok_or_else(|| s3_error!(AccessDenied, "Access Denied"))
}

/// Returns the condition keys of a request that [`S3Access::check`] has allowed.
pub fn context<T>(request: &S3Request<T>) -> Context {
    request.extensions.get().cloned().unwrap_or_default()
}
