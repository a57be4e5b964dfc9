//! S3: buckets and objects, kept as files in the cloud's folder.
//!
//! [`api`] speaks s3s's types, [`access`] says who may do what, [`index`] knows which version of which key lies
//! in which file, [`blobs`] holds the bytes. Data planes (training jobs, endpoints) use [`Objects`] itself, as
//! the role that they run as.

mod access;
mod api;
mod blobs;
mod buckets;
mod index;
mod listings;
mod multipart;
mod policies;
mod uploads;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};
use jiff::Timestamp;
use s3s::checksum::ChecksumHasher;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::crypto::{Checksum as _, Crc64Nvme};
use s3s::service::{S3Service, S3ServiceBuilder};
use serde::{Deserialize, Serialize};

use crate::call::{AwsError, Caller};
use crate::cloud::Cloud;
use crate::iam::Context;
use crate::store::Store;
use blobs::{Blobs, Written, blocking};
use index::{Condition, Cursor, Deleted, Headers, Index, Record, Refused, Version, Versioning};

const BUCKET: &str = "s3.bucket";

/// Answers S3's requests. It verifies their signatures by itself, since those reach into the body.
#[derive(Clone, Debug)]
pub struct S3 {
    service: S3Service,
}

impl S3 {
    pub fn new(cloud: &Arc<Cloud>) -> Self {
        let objects = Objects::new(cloud);
        let mut builder = S3ServiceBuilder::new(objects.clone());
        builder.set_auth(objects.clone());
        builder.set_access(objects);
        let mut config = S3Config::default();
        config.presigned_url_max_skew_time_secs = 900;
        // `a//b` is a key of its own.
        config.normalize_forward_slash_path = false;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        Self { service: builder.build() }
    }

    /// `request_id` is answered as `x-amz-request-id`.
    pub async fn call(&self, request: Request<Body>, request_id: &str) -> Result<Response<Body>, AwsError> {
        let request = request.map(s3s::Body::http_body_unsync);
        let response = self.service.call(request).await;
        let mut response = response.map_err(|error| AwsError::internal(format!("{error:?}")))?.map(Body::new);
        if let Ok(id) = request_id.parse() {
            response.headers_mut().insert("x-amz-request-id", id);
        }
        Ok(response)
    }
}

/// Whether no bucket is left.
pub fn is_empty(cloud: &Cloud) -> bool {
    cloud.store.list::<Bucket>(BUCKET).is_ok_and(|buckets| buckets.is_empty())
}

/// Makes the folders of the bytes, and sweeps what a crash left there.
pub(crate) fn prepare(dir: &Path, store: &Store) -> Result<(), AwsError> {
    let blobs = Blobs::new(dir);
    let live = Index::new(store.clone()).files()?;
    blobs.prepare(&live).map_err(disk)
}

/// The objects themselves. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Objects {
    cloud: Arc<Cloud>,
    index: Index,
    blobs: Blobs,
}

/// What is known of a bucket. The defaults are those of a new bucket on AWS: nothing public, encrypted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Bucket {
    created_ms: i64,
    #[serde(default)]
    versioning: Versioning,
    /// None: the block was deleted.
    public_access_block: Option<PublicAccessBlock>,
    #[serde(default)]
    bucket_key_enabled: bool,
    #[serde(default)]
    tags: Vec<(String, String)>,
    #[serde(default)]
    policy: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct PublicAccessBlock {
    block_public_acls: bool,
    ignore_public_acls: bool,
    block_public_policy: bool,
    restrict_public_buckets: bool,
}

/// An object as the data planes see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
}

impl Objects {
    pub fn new(cloud: &Arc<Cloud>) -> Self {
        let index = Index::new(cloud.store.clone());
        Self { cloud: Arc::clone(cloud), index, blobs: Blobs::new(&cloud.settings.dir) }
    }

    /// Every object under a prefix, by key.
    ///
    /// # Errors
    /// `AccessDenied` where `caller` may not `s3:ListBucket`, `NoSuchBucket`.
    pub fn list(&self, caller: &Caller, bucket: &str, prefix: &str) -> Result<Vec<Listed>, AwsError> {
        let context = Context::new().with("s3:prefix", prefix);
        self.authorize(caller, "s3:ListBucket", bucket, &bucket_arn(bucket), &context)?;
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

    /// Writes an object's bytes to a new file, or over an old one.
    ///
    /// # Errors
    /// `AccessDenied` where `caller` may not `s3:GetObject`, `NoSuchBucket`, `NoSuchKey`, a full disk.
    pub async fn get_to_file(
        &self,
        caller: &Caller,
        bucket: &str,
        key: &str,
        to: &Path,
    ) -> Result<(), AwsError> {
        self.authorize(caller, "s3:GetObject", bucket, &object_arn(bucket, key), &Context::new())?;
        let found = self.object(caller, bucket, key, None)?;
        let file = found.record.file.ok_or_else(no_such_key)?;
        let (from, to) = (self.blobs.path(&file), to.to_owned());
        blocking(move || std::fs::copy(from, to)).await.map_err(disk)?;
        Ok(())
    }

    /// Stores a file's bytes as an object.
    ///
    /// # Errors
    /// `AccessDenied` where `caller` may not `s3:PutObject`, `NoSuchBucket`, a full disk.
    pub async fn put_file(
        &self,
        caller: &Caller,
        bucket: &str,
        key: &str,
        from: &Path,
    ) -> Result<(), AwsError> {
        self.authorize(caller, "s3:PutObject", bucket, &object_arn(bucket, key), &Context::new())?;
        self.bucket(bucket)?;
        let written = self.blobs.copy_in(from.to_owned(), default_hashes()).await.map_err(disk)?;
        let etag = hex::encode(written.md5);
        let headers = Headers { content_type: Some(DEFAULT_TYPE.to_owned()), ..Headers::default() };
        self.commit(bucket, key, written, etag, 0, headers, None).await?;
        Ok(())
    }

    fn bucket(&self, name: &str) -> Result<Bucket, AwsError> {
        self.cloud.store.get(BUCKET, name)?.ok_or_else(no_such_bucket)
    }

    fn change_bucket(&self, name: &str, change: impl FnOnce(&mut Bucket)) -> Result<(), AwsError> {
        self.cloud
            .store
            .update(BUCKET, name, |bucket: &mut Bucket| {
                change(bucket);
                Ok(())
            })?
            .ok_or_else(no_such_bucket)
    }

    /// The object that a read finds. Who may not list the bucket is not told that there is none.
    fn object(
        &self,
        caller: &Caller,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Version, AwsError> {
        self.bucket(bucket)?;
        let found = self.index.get(bucket, key, version)?;
        match found {
            Some(found) if found.record.file.is_some() || version.is_some() => Ok(found),
            _ => {
                self.authorize(caller, "s3:ListBucket", bucket, &bucket_arn(bucket), &Context::new())?;
                Err(match version {
                    None => no_such_key(),
                    Some(_) => AwsError::new(404, "NoSuchVersion", "The specified version does not exist."),
                })
            }
        }
    }

    /// Makes what was written an object. Its file is removed again if it does not become one.
    #[allow(clippy::too_many_arguments)]
    async fn commit(
        &self,
        bucket: &str,
        key: &str,
        written: Written,
        etag: String,
        parts: u32,
        headers: Headers,
        condition: Option<Condition>,
    ) -> Result<(Deleted, Record), AwsError> {
        let record = Record {
            file: Some(written.file.clone()),
            size: written.size,
            etag,
            modified_ms: now_ms(),
            headers,
            checksums: checksum_map(written.checksums),
            parts,
        };
        let outcome = self
            .bucket(bucket)
            .and_then(|b| self.index.put(bucket, key, b.versioning, condition.as_ref(), &record))
            .and_then(|outcome| {
                outcome.map_err(|refused| match refused {
                    Refused::NoSuchKey => no_such_key(),
                    Refused::Failed => AwsError::new(
                        412,
                        "PreconditionFailed",
                        "At least one of the pre-conditions you specified did not hold",
                    ),
                })
            });
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

    async fn delete(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<Deleted, AwsError> {
        let versioning = self.bucket(bucket)?.versioning;
        let mut deleted = self.index.delete(bucket, key, versioning, version, now_ms())?;
        self.blobs.remove(std::mem::take(&mut deleted.files)).await;
        Ok(deleted)
    }
}

/// What S3 answers as the type of an object that was put without one.
const DEFAULT_TYPE: &str = "binary/octet-stream";

/// S3 computes a CRC64NVME where the client sent no checksum.
fn default_hashes() -> ChecksumHasher {
    ChecksumHasher { crc64nvme: Some(Crc64Nvme::new()), ..ChecksumHasher::default() }
}

fn checksum_map(sums: s3s::dto::Checksum) -> BTreeMap<String, String> {
    [
        ("crc32", sums.checksum_crc32),
        ("crc32c", sums.checksum_crc32c),
        ("crc64nvme", sums.checksum_crc64nvme),
        ("sha1", sums.checksum_sha1),
        ("sha256", sums.checksum_sha256),
    ]
    .into_iter()
    .filter_map(|(name, sum)| Some((name.to_owned(), sum?)))
    .collect()
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

fn object_arn(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

fn no_such_bucket() -> AwsError {
    AwsError::new(404, "NoSuchBucket", "The specified bucket does not exist")
}

fn no_such_key() -> AwsError {
    AwsError::new(404, "NoSuchKey", "The specified key does not exist.")
}

/// The disk's failure, in the only words that S3 has for its own: the cause is told, nothing was changed.
fn disk(error: std::io::Error) -> AwsError {
    AwsError::internal(format!("the local cloud could not use its disk: {error}"))
}
