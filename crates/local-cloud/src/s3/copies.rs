//! The operations that copy objects, and parts of objects.

use std::ops::Range;

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::access::{caller, context};
use super::arn::object_arn;
use super::checksums::{default_hasher, hasher};
use super::conditions::{Wanted, wanted_source};
use super::encryption::set_encryption;
use super::error::{disk, to_s3};
use super::index::{DEFAULT_TYPE, Headers, Version};
use super::storage::{check_copied, kept_class};
use super::store::ObjectStore;
use super::tagging::header_tags;
use super::wire::*;
use crate::authority::Access;

impl ObjectStore {
    pub(super) async fn copy_object(
        &self,
        req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let found = self.source(&req, &req.input.copy_source)?;
        let input = req.input;
        let redirect = redirect(input.website_redirect_location.as_deref())?;
        wanted_source!(input).check_copy(&found)?;
        let replace = input.metadata_directive.as_ref().is_some_and(|d| d.as_str() == "REPLACE");
        let class = kept_class(input.storage_class.as_ref())?;
        let itself = found.latest
            && matches!(&input.copy_source, CopySource::Bucket { bucket, key, version_id: None }
                if **bucket == *input.bucket && **key == *input.key);
        // What the request names counts, even if the object has it already.
        let named = input.storage_class.is_some() || input.server_side_encryption.is_some();
        let changes = replace || named || redirect.is_some();
        // AWS allows it under encryption that the bucket's owner has set, even if that is the usual one.
        let set = self.bucket(&input.bucket).map_err(to_s3)?.encryption_set;
        if itself && !changes && !set {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes."
            ));
        }
        let algorithm = input.server_side_encryption.as_ref();
        let encrypted = self.asked_encryption(&input.bucket, algorithm, input.ssekms_key_id.as_deref())?;
        let source = found.record.headers.clone();
        let retag = input.tagging_directive.as_ref().is_some_and(|d| d.as_str() == "REPLACE");
        let tags = if retag { header_tags(input.tagging.as_deref())? } else { source.tags.clone() };
        let headers = if replace { headers!(input) } else { source };
        let headers = Headers { tags, storage_class: class, website_redirect: redirect, ..headers };
        let hashes = match &input.checksum_algorithm {
            Some(algorithm) => hasher([algorithm.as_str()]),
            None if found.record.checksums.is_empty() => default_hasher(),
            None => hasher(found.record.checksums.keys().map(String::as_str)),
        };
        let written = self.blobs.concat(found.record.blob().as_slice(), hashes, encrypted).await;
        let written = written.map_err(|error| to_s3(disk(error)))?;
        let etag = hex::encode(written.md5);
        let (put, record) =
            self.commit(&input.bucket, &input.key, written, etag, headers, None).await.map_err(to_s3)?;
        let mut result = CopyObjectResult {
            e_tag: strong(&record.etag),
            last_modified: Some(timestamp(record.modified_ms)),
            ..Default::default()
        };
        set_checksums!(result, &record.checksums);
        let mut output = CopyObjectOutput {
            copy_object_result: Some(result),
            version_id: put.version,
            copy_source_version_id: self.source_version(&input.copy_source, &found)?,
            ..Default::default()
        };
        set_encryption!(output, self.encryption_of(&record));
        Ok(S3Response::new(output))
    }

    pub(super) async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let found = self.source(&req, &req.input.copy_source)?;
        let input = req.input;
        check_part_number(input.part_number)?;
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id).map_err(to_s3)?;
        wanted_source!(input).check_copy(&found)?;
        let range = copied_range(input.copy_source_range.as_deref(), found.record.size)?;
        let hashes = match &upload.algorithm {
            Some(algorithm) => hasher([algorithm.as_str()]),
            None => default_hasher(),
        };
        let Some(blob) = found.record.blob() else { return Err(marker_error()) };
        let written = self.blobs.cut(&blob, range, hashes, upload.encrypted).await;
        let written = written.map_err(|error| to_s3(disk(error)))?;
        let record = self.keep_part(&input.upload_id, input.part_number, written).await.map_err(to_s3)?;
        let mut result = CopyPartResult {
            e_tag: strong(&record.etag),
            last_modified: Some(timestamp(record.modified_ms)),
            ..Default::default()
        };
        if upload.algorithm.is_some() {
            set_checksums!(result, &record.checksums);
        }
        let mut output = UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: self.source_version(&input.copy_source, &found)?,
            ..Default::default()
        };
        set_encryption!(output, self.encryption_of(&record));
        Ok(S3Response::new(output))
    }

    /// Returns the object that a copy reads, if the caller may read it.
    fn source<T>(&self, req: &S3Request<T>, source: &CopySource) -> S3Result<Version> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(s3_error!(NotImplemented, "The local cloud has no access points."));
        };
        let who = caller(req)?;
        let action = if version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        let access = Access::new(action, object_arn(bucket, key)).with(context(req));
        self.authorize(&who, bucket, access).map_err(to_s3)?;
        let found = self.object(&who, bucket, key, version_id.as_deref()).map_err(to_s3)?;
        if found.record.file.is_none() {
            return Err(marker_error());
        }
        check_copied(&found.record)?;
        Ok(found)
    }

    /// Returns the version id of a copy's source for the answer. None: its bucket has no versions.
    fn source_version(&self, source: &CopySource, found: &Version) -> S3Result<Option<String>> {
        match source {
            CopySource::Bucket { bucket, .. } => self.version_of(bucket, found),
            _ => Ok(None),
        }
    }
}

/// Reads the range of a part's copy, `bytes=FIRST-LAST`. Other than a read's range, it must lie within the object.
fn copied_range(written: Option<&str>, size: u64) -> S3Result<Range<u64>> {
    let Some(written) = written else { return Ok(0..size) };
    let bounds = written.strip_prefix("bytes=").and_then(|bounds| bounds.split_once('-'));
    let bounds = bounds.and_then(|(first, last)| Some((first.parse().ok()?, last.parse::<u64>().ok()?)));
    match bounds {
        Some((first, last)) if first <= last && last < size => Ok(first..last + 1),
        Some((first, last)) if first <= last => {
            Err(s3_error!(InvalidArgument, "Range specified is not valid for source object of size: {size}"))
        }
        _ => Err(s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy"
        )),
    }
}
