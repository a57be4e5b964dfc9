//! Objects below a prefix of a bucket, synced from local files: only those that differ, in parallel, with checksums. The
//! prefix belongs to the step: it must be empty at first, and all objects below it are deleted with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, Delete, EncodingType, ObjectIdentifier};
use futures::StreamExt;
use futures::stream;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;

use super::bucket::{decoded, empty, invalid};
use super::traits::{Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};
use crate::files::{LocalFile, files_below, visible_below};

/// How many files are uploaded at the same time. For small files, latency limits the speed.
const PARALLEL: usize = 16;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objects {
    pub bucket: String,
    /// Ends in `/`.
    pub prefix: String,
    /// The local folder.
    pub folder: PathBuf,
    /// The digest of the folder's content, so that other content is another request.
    pub digest: String,
    pub files: u64,
    pub bytes: u64,
    /// Whether hidden files are among them.
    #[serde(default)]
    pub hidden: bool,
}

impl Resource for Objects {
    const TYPE: &'static str = "objects";
    const ROWS: &'static [&'static str] = &["uri", "files", "bytes"];
    const STAGED: bool = true;

    fn naming(&self) -> Naming {
        Naming::Fixed(format!("s3://{}/{}", self.bucket, self.prefix))
    }

    fn replaces(&self, old: &Self) -> bool {
        self.naming() != old.naming()
    }

    async fn describe(&self, aws: &Aws, _name: &str) -> Outcome<Option<Live>> {
        let Some(content) = content(aws, &self.bucket, &self.prefix).await? else { return Ok(None) };
        let facts = facts([
            ("uri", json!(format!("s3://{}/{}", self.bucket, self.prefix))),
            ("files", json!(content.files)),
            ("bytes", json!(content.bytes)),
            ("revision", json!(content.revision)),
        ]);
        Ok(Some(Live { status: Status::Ready, facts }))
    }

    /// Returns the tags, which are in the objects' metadata. Somebody may have overwritten an object, so several are read.
    async fn tags(&self, aws: &Aws, _name: &str) -> Outcome<Tags> {
        let keys: Vec<String> = list(aws, &self.bucket, &self.prefix).await?.into_keys().collect();
        let last = keys.len().saturating_sub(1);
        for at in BTreeSet::from([0, last / 2, last]) {
            let Some(key) = keys.get(at) else { break };
            let head = aws.s3.head_object().bucket(&self.bucket).key(key).send().await;
            let Some(head) = present(head.map_err(|error| failure("HeadObject", error)))? else { continue };
            if let Some(stack) = head.metadata().and_then(|metadata| metadata.get("opsml-stack")) {
                return Ok(Tags::from([("opsml:stack".to_owned(), stack.clone())]));
            }
        }
        Ok(Tags::new())
    }

    async fn create(&self, aws: &Aws, _name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let files = match self.hidden {
            true => files_below(&self.folder)?,
            false => visible_below(&self.folder)?.0,
        };
        let mut there = list(aws, &self.bucket, &self.prefix).await?;
        let total = files.len() as u64;
        progress(
            format!(
                "comparing {total} file{} with s3://{}/{}",
                if total == 1 { "" } else { "s" },
                self.bucket,
                self.prefix
            ),
            Some((0, total)),
        );
        let stack = tags.get("opsml:stack").cloned().unwrap_or_default();
        let jobs: Vec<(LocalFile, Option<Listed>)> = files
            .into_iter()
            .map(|file| {
                let there = there.remove(&format!("{}{}", self.prefix, file.key));
                (file, there)
            })
            .collect();
        let mut uploads =
            stream::iter(jobs.into_iter().map(|(file, there)| self.put(aws, file, there, &stack)))
                .buffer_unordered(PARALLEL);
        let mut done = 0;
        while let Some(result) = uploads.next().await {
            result?;
            done += 1;
            progress(format!("uploading to s3://{}/{}", self.bucket, self.prefix), Some((done, total)));
        }
        drop(uploads);
        self.remove(aws, there.into_keys().collect()).await
    }

    async fn delete(&self, aws: &Aws, _name: &str) -> Outcome<()> {
        empty(aws, &self.bucket, &self.prefix).await
    }
}

impl Objects {
    /// Uploads a file unless the object has the same content. The ETag of an object of one part is its MD5.
    async fn put(&self, aws: &Aws, file: LocalFile, there: Option<Listed>, stack: &str) -> Outcome<()> {
        let body = tokio::fs::read(&file.path).await.map_err(|error| Failure::file(&file.path, error))?;
        if there.is_some_and(|there| there.tag == hex::encode(Md5::digest(&body))) {
            return Ok(());
        }
        let sent = aws
            .s3
            .put_object()
            .bucket(&self.bucket)
            .key(format!("{}{}", self.prefix, file.key))
            .expected_bucket_owner(&aws.account)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .metadata("opsml-stack", stack)
            .body(ByteStream::from(body))
            .send()
            .await;
        sent.map(|_| ()).map_err(|error| failure("PutObject", error))
    }

    async fn remove(&self, aws: &Aws, keys: Vec<String>) -> Outcome<()> {
        for some in keys.chunks(1000) {
            let objects = some.iter().map(|key| ObjectIdentifier::builder().key(key).build());
            let objects: Result<Vec<_>, _> = objects.collect();
            let delete = Delete::builder().set_objects(Some(objects.map_err(invalid)?)).quiet(true).build();
            let delete = delete.map_err(invalid)?;
            let gone = aws
                .s3
                .delete_objects()
                .bucket(&self.bucket)
                .expected_bucket_owner(&aws.account)
                .delete(delete)
                .send()
                .await;
            gone.map_err(|error| failure("DeleteObjects", error))?;
        }
        Ok(())
    }
}

/// An object as S3 lists it.
struct Listed {
    /// Its ETag without quotes.
    tag: String,
    bytes: u64,
}

async fn list(aws: &Aws, bucket: &str, prefix: &str) -> Outcome<BTreeMap<String, Listed>> {
    let mut found = BTreeMap::new();
    let pages = aws.s3.list_objects_v2().bucket(bucket).prefix(prefix);
    let mut pages = pages.encoding_type(EncodingType::Url).into_paginator().send();
    while let Some(page) = pages.next().await {
        for object in page.map_err(|error| failure("ListObjectsV2", error))?.contents() {
            let tag = object.e_tag().unwrap_or_default().trim_matches('"').to_owned();
            let bytes = object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
            found.insert(decoded(object.key().unwrap_or_default()), Listed { tag, bytes });
        }
    }
    Ok(found)
}

/// What lies below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub files: usize,
    pub bytes: u64,
    /// A digest of the keys below the prefix and of the objects' ETags, which change with their content.
    pub revision: String,
}

/// Returns `None` if nothing lies below the prefix.
pub async fn content(aws: &Aws, bucket: &str, prefix: &str) -> Outcome<Option<Content>> {
    let Some(found) = present(list(aws, bucket, prefix).await)?.filter(|found| !found.is_empty()) else {
        return Ok(None);
    };
    let mut digest = Sha256::new();
    for (key, object) in &found {
        digest.update(json!([key.strip_prefix(prefix), object.tag]).to_string());
    }
    let bytes = found.values().map(|object| object.bytes).sum();
    Ok(Some(Content { files: found.len(), bytes, revision: hex::encode(digest.finalize())[..16].to_owned() }))
}

/// As [`content`], the revision alone, for what a job reads. It may lie in a bucket that the user may not list, and then it
/// is unknown.
pub async fn revision(aws: &Aws, uri: &str) -> Outcome<Option<String>> {
    let (bucket, key) = split_uri(uri)?;
    match content(aws, &bucket, &key).await {
        Err(denied) if matches!(denied.code.as_str(), "AccessDenied" | "AllAccessDisabled") => Ok(None),
        content => Ok(content?.map(|content| content.revision)),
    }
}

/// An object of which HeadObject says whether it is there.
pub enum Object {
    /// Its ETag.
    There(String),
    Gone,
    /// The user may not read it.
    Unknown,
}

pub async fn look(aws: &Aws, uri: &str) -> Outcome<Object> {
    let (bucket, key) = split_uri(uri)?;
    let head = aws.s3.head_object().bucket(bucket).key(key).send().await;
    match present(head.map_err(|error| failure("HeadObject", error))) {
        Ok(Some(head)) => Ok(Object::There(head.e_tag().unwrap_or_default().trim_matches('"').to_owned())),
        Ok(None) => Ok(Object::Gone),
        Err(denied) if denied.code == "AccessDenied" => Ok(Object::Unknown),
        Err(failure) => Err(failure),
    }
}

/// Returns the bucket and the key of `s3://bucket/key`.
pub fn split_uri(uri: &str) -> Outcome<(String, String)> {
    let invalid = || Failure::new("InvalidUri", format!("`{uri}` is not an S3 URI: s3://BUCKET/KEY"));
    let (bucket, key) =
        uri.strip_prefix("s3://").ok_or_else(invalid)?.split_once('/').unwrap_or((&uri[5..], ""));
    if bucket.is_empty() { Err(invalid()) } else { Ok((bucket.to_owned(), key.to_owned())) }
}
