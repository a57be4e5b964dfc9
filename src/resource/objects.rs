//! Objects below a prefix of a bucket, synced from local files: only those that differ, in parallel, with checksums. The
//! prefix belongs to the step: it must be empty at first, and all objects below it are deleted with it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, Delete, EncodingType, ObjectIdentifier};
use futures::StreamExt;
use futures::stream;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bucket::{decoded, empty, invalid};
use super::traits::{Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};
use crate::files::{LocalFile, files_below, hex};

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
}

impl Resource for Objects {
    const TYPE: &'static str = "objects";
    const STAGED: bool = true;

    fn naming(&self) -> Naming {
        Naming::Fixed(format!("s3://{}/{}", self.bucket, self.prefix))
    }

    fn replaces(&self, old: &Self) -> bool {
        self.naming() != old.naming()
    }

    async fn describe(&self, aws: &Aws, _name: &str) -> Outcome<Option<Live>> {
        let page = aws.s3.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix);
        let page = page.encoding_type(EncodingType::Url).max_keys(1).send().await;
        let page = present(page.map_err(|error| failure("ListObjectsV2", error)))?;
        if page.is_none_or(|page| page.contents().is_empty()) {
            return Ok(None);
        }
        let uri = format!("s3://{}/{}", self.bucket, self.prefix);
        Ok(Some(Live {
            status: Status::Ready,
            facts: facts([
                ("uri", json!(uri)),
                ("files", json!(self.files)),
                ("bytes", json!(self.bytes)),
                ("revision", json!(self.digest)),
            ]),
        }))
    }

    /// Returns the tags, which are in the objects' metadata.
    async fn tags(&self, aws: &Aws, _name: &str) -> Outcome<Tags> {
        let page = aws.s3.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix);
        let page = page.encoding_type(EncodingType::Url).max_keys(1).send().await;
        let page = page.map_err(|error| failure("ListObjectsV2", error))?;
        let Some(key) = page.contents().first().and_then(|object| object.key()).map(decoded) else {
            return Ok(Tags::new());
        };
        let head = aws.s3.head_object().bucket(&self.bucket).key(key).send().await;
        let head = head.map_err(|error| failure("HeadObject", error))?;
        let stack = head.metadata().and_then(|metadata| metadata.get("opsml-stack"));
        Ok(stack.map(|stack| ("opsml:stack".to_owned(), stack.clone())).into_iter().collect())
    }

    async fn create(&self, aws: &Aws, _name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let files = files_below(&self.folder)?;
        let mut there = self.list(aws).await?;
        let total = files.len() as u64;
        progress(
            format!("comparing {total} files with s3://{}/{}", self.bucket, self.prefix),
            Some((0, total)),
        );
        let stack = tags.get("opsml:stack").cloned().unwrap_or_default();
        let jobs: Vec<(LocalFile, Option<String>)> = files
            .into_iter()
            .map(|file| {
                let tag = there.remove(&format!("{}{}", self.prefix, file.key));
                (file, tag)
            })
            .collect();
        let mut uploads = stream::iter(jobs.into_iter().map(|(file, tag)| self.put(aws, file, tag, &stack)))
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
    /// Returns the key and the ETag of each object.
    async fn list(&self, aws: &Aws) -> Outcome<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        let pages = aws.s3.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix);
        let mut pages = pages.encoding_type(EncodingType::Url).into_paginator().send();
        while let Some(page) = pages.next().await {
            for object in page.map_err(|error| failure("ListObjectsV2", error))?.contents() {
                let tag = object.e_tag().unwrap_or_default().trim_matches('"').to_owned();
                found.insert(decoded(object.key().unwrap_or_default()), tag);
            }
        }
        Ok(found)
    }

    /// Uploads a file unless the object has the same content. The ETag of an object of one part is its MD5.
    async fn put(&self, aws: &Aws, file: LocalFile, tag: Option<String>, stack: &str) -> Outcome<()> {
        let body = tokio::fs::read(&file.path).await.map_err(|error| Failure::file(&file.path, error))?;
        if tag.is_some_and(|tag| tag == hex(&Md5::digest(&body))) {
            return Ok(());
        }
        let sent = aws
            .s3
            .put_object()
            .bucket(&self.bucket)
            .key(format!("{}{}", self.prefix, file.key))
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
            let gone = aws.s3.delete_objects().bucket(&self.bucket).delete(delete).send().await;
            gone.map_err(|error| failure("DeleteObjects", error))?;
        }
        Ok(())
    }
}

/// Returns the bucket and the key of `s3://bucket/key`.
pub fn split_uri(uri: &str) -> Outcome<(String, String)> {
    let invalid = || Failure::new("InvalidUri", format!("`{uri}` is not an S3 URI: s3://BUCKET/KEY"));
    let (bucket, key) =
        uri.strip_prefix("s3://").ok_or_else(invalid)?.split_once('/').unwrap_or((&uri[5..], ""));
    if bucket.is_empty() { Err(invalid()) } else { Ok((bucket.to_owned(), key.to_owned())) }
}
