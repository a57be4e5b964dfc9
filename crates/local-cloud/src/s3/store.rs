//! Buckets and objects, for S3's operations and for other services.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::arn::{bucket_arn, object_arn};
use super::blobs::{Blobs, Written};
use super::bucket::{BUCKET, Bucket};
use super::bucket_policy::is_public;
use super::checksums::{by_name, default_hasher};
use super::error::{disk, no_such_bucket, no_such_key};
use super::index::{
    Condition, Cursor, DEFAULT_TYPE, Deleted, Headers, Index, NULL_VERSION, Record, Refused, Version,
};
use super::objects::{Listed, Objects};
use crate::authority::{Access, Authority};
use crate::call::{AwsError, Caller};
use crate::cloud::Cloud;
use crate::policy::{Context, Document};
use crate::support::clock::now_ms;

/// The buckets and objects. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ObjectStore {
    pub cloud: Arc<Cloud>,
    pub iam: Arc<dyn Authority>,
    pub index: Index,
    pub blobs: Blobs,
}

impl ObjectStore {
    /// Creates the folders for objects' bytes, and deletes files that a crash has left there.
    pub fn open(cloud: &Arc<Cloud>, iam: Arc<dyn Authority>) -> Result<Self, AwsError> {
        let index = Index::new(cloud.store.clone());
        let blobs = Blobs::open(&cloud.settings.dir, &index.files()?).map_err(disk)?;
        Ok(Self { cloud: Arc::clone(cloud), iam, index, blobs })
    }

    /// Checks that `caller` has an access to a bucket or an object in it.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn authorize(&self, caller: &Caller, bucket: &str, access: Access) -> Result<(), AwsError> {
        let stored = self.cloud.store.get::<Bucket>(BUCKET, bucket)?;
        let block = stored.as_ref().and_then(|bucket| bucket.public_access_block);
        let restricted = block.is_some_and(|block| block.restrict_public_buckets);
        let policy = stored.and_then(|bucket| bucket.policy);
        let policy = policy.map(|text| Document::resource(&text).map_err(AwsError::internal)).transpose()?;
        // In a restricted bucket, a public policy applies only to the account, to which every signed request belongs
        // here.
        let policy = policy.filter(|policy| !(restricted && caller.is_anonymous() && is_public(policy)));
        let account = Context::new().with("s3:ResourceAccount", &*self.cloud.account);
        let context = access.context.clone().or(account);
        self.iam.authorize(caller, &access.with(context).with_policy(policy)).map_err(|error| {
            match caller.is_anonymous() {
                true => AwsError::new(403, "AccessDenied", "Access Denied"),
                false => error,
            }
        })
    }

    pub fn bucket(&self, name: &str) -> Result<Bucket, AwsError> {
        self.cloud.store.get(BUCKET, name)?.ok_or_else(no_such_bucket)
    }

    pub fn change_bucket(&self, name: &str, change: impl FnOnce(&mut Bucket)) -> Result<(), AwsError> {
        let changed = self.cloud.store.update(BUCKET, name, |bucket: &mut Bucket| {
            change(bucket);
            Ok(())
        })?;
        changed.ok_or_else(no_such_bucket)
    }

    /// Returns the latest version of an object, or the requested version.
    ///
    /// # Errors
    /// If the object doesn't exist, `NoSuchKey` for callers who may list the bucket, and `AccessDenied` for others.
    pub fn object(
        &self,
        caller: &Caller,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Version, AwsError> {
        self.bucket(bucket)?;
        if version.is_some_and(|version| !is_version(version)) {
            return Err(AwsError::new(400, "InvalidArgument", "Invalid version id specified"));
        }
        let found = self.index.get(bucket, key, version)?;
        match found {
            Some(found) if found.record.file.is_some() || version.is_some() => Ok(found),
            found => {
                self.authorize(caller, bucket, Access::new("s3:ListBucket", bucket_arn(bucket)))?;
                Err(match version {
                    None => found.map_or_else(no_such_key, |marker| {
                        no_such_key()
                            .with("x-amz-delete-marker", "true")
                            .with("x-amz-version-id", marker.version)
                    }),
                    Some(_) => AwsError::new(404, "NoSuchVersion", "The specified version does not exist."),
                })
            }
        }
    }

    /// Makes a written file an object. If that fails, the file is deleted.
    pub async fn commit(
        &self,
        bucket: &str,
        key: &str,
        written: Written,
        etag: String,
        headers: Headers,
        condition: Option<Condition>,
    ) -> Result<(Deleted, Record), AwsError> {
        self.commit_parts(bucket, key, (written, Vec::new(), None), etag, headers, condition).await
    }

    /// Makes a written file, with the sizes of the parts that it was joined from and the upload's id, an object.
    pub async fn commit_parts(
        &self,
        bucket: &str,
        key: &str,
        (written, parts, upload): (Written, Vec<u64>, Option<&str>),
        etag: String,
        headers: Headers,
        condition: Option<Condition>,
    ) -> Result<(Deleted, Record), AwsError> {
        let record = Record {
            file: Some(written.file.clone()),
            size: written.size,
            etag,
            modified_ms: now_ms(),
            headers,
            checksums: by_name(written.checksums),
            parts,
            sealed: written.sealed,
            upload: upload.map(str::to_owned),
        };
        let outcome = self
            .bucket(bucket)
            .and_then(|b| self.index.put(bucket, key, b.versioning, condition.as_ref(), &record))
            .and_then(|outcome| outcome.map_err(unmet));
        match outcome {
            Ok(mut replaced) => {
                self.blobs.remove(std::mem::take(&mut replaced.files)).await;
                Ok((replaced, record))
            }
            Err(error) => {
                self.blobs.remove(vec![written.file]).await;
                Err(error)
            }
        }
    }

    /// Deletes the requested version. Without one, deletes or hides the object, by the bucket's versioning.
    pub async fn delete(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        condition: Option<&Condition>,
    ) -> Result<Deleted, AwsError> {
        let versioning = self.bucket(bucket)?.versioning;
        let deleted = self.index.delete(bucket, key, versioning, version, condition)?;
        let mut deleted = deleted.map_err(unmet)?;
        self.blobs.remove(std::mem::take(&mut deleted.files)).await;
        Ok(deleted)
    }
}

#[async_trait]
impl Objects for ObjectStore {
    fn list(&self, caller: &Caller, bucket: &str, prefix: &str) -> Result<Vec<Listed>, AwsError> {
        let context = as_service().with("s3:prefix", prefix);
        let access = Access::new("s3:ListBucket", bucket_arn(bucket)).with(context);
        self.authorize(caller, bucket, access)?;
        self.bucket(bucket)?;
        let mut found = Vec::new();
        let mut cursor: Option<Cursor> = None;
        loop {
            let page = self.index.list(bucket, prefix, None, cursor.as_ref(), 1000, false)?;
            found.extend(page.versions.into_iter().map(|v| Listed {
                key: v.key,
                size: v.record.size,
                etag: v.record.etag,
            }));
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(found),
            }
        }
    }

    async fn get_to_file(&self, caller: &Caller, bucket: &str, key: &str, to: &Path) -> Result<(), AwsError> {
        let access = Access::new("s3:GetObject", object_arn(bucket, key)).with(as_service());
        self.authorize(caller, bucket, access)?;
        let found = self.object(caller, bucket, key, None)?;
        let blob = found.record.blob().ok_or_else(no_such_key)?;
        self.blobs.copy_out(blob, to.to_owned()).await.map_err(disk)
    }

    async fn put_file(&self, caller: &Caller, bucket: &str, key: &str, from: &Path) -> Result<(), AwsError> {
        let access = Access::new("s3:PutObject", object_arn(bucket, key)).with(as_service());
        self.authorize(caller, bucket, access)?;
        let encrypted = self.bucket(bucket)?.managed_key;
        let written = self.blobs.copy_in(from.to_owned(), default_hasher(), encrypted).await.map_err(disk)?;
        let etag = hex::encode(written.md5);
        let headers = Headers { content_type: Some(DEFAULT_TYPE.to_owned()), ..Headers::default() };
        self.commit(bucket, key, written, etag, headers, None).await?;
        Ok(())
    }
}

/// Returns the error for a condition that the object doesn't meet.
fn unmet(refused: Refused) -> AwsError {
    let message = "At least one of the pre-conditions you specified did not hold";
    match refused {
        Refused::NoSuchKey => no_such_key(),
        Refused::Failed => AwsError::new(412, "PreconditionFailed", message),
    }
}

/// Whether a text can be a version's id: those of AWS and ours have 32 characters.
fn is_version(id: &str) -> bool {
    id == NULL_VERSION
        || id.len() == 32 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b))
}

/// Returns the condition keys of the requests that a service sends with a role.
fn as_service() -> Context {
    Context::new().with("s3:authType", "REST-HEADER").with("s3:signatureversion", "AWS4-HMAC-SHA256")
}
